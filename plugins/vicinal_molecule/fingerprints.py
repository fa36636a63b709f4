"""Computes fingerprints from SMILES, InChI and molfiles, in this process and, run as a program, in a worker process.

This file needs RDKit and nothing of vicinal, so that a worker starts quickly: it gets its options as JSON, reads
pickled lists of molecules from its standard input, and exits at the end of it.
"""

from __future__ import annotations

import json
import pickle
import re
import select
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import IO, Any

__all__ = [
    "MAX_ATOMS",
    "MAX_TAUTOMER_ATOMS",
    "FingerprintOptions",
    "Fingerprints",
    "is_inchi",
    "is_molfile",
    "parse_molecule",
    "rdkit_log",
    "send_message",
    "serialize_options",
]

MAX_ATOMS = {"atom_pair": 1_000, "avalon": 1_000}
"""The most atoms by kind, where time grows faster than the molecule: atom pairs of 4,000 atoms take two minutes, of
1,000 one second."""
MAX_TAUTOMER_ATOMS = 150
"""Larger molecules keep their tautomer: a thousand tautomers of 22 linked guanines (485 atoms) take 11 s."""

_RDKIT_LOG_LOCK = threading.Lock()
_INCHI = re.compile(r"InChI=|(?=1S?/)", re.IGNORECASE)
_COUNTS_LINE = re.compile(r"^[ \d]{6}.*V[23]000\s*$", re.MULTILINE)
_IDLE_SECONDS = 60.0
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@contextmanager
def rdkit_log() -> Iterator[Any]:
    """Keep RDKit from writing to stderr, and collect its errors in the ``messages`` of what is yielded.

    Whatever calls RDKit does so within it. RDKit's log is one for all threads, hence the lock; it costs no speed, since
    the parser holds the GIL. Errors are captured inside the block, as capturing alone lets warnings through.
    """
    from rdkit import rdBase

    with _RDKIT_LOG_LOCK, rdBase.BlockLogs(), rdBase.CaptureErrorLog() as log:
        yield log


def is_inchi(text: str) -> bool:
    """Whether a text is meant as an InChI, with or without ``InChI=``."""
    return _INCHI.match(text) is not None


def is_molfile(text: str) -> bool:
    """Whether a text is meant as a molfile: it has the line that counts atoms and bonds, of V2000 or V3000."""
    return ("V2000" in text or "V3000" in text) and _COUNTS_LINE.search(text) is not None


def parse_molecule(text: str, *, sanitize: bool = True) -> Any:
    """Parse a SMILES, an InChI or a molfile; a name after a SMILES is left out. None where RDKit refuses it.

    Raises:
        Exception: RDKit's own, where an InChI is not a possible molecule or a text is not Unicode.
    """
    from rdkit.Chem import MolFromMolBlock, MolFromSmiles, rdinchi

    if is_molfile(text):
        return MolFromMolBlock(_restore_header(text), sanitize=sanitize, removeHs=sanitize)
    if not is_inchi(text):
        return MolFromSmiles(text, sanitize=sanitize)
    inchi = "InChI=" + _INCHI.sub("", text.split()[0], count=1)
    return rdinchi.InchiToMol(inchi, sanitize, sanitize)[0]


def _restore_header(molfile: str) -> str:
    """The molfile with its three lines of header, of which a form or a mail may have left out empty ones."""
    lines = molfile.splitlines()
    counts = next(number for number, line in enumerate(lines) if _COUNTS_LINE.match(line))
    header = lines[max(0, counts - 3) : counts]
    return "\n".join([*[""] * (3 - len(header)), *header, *lines[counts:]])


@dataclass(frozen=True, slots=True)
class FingerprintOptions:
    """What of a molecule becomes bits; the fields are parameters of RDKit's generators."""

    kind: str = "morgan"
    bits: int = 2048
    radius: int = 2
    features: bool = False
    counts: bool = False
    chirality: bool = False
    standardize: bool = False


class Fingerprints:
    """Fingerprints as bytes, the first bit being the highest of the first byte."""

    def __init__(self, options: FingerprintOptions) -> None:
        self.options = options
        self.max_atoms = MAX_ATOMS.get(options.kind, sys.maxsize)

    def compute(self, molecules: Sequence[str]) -> list[bytes | None]:
        """Return each molecule's fingerprint; None where RDKit refuses it, or it has no atoms or too many."""
        with rdkit_log():
            return [*map(self._compute_or_none, molecules)]

    def _compute_or_none(self, text: str) -> bytes | None:
        try:
            molecule = parse_molecule(text)
            return None if molecule is None else self.compute_one(molecule)
        except Exception:  # such as a lone surrogate, which has no UTF-8 form for C++
            return None

    def compute_one(self, molecule: Any) -> bytes | None:
        """Return the fingerprint of RDKit's molecule; None where it has no atoms or too many.

        Raises:
            Exception: RDKit's own, where it cannot be standardized, or the fingerprint not be computed.
        """
        from rdkit.DataStructs import BitVectToBinaryText

        if not 0 < molecule.GetNumAtoms() <= self.max_atoms:
            return None
        if self.options.standardize:
            molecule = self._standardizer(molecule)
        packed: bytes = BitVectToBinaryText(self._generator(molecule))
        return packed.translate(_REVERSED_BITS)

    @cached_property
    def _generator(self) -> Callable[[Any], Any]:
        return _create_generator(self.options)

    @cached_property
    def _standardizer(self) -> Callable[[Any], Any]:
        return _create_standardizer(keep_stereo=self.options.chirality)


def _create_generator(options: FingerprintOptions) -> Callable[[Any], Any]:
    """Return the function of RDKit that makes a bit vector of a molecule."""
    from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

    if options.kind == "maccs":
        return rdMolDescriptors.GetMACCSKeysFingerprint
    if options.kind == "avalon":
        from rdkit.Avalon.pyAvalonTools import GetAvalonFP

        return partial(GetAvalonFP, nBits=options.bits)
    common: dict[str, Any] = {"fpSize": options.bits, "countSimulation": options.counts}
    if options.kind == "rdkit":
        return rdFingerprintGenerator.GetRDKitFPGenerator(**common).GetFingerprint
    common["includeChirality"] = options.chirality
    if options.kind == "atom_pair":
        return rdFingerprintGenerator.GetAtomPairGenerator(**common).GetFingerprint
    if options.kind == "torsion":
        generator = rdFingerprintGenerator.GetTopologicalTorsionGenerator(**common)
        return generator.GetFingerprint
    if options.features:
        common["atomInvariantsGenerator"] = rdFingerprintGenerator.GetMorganFeatureAtomInvGen()
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=options.radius, **common)
    return generator.GetFingerprint


def _create_standardizer(*, keep_stereo: bool) -> Callable[[Any], Any]:
    """Return a function that makes one molecule of its salts, charges, tautomers and drawings.

    The canonical tautomer loses the chirality of an atom that another tautomer flattens, as that of an amino acid,
    unless ``keep_stereo``.
    """
    from rdkit.Chem.MolStandardize import rdMolStandardize

    uncharger, tautomers = rdMolStandardize.Uncharger(), rdMolStandardize.TautomerEnumerator()
    if keep_stereo:
        tautomers.SetRemoveSp3Stereo(False)

    def standardize(molecule: Any) -> Any:
        cleaned = rdMolStandardize.Cleanup(molecule)
        parent = rdMolStandardize.FragmentParent(cleaned, skipStandardize=True)
        neutral = uncharger.uncharge(parent)
        return tautomers.Canonicalize(neutral) if neutral.GetNumAtoms() <= MAX_TAUTOMER_ATOMS else neutral

    return standardize


def send_message(message: object, file: IO[bytes]) -> None:
    """Write one message to a pipe."""
    pickle.dump(message, file)
    file.flush()


def serialize_options(options: FingerprintOptions) -> str:
    """Return the options as the argument of a worker."""
    return json.dumps(asdict(options))


def _worker_main(options: str) -> None:
    """Compute fingerprints until standard input ends, or is idle for ``_IDLE_SECONDS``."""
    fingerprints = Fingerprints(FingerprintOptions(**json.loads(options)))
    fingerprints.compute(["CC(=O)C"])  # imports what is needed of RDKit
    requests, responses = sys.stdin.buffer, sys.stdout.buffer
    send_message(True, responses)
    while select.select([requests], [], [], _IDLE_SECONDS)[0]:
        try:
            molecules = pickle.load(requests)
        except EOFError:
            return
        send_message(fingerprints.compute(molecules), responses)


if __name__ == "__main__":
    _worker_main(sys.argv[1])
