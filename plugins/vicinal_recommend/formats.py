"""MovieLens' files by their names, as GroupLens has published them since 1998."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FILM_FILES", "RATING_FILES", "RatingFormat", "find_file"]

_COLUMNS = ("userId", "movieId", "rating", "timestamp")


@dataclass(frozen=True, slots=True)
class RatingFormat:
    """How a file of ratings is written; ``columns`` are its columns where it has no header."""

    delimiter: str
    columns: Sequence[str] | None = None
    quotes: bool = False


RATING_FILES = {
    "ratings.csv": RatingFormat(",", quotes=True),  # 20M, 25M, 32M, latest
    "ratings.dat": RatingFormat(":", [name for column in _COLUMNS for name in (column, f"after {column}")][:-1]),
    "u.data": RatingFormat("\t", _COLUMNS),  # 100K
}
"""``ratings.dat`` (1M, 10M) has ``::`` between its columns, which are read as an empty column each."""

FILM_FILES = ("movies.csv", "movies.dat", "u.item")


def find_file(path: Path, names: Sequence[str]) -> Path:
    """The file of one of these names in a folder; a path that is no folder is the file itself."""
    if not path.is_dir():
        return path
    return next((path / name for name in names if (path / name).is_file()), path / names[0])
