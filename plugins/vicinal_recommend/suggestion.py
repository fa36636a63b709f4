"""What ``vicinal init`` writes for a folder of MovieLens."""

from __future__ import annotations

from pathlib import Path

from vicinal import Suggestion
from vicinal_recommend.formats import FILM_FILES, RATING_FILES, find_file

__all__ = ["suggest_solution"]

_COMMENT = "ask with `vicinal search FILE user:1`; ratings below 4 are left out by `weight: rating, min_weight: 4`"


def suggest_solution(path: Path) -> Suggestion | None:
    """Return how a MovieLens folder is read and encoded; None for anything else."""
    if not path.is_dir() or not all(find_file(path, list(names)).is_file() for names in (FILM_FILES, RATING_FILES)):
        return None
    return Suggestion(
        {"type": "movielens", "path": str(path)},
        {"type": "als", "interactions": {"path": str(path)}},
        {"genre": "varchar(64)", "genres": "varchar(256)", "year": "int64 = 0"},
        _COMMENT,
    )
