"""The solution that ``vicinal init`` writes for FASTA files."""

from __future__ import annotations

import zipfile
from pathlib import Path

from vicinal import Suggestion

from vicinal_dna.fasta import SUFFIXES, is_fasta


def suggest(path: Path) -> Suggestion | None:
    """Return what suits a FASTA file, or a zip archive with one in it."""
    if path.is_file() and is_fasta(path.name):
        return Suggestion(source={"type": "fasta", "path": str(path)}, encoder={"type": "kmers"})
    if path.is_file() and _holds_fasta(path):
        return Suggestion(source={"type": "fasta-archive", "path": str(path)}, encoder={"type": "kmers"})
    return None


def _holds_fasta(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.lower().endswith(SUFFIXES) for name in archive.namelist())
