"""Morgan fingerprints of molecules (circular fingerprints, ECFP: Rogers and Hahn 2010, doi:10.1021/ci100050t) by RDKit.

A molecule is written as SMILES or InChI. Its fingerprint has one bit for each environment of an atom up to a radius,
folded to a fixed number of bits; two molecules are compared by Tanimoto similarity, the share of set bits that both
have.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import Field

from vicinal import Encoder, Item, ItemError, Modality, Rendering, Segment, Space
from vicinal_molecule.fingerprints import Fingerprints, WorkerPool, is_inchi, parse_molecule, rdkit_log

if TYPE_CHECKING:
    import numpy as np

__all__ = ["SMILES", "Morgan"]

MAX_CHARS = 5_000
"""The longest SMILES; RDKit's time and stack grow with it, and small molecules need a few hundred at most."""

SMILES = Modality(
    "smiles",
    label="SMILES",
    placeholder="A SMILES, as CC(=O)Oc1ccccc1C(=O)O",
    example="CC(=O)Oc1ccccc1C(=O)O",
    renders="svg",
)

_WIDTH, _HEIGHT = 300, 200


class Morgan(Encoder["Morgan.Params"]):
    """Encodes molecules; content and query are SMILES, CXSMILES or InChI, and a name after it is left out."""

    decode_batch_size = 1_024
    query_modalities = (SMILES,)
    encode_is_thread_safe = True

    class Params(Encoder.Params):
        bits: int = Field(default=2048, ge=64, le=8192, multiple_of=8)
        """Length of the fingerprint; fewer bits save memory, and more environments of atoms share a bit."""
        radius: int = Field(default=2, ge=0, le=10)
        """How many bonds an environment reaches from its atom; 2 is ECFP4."""
        chirality: bool = False
        """Whether mirror images (enantiomers) have different fingerprints."""

    def __init__(self, params: Any = None) -> None:
        super().__init__(params)
        options = (self.params.bits, self.params.radius, self.params.chirality)
        self._fingerprints, self._workers = Fingerprints(*options), WorkerPool(options)

    @property
    def space(self) -> Space:
        return Space(self.params.bits, "binary", "JACCARD")

    @property
    def signature(self) -> str:
        """The algorithm and its parameters, without RDKit's version, since its Morgan bits are stable across releases.

        A test compares with bits that an earlier RDKit gave. If it ever fails, raise the ``1`` to a ``2``.
        """
        params = self.params
        return f"morgan/rdkit-1/bits={params.bits}/radius={params.radius}/chirality={params.chirality:d}"

    @property
    def encode_batch_size(self) -> int:
        return 2048

    def decode(self, item: Item) -> list[Segment]:
        """Parse a SMILES or an InChI: one segment, whose sample is its fingerprint, ``bits / 8`` bytes.

        Raises:
            ItemError: it is neither, or not a possible molecule; with RDKit's reason.
        """
        text = _require_molecule_text(item.content)
        bits = self._fingerprints.compute([text])[0]
        if bits is None:
            raise ItemError(_explain_refusal(text))
        return [Segment(bits)]

    def decode_many(self, items: Sequence[Item]) -> list[Sequence[Segment] | ItemError]:
        """Parse many SMILES, from the second thousand on in worker processes; those that fail again, for the reason."""
        is_valid = [isinstance(item.content, str) and len(item.content) <= MAX_CHARS for item in items]
        smiles = [item.content.strip() if valid else "" for item, valid in zip(items, is_valid, strict=True)]
        fingerprints = self._workers.compute(smiles) or self._fingerprints.compute(smiles)
        return [
            [Segment(bits)] if bits is not None and "\0" not in text else self._decode_or_error(item)
            for item, text, bits in zip(items, smiles, fingerprints, strict=True)
        ]

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        """Return the fingerprints as ``(n, bits / 8)`` uint8; bit i is the i-th of ``np.unpackbits``."""
        import numpy as np

        return np.frombuffer(b"".join(samples), np.uint8).reshape(len(samples), self.params.bits // 8)

    def render(self, item: Item) -> Rendering:
        """Draw the structure as an SVG with a transparent background and bonds in the surrounding text's colour."""
        with suppress(ItemError):
            if svg := _draw_svg(_require_molecule_text(item.content)):
                return Rendering("svg", svg)
        return Rendering("text", str(item.content))


def _require_molecule_text(content: Any) -> str:
    if not isinstance(content, str):
        raise ItemError(f"a SMILES is a text, not {type(content).__name__}")
    text = content.strip()
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ItemError("the SMILES is not valid Unicode")
    if not any(char.isprintable() and not char.isspace() for char in text):
        raise ItemError("the SMILES is empty")
    if len(text) > MAX_CHARS:
        raise ItemError(f"the SMILES has {len(text):,} characters, more than {MAX_CHARS:,}")
    if "\0" in text:
        raise ItemError("the SMILES has a NUL character, at which RDKit would truncate it")
    return text


def _explain_refusal(text: str) -> str:
    """Say why RDKit refuses a SMILES or an InChI: an error of the notation, in RDKit's words, or of the chemistry."""
    from rdkit import Chem

    shown = repr(text if len(text) <= 80 else f"{text[:77]}…")
    with rdkit_log() as log:
        molecule = parse_molecule(text, sanitize=False)
        if molecule is None:
            return f"{_explain_notation(text, log.messages)} in {shown}"
        problems = "; ".join(problem.Message() for problem in Chem.DetectChemistryProblems(molecule))
        if not molecule.GetNumAtoms():
            return "the molecule has no atoms"
    return f"not a possible molecule: {problems or 'RDKit cannot sanitize it'}, in {shown}"


def _explain_notation(text: str, log: str) -> str:
    """Say what a text that RDKit cannot read has in place of a SMILES, or where its error is."""
    for pattern, kind in _OTHER_NOTATIONS.items():
        if re.search(pattern, text):
            return f"{kind}, not a SMILES,"
    if is_inchi(text):
        return "not a valid InChI,"
    core, bar, _ = text.partition(" |")
    if bar and _is_smiles(core):
        return f"its CXSMILES extension {_quote_excerpt(text[len(core) + 1 :])} is broken,"
    first = re.split(r"[,;|]", text, maxsplit=1)[0]
    if first != text and _is_smiles(first):
        return f"not a SMILES alone; separate {_quote_excerpt(first)} from what follows it,"
    return f"not a SMILES: {_find_syntax_error(log)}"


_OTHER_NOTATIONS = {
    r"^(?i:InChIKey=)?[A-Z]{14}-[A-Z]{10}-[A-Z]$": "an InChIKey, which does not contain the structure",
    r"\bV[23]000\b|^M  END": "a molfile, as SDF consists of",
    r">.*>": "a reaction",
}


def _is_smiles(text: str) -> bool:
    molecule = parse_molecule(text, sanitize=False)
    return molecule is not None and molecule.GetNumAtoms() > 0


def _quote_excerpt(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}…")


def _find_syntax_error(log: str) -> str:
    """Extract from RDKit's log its error about the notation, without its echo of the SMILES."""
    error = re.search(r"SMILES Parse Error: (.+?)(?: while parsing: | for input: |\n)", log)
    position = re.search(r"check for mistakes around position (\d+)", log)
    what = error[1] if error else "RDKit cannot parse it"
    return f"{what} at character {position[1]}," if error and position else f"{what},"


def _draw_svg(text: str) -> str:
    """Draw a molecule as SVG; empty where RDKit refuses to read or to draw it."""
    from rdkit.Chem.Draw import rdMolDraw2D

    with suppress(RuntimeError, ValueError), rdkit_log():
        molecule = parse_molecule(text)
        if molecule is None:
            return ""
        drawer = rdMolDraw2D.MolDraw2DSVG(_WIDTH, _HEIGHT)
        options: Any = drawer.drawOptions()
        options.clearBackground = False
        rdMolDraw2D.PrepareAndDrawMolecule(drawer, molecule)
        drawer.FinishDrawing()
        svg: str = drawer.GetDrawingText()
        return svg[svg.index("<svg") :].replace("#000000", "currentColor").strip()
    return ""
