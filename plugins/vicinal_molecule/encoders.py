"""The encoders ``fingerprint`` and ``morgan``: molecules as fingerprints by RDKit, compared by Tanimoto similarity.

A molecule is written as SMILES, InChI or molfile. Its fingerprint has a bit for each pattern of atoms, folded to a
fixed number of bits; two molecules are compared by Tanimoto similarity, the share of set bits that both have.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from vicinal import Encoder, Item, ItemError, Modality, Rendering, Segment, Space
from vicinal_molecule.drawing import draw_svg
from vicinal_molecule.fingerprints import FingerprintOptions, Fingerprints
from vicinal_molecule.refusals import explain_refusal, find_text_error, require_molecule_text, strip_molecule_text
from vicinal_molecule.workers import WorkerPool

if TYPE_CHECKING:
    import numpy as np

    from vicinal import Disturbance

__all__ = ["SMILES", "Fingerprint", "Kind", "Morgan"]

SMILES = Modality(
    "smiles",
    label="SMILES",
    placeholder="A SMILES, as CC(=O)Oc1ccccc1C(=O)O",
    example="CC(=O)Oc1ccccc1C(=O)O",
    renders="svg",
)

Kind = Literal["morgan", "rdkit", "atom_pair", "torsion", "maccs", "avalon"]

_MACCS_BITS = 168
"""MACCS has 166 keys, which RDKit numbers from 1; bits 0 and 167 are never set."""
_COUNTED_BY_DEFAULT = ("atom_pair", "torsion")
_KINDS_WITH = {
    "bits": ("morgan", "rdkit", "atom_pair", "torsion", "avalon"),
    "radius": ("morgan",),
    "features": ("morgan",),
    "counts": ("morgan", "rdkit", "atom_pair", "torsion"),
    "chirality": ("morgan", "atom_pair", "torsion"),
}


class Fingerprint(Encoder["Fingerprint.Params"]):
    """Encodes molecules; content and query are SMILES, CXSMILES (a name after it is left out), InChI or molfile."""

    query_modalities = (SMILES,)
    encode_is_thread_safe = True

    class Params(Encoder.Params):
        kind: Kind = "morgan"
        """Which patterns have bits: `morgan`, the environments of atoms (ECFP; Rogers and Hahn 2010); `rdkit`, paths of
        up to 7 bonds; `atom_pair`; `torsion`, four atoms in a row; `maccs`, 166 keys; `avalon`."""
        bits: int = Field(default=2048, ge=64, le=8192, multiple_of=8)
        """Length of the fingerprint; fewer bits save memory, and more patterns share a bit. `maccs` has 168."""
        radius: int = Field(default=2, ge=0, le=10)
        """How many bonds an environment of `morgan` reaches from its atom; 2 is ECFP4."""
        features: bool = False
        """Whether `morgan` tells atoms by what they do (donor, acceptor, aromatic, …) in place of elements: FCFP."""
        counts: bool | None = None
        """Whether it counts how often a pattern occurs: RDKit's count simulation, which sets one to four bits for a
        pattern that occurs once, twice, 4 times, 8 times. By default as in RDKit: for `atom_pair` and `torsion`."""
        chirality: bool = False
        """Whether mirror images (enantiomers) differ, in `morgan`, `atom_pair` and `torsion`."""
        standardize: bool = False
        """Whether a salt, a charge, a tautomer or the drawing of a group changes nothing: RDKit cleans a molecule up,
        keeps its largest organic part, removes charges and takes the canonical tautomer (of up to 150 atoms), in
        queries too. It takes 2 ms a molecule, thirty times as long as reading it."""

        @model_validator(mode="after")
        def _refuse_idle_parameters(self) -> Self:
            for name, kinds in _KINDS_WITH.items():
                if (
                    name in self.model_fields_set
                    and getattr(self, name) not in (None, False)
                    and self.kind not in kinds
                ):
                    raise ValueError(f"{name} has no effect with kind: {self.kind}; remove it")
            return self

    def __init__(self, params: Any = None) -> None:
        super().__init__(params)
        self._fingerprints, self._workers = Fingerprints(self._options), WorkerPool(self._options)

    @property
    def _options(self) -> FingerprintOptions:
        given = self.params.model_dump(include=set(FingerprintOptions.__slots__))
        counts = self.params.kind in _COUNTED_BY_DEFAULT if self.params.counts is None else self.params.counts
        return FingerprintOptions(**{**given, "counts": counts})

    @property
    def space(self) -> Space:
        return Space(_MACCS_BITS if self.params.kind == "maccs" else self.params.bits, "binary", "JACCARD")

    @property
    def signature(self) -> str:
        """The algorithm and its parameters, without RDKit's version, since its bits are stable across releases.

        A test compares with bits that an earlier RDKit gave. If it ever fails, raise the ``1`` to a ``2``.
        """
        kind, options = self.params.kind, self._options
        parts = [f"{kind}/rdkit-1"]
        parts += [f"bits={options.bits}"] if kind in _KINDS_WITH["bits"] else []
        parts += [f"radius={options.radius}"] if kind in _KINDS_WITH["radius"] else []
        parts += [f"chirality={options.chirality:d}"] if kind in _KINDS_WITH["chirality"] else []
        flags = ("features", "counts", "standardize")
        return "/".join([*parts, *(flag for flag in flags if getattr(options, flag))])

    @property
    def decode_batch_size(self) -> int:
        return 64 if self.params.standardize else 1_024  # a search waits for RDKit until a batch is done

    @property
    def encode_batch_size(self) -> int:
        return 2048

    def decode(self, item: Item) -> list[Segment]:
        """Parse a SMILES, an InChI or a molfile: one segment, whose sample is its fingerprint, ``bits / 8`` bytes.

        Raises:
            ItemError: it is none of them, or not a possible molecule; with RDKit's reason.
        """
        text = require_molecule_text(item.content)
        bits = self._fingerprints.compute([text])[0]
        if bits is None:
            raise ItemError(explain_refusal(text, self._fingerprints))
        return [Segment(bits)]

    def decode_many(self, items: Sequence[Item]) -> list[Sequence[Segment] | ItemError]:
        """Parse many molecules, from the second thousand on in worker processes; failed ones again, for the reason."""
        texts = ["" if find_text_error(item.content) else strip_molecule_text(item.content) for item in items]
        fingerprints = self._workers.compute(texts) or self._fingerprints.compute(texts)
        return [
            [Segment(bits)] if bits is not None else self._decode_or_error(item)
            for item, bits in zip(items, fingerprints, strict=True)
        ]

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        """Return the fingerprints as ``(n, bits / 8)`` uint8; bit i is the i-th of ``np.unpackbits``."""
        import numpy as np

        return np.frombuffer(b"".join(samples), np.uint8).reshape(len(samples), self.space.dimension // 8)

    def render(self, item: Item) -> Rendering:
        """Draw the structure as an SVG with a transparent background and bonds in the surrounding text's colour."""
        with suppress(ItemError):
            if svg := draw_svg(require_molecule_text(item.content)):
                return Rendering("svg", svg)
        return Rendering("text", str(item.content))

    def list_disturbances(self) -> Sequence[Disturbance]:
        """Other SMILES of the same molecules, salts, and tautomers."""
        from vicinal_molecule.disturbances import DISTURBANCES

        return DISTURBANCES


class Morgan(Fingerprint):
    """The encoder ``fingerprint`` of kind ``morgan``, under the name that most people look for."""

    class Params(Fingerprint.Params):
        kind: Literal["morgan"] = "morgan"
        """Always `morgan`; the encoder `fingerprint` has the other kinds."""
