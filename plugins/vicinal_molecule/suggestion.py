"""What ``vicinal init`` writes for a file of molecules."""

from __future__ import annotations

from pathlib import Path

from vicinal import Suggestion
from vicinal_molecule.molecules import LINE_SUFFIXES, SDF_SUFFIXES, get_suffix

__all__ = ["suggest_solution"]

_COMMENT = "fingerprint has other kinds; `standardize: true` makes one molecule of its salts and tautomers"


def suggest_solution(path: Path) -> Suggestion | None:
    """Return how a file of molecules is read and encoded; None for a file of another kind."""
    if not path.is_file() or get_suffix(path) not in {*LINE_SUFFIXES, *SDF_SUFFIXES} - {".txt"}:
        return None
    return Suggestion({"type": "molecules", "path": str(path)}, {"type": "morgan"}, comment=_COMMENT)
