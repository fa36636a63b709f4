"""Morgan fingerprints of molecules (circular fingerprints, ECFP: Rogers and Hahn 2010, doi:10.1021/ci100050t) by RDKit.

A molecule is written as SMILES. Its fingerprint has one bit for each environment of an atom up to a radius, folded to a
fixed number of bits; two molecules are compared by Tanimoto similarity, the share of bits that both have.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import Field

from vicinal import Encoder, Item, ItemError, Rendering, Segment, Space
from vicinal_molecule.fingerprints import PARSING, Fingerprints, Helpers

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Morgan"]

LONGEST = 5_000
"""Characters; RDKit's time and stack grow with a SMILES, and small molecules need a few hundred at most."""

_WIDTH, _HEIGHT = 300, 200


class Morgan(Encoder):
    """Encodes molecules; content and query are SMILES."""

    decode_batch_size = 1_024
    query_modalities = ("smiles",)
    encode_is_thread_safe = True

    class Params(Encoder.Params):
        bits: int = Field(default=2048, ge=64, le=8192, multiple_of=8)
        """Length of the fingerprint; fewer bits save memory and let more different environments share one."""
        radius: int = Field(default=2, ge=0, le=10)
        """How many bonds an environment reaches from its atom; 2 is ECFP4."""
        chirality: bool = False
        """Whether mirror images differ."""

    def __init__(self, params: Any = None) -> None:
        super().__init__(params)
        options = (self.params.bits, self.params.radius, self.params.chirality)
        self._fingerprints, self._helpers = Fingerprints(*options), Helpers(options)

    @property
    def space(self) -> Space:
        return Space(self.params.bits, "binary", "JACCARD")

    @property
    def signature(self) -> str:
        """The algorithm and its parameters, without RDKit's version: its Morgan bits stay as they are across releases.

        A test holds bits that an earlier RDKit gave. Should it fail one day, the ``1`` becomes a ``2``.
        """
        params = self.params
        return f"morgan/rdkit-1/bits={params.bits}/radius={params.radius}/chirality={params.chirality:d}"

    @property
    def encode_batch_size(self) -> int:
        return 2048

    def decode(self, item: Item) -> list[Segment]:
        """Parse a SMILES: one segment, whose sample is its fingerprint, ``bits / 8`` bytes.

        Raises:
            ItemError: it is no SMILES, or no molecule that chemistry allows; with RDKit's reason.
        """
        smiles = _checked(item.content)
        bits = self._fingerprints.of([smiles])[0]
        if bits is None:
            raise ItemError(_reason(smiles))
        return [Segment(bits)]

    def decode_many(self, items: Sequence[Item]) -> list[Sequence[Segment] | ItemError]:
        """Parse many SMILES, from the second thousand on in other processes; one that fails, again and alone."""
        sound = [isinstance(item.content, str) and len(item.content) <= LONGEST for item in items]
        smiles = [item.content.strip() if right else "" for item, right in zip(items, sound, strict=True)]
        found = self._helpers.of(smiles) or self._fingerprints.of(smiles)
        return [
            [Segment(bits)] if bits is not None and "\0" not in each else self._decoded(item)
            for item, each, bits in zip(items, smiles, found, strict=True)
        ]

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        """The fingerprints as ``(n, bits / 8)`` uint8; bit i is the i-th that ``np.unpackbits`` gives."""
        import numpy as np

        return np.frombuffer(b"".join(samples), np.uint8).reshape(len(samples), self.params.bits // 8)

    def render(self, item: Item) -> Rendering:
        """The structure as an SVG on a transparent ground, its bonds in the colour of the text around it."""
        with suppress(ItemError):
            if svg := _draw(_checked(item.content)):
                return Rendering("svg", svg)
        return Rendering("text", str(item.content))


def _checked(content: Any) -> str:
    if not isinstance(content, str):
        raise ItemError(f"a SMILES is a text, not {type(content).__name__}")
    smiles = content.strip()
    if not smiles:
        raise ItemError("the SMILES is empty")
    if len(smiles) > LONGEST:
        raise ItemError(f"the SMILES has {len(smiles):,} characters, more than {LONGEST:,}")
    if "\0" in smiles:
        raise ItemError("the SMILES holds a NUL character, at which RDKit would cut it")
    return smiles


def _reason(smiles: str) -> str:
    """Why RDKit refuses a SMILES, in its own words: a mistake in the notation, or in the chemistry."""
    from rdkit import Chem, rdBase

    shown = smiles if len(smiles) <= 80 else f"{smiles[:77]}…"
    with PARSING, rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles, sanitize=False)
        problems = [] if molecule is None else [problem.Message() for problem in Chem.DetectChemistryProblems(molecule)]
    if molecule is not None and not molecule.GetNumAtoms():
        return "the molecule has no atoms"
    if molecule is not None:
        return f"not a possible molecule: {'; '.join(problems) or 'RDKit cannot sanitize it'}, in {shown!r}"
    with PARSING, rdBase.CaptureErrorLog() as log:
        Chem.MolFromSmiles(smiles, sanitize=False)
    return f"not a SMILES: {_syntax(log.messages)}in {shown!r}"


def _syntax(log: str) -> str:
    """What RDKit logs about a mistake in the notation, without its echo of the SMILES."""
    found = re.search(r"SMILES Parse Error: (.+?)(?: while parsing: | for input: |\n)", log)
    place = re.search(r"check for mistakes around position (\d+)", log)
    what = found[1] if found else ""
    return f"{what} at character {place[1]}, " if what and place else f"{what}, " if what else ""


def _draw(smiles: str) -> str:
    """A molecule as SVG; empty for none."""
    from rdkit import Chem, rdBase
    from rdkit.Chem.Draw import rdMolDraw2D

    with PARSING, rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        return ""
    drawer = rdMolDraw2D.MolDraw2DSVG(_WIDTH, _HEIGHT)
    options: Any = drawer.drawOptions()
    options.clearBackground = False
    rdMolDraw2D.PrepareAndDrawMolecule(drawer, molecule)
    drawer.FinishDrawing()
    svg: str = drawer.GetDrawingText()
    return svg[svg.index("<svg") :].replace("#000000", "currentColor").strip()
