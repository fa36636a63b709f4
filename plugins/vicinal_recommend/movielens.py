"""The source ``movielens``: the films of a MovieLens folder, of any of its sizes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from vicinal import Failure, Item, LocalPath, Source, SourceError
from vicinal_recommend.formats import FILM_FILES, find_file

__all__ = ["MovieLens"]

_YEAR = re.compile(r"\((\d{4})\)\s*$")
_NO_GENRE = ("(no genres listed)", "unknown")
_GENRES_100K = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
"""The genres that the last 19 columns of ``u.item`` stand for."""
_DELIMITERS = {"movies.dat": "::", "u.item": "|"}
_COLUMNS = {"movies.csv": "movieId, title, genres", "movies.dat": "id::title::genres", "u.item": "24 columns"}

_MAX_CELL_CHARS = 131_072
"""That of Python's ``csv``, whose own limit holds for the whole process, and the source ``table`` raises it."""


class MovieLens(Source["MovieLens.Params"]):
    """Films: the key is MovieLens' id, the content the title; metadata are year, genres, and the first as genre."""

    class Params(Source.Params):
        path: LocalPath
        """A folder with `movies.csv` (20M and later), `movies.dat` (1M, 10M) or `u.item` (100K), or that file."""

    def __iter__(self) -> Iterator[Item | Failure]:
        path = find_file(self.params.path, FILM_FILES)
        if path.name not in FILM_FILES:
            raise SourceError(
                f"{path} is none of {', '.join(FILM_FILES)}", "a source of type `table` reads other tables"
            )
        try:
            text = _decode_text(path.read_bytes())
        except OSError as error:
            hint = f"a MovieLens folder has {', '.join(FILM_FILES[:-1])} or {FILM_FILES[-1]}"
            raise SourceError(f"{path} cannot be read: {error.strerror}", hint) from error
        for number, cells in enumerate(_split_cells(path.name, text), 1):
            if path.name == "movies.csv" and cells[:1] == ["movieId"]:
                continue
            try:
                yield _to_item(path.name, cells)
            except ValueError as error:
                yield _to_failure(path.name, number, cells, error)

    def count(self) -> int | None:
        """About how many films there are: the lines of the file."""
        path = find_file(self.params.path, FILM_FILES)
        return path.read_bytes().count(b"\n") if path.is_file() else None


def _decode_text(data: bytes) -> str:
    """UTF-8, or else Latin-1, which 100K and 1M are in."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _split_cells(name: str, text: str) -> Iterator[list[str]]:
    """The cells of each film; only line feeds and carriage returns end a line, and in quotes not even these.

    Raises:
        SourceError: a quote is not closed.
    """
    lines = io.StringIO(text, newline="")
    if name == "movies.csv":
        try:
            for cells in filter(None, csv.reader(lines)):
                if max(map(len, cells)) > _MAX_CELL_CHARS:
                    raise csv.Error(f"field larger than field limit ({_MAX_CELL_CHARS})")
                yield cells
        except csv.Error as error:
            raise SourceError(
                f"{name} cannot be read: {error}", "close the quote that is open, or remove it"
            ) from error
    else:
        yield from (line.split(_DELIMITERS[name]) for line in lines if line.strip())


def _to_item(name: str, cells: list[str]) -> Item:
    """The film of a row.

    Raises:
        ValueError: the row has other columns, or no id or title.
    """
    if name == "u.item":
        flags = cells[5:]
        if len(flags) != len(_GENRES_100K):
            raise ValueError(f"it has {len(cells)} cells, not {5 + len(_GENRES_100K)}")
        genres = [genre for genre, flag in zip(_GENRES_100K, flags, strict=True) if flag.strip() == "1"]
    else:
        if len(cells) != 3:
            raise ValueError(f"it has {len(cells)} cells, not 3")
        genres = [genre.strip() for genre in cells[2].split("|")]
    key, title = cells[0].strip(), cells[1].strip()
    if not key or not title:
        raise ValueError("it has no id" if not key else "it has no title")
    return Item(key, title, "", _to_metadata(title, [genre for genre in genres if genre and genre not in _NO_GENRE]))


def _to_metadata(title: str, genres: list[str]) -> dict[str, object]:
    year = _YEAR.search(title)
    known: dict[str, object] = {"year": int(year[1])} if year else {}
    return {**known, "genre": genres[0] if genres else "", "genres": ", ".join(genres)}


def _to_failure(name: str, number: int, cells: list[str], error: ValueError) -> Failure:
    key = cells[0].strip()
    return Failure(
        key or f"row {number}", "read", f"row {number} of {name}: {error} ({_COLUMNS[name]})", hides_items=not key
    )
