"""Turns a table's rows into items: which column is the key, which the content, and which are metadata."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from vicinal.errors import SourceError
from vicinal.toolkit.text import is_blank
from vicinal.types import Failure, Item
from vicinal_files.text import MAX_TEXT_BYTES, format_megabytes

__all__ = ["Columns", "Row", "make_row_failure", "quote_name"]

MAX_KEY_CHARS = 1024
"""No key is longer; a failure is not named by more of it."""
Row = tuple[int, dict[str, Any]] | Failure
"""What a file format yields: a row's number, from 1, and its cells by column; or why it cannot be read."""


def make_row_failure(number: int, message: str, key: str | None = None) -> Failure:
    """Return the failure of a row under its key, which may be empty, or under its number.

    Where the key is None it could not be read: any item that is not seen may be the one of this row.
    """
    name = (key or "")[:MAX_KEY_CHARS] or f"row {number}"
    return Failure(name, "read", f"row {number}: {message}", hides_items=key is None)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that become an item. Without ``metadata`` all other columns are its metadata."""

    key: str
    content: str
    metadata: Sequence[str] | None = None

    def select_names(self, names: Sequence[str]) -> list[str]:
        """Return those of the file's columns that have to be read."""
        needed = names if self.metadata is None else {self.key, self.content, *self.metadata}
        return [name for name in names if name in needed]

    def are_in(self, names: Sequence[str]) -> bool:
        """Whether a file with columns of these names has all that an item needs."""
        return all(name in names for _, name in self._named_parameters())

    def require_in(self, path: Path, names: Sequence[str], hint: str = "") -> None:
        """Check that a file has these columns; ``hint`` is for the error where it lacks one.

        Raises:
            SourceError: a column is missing, or two have one name.
        """
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise SourceError(f"{path} has two columns named {repeated[0]!r}", hint="give each column its own name")
        for parameter, name in self._named_parameters():
            if name not in names:
                suggestion = _suggest_name(name, tuple(names))
                raise SourceError(
                    f"{path} has no column {name!r}{suggestion}; its columns are {_format_names(names)}",
                    hint=hint or f"correct `{parameter}` in the source's block",
                )

    def to_items(self, rows: Iterable[Row]) -> Iterator[Item | Failure]:
        """Yield the rows as items. Takes over the cells' mappings, which become the items' metadata."""
        for row in rows:
            yield row if isinstance(row, Failure) else self._to_item(*row)

    def _to_item(self, number: int, cells: dict[str, Any]) -> Item | Failure:
        key, content = cells.get(self.key), cells.get(self.content)
        if type(key) is not str or type(content) is not str or is_blank(key) or len(content) > MAX_TEXT_BYTES // 4:
            if problem := self._find_problem(number, cells):
                return problem
            key, content = str(key), content if isinstance(content, (list, dict)) else str(content)
        if self.metadata is None:
            del cells[self.key]
            cells.pop(self.content, None)
            return Item(key, content, "", cells)
        return Item(key, content, "", {name: cells[name] for name in self.metadata if name in cells})

    def _find_problem(self, number: int, cells: Mapping[str, Any]) -> Failure | None:
        key, content = cells.get(self.key), cells.get(self.content)
        if self.key not in cells:
            suggestion = _suggest_name(self.key, tuple(cells))
            return make_row_failure(number, f"it has no key column {self.key!r}{suggestion}", "")
        if isinstance(key, (list, dict)):
            return make_row_failure(
                number, f"its key in column {self.key!r} is a {type(key).__name__}, not a text or number", ""
            )
        name = "" if key is None else str(key)
        if is_blank(name):
            return make_row_failure(number, f"its key in column {self.key!r} is empty", "")
        if self.content not in cells:
            suggestion = _suggest_name(self.content, tuple(cells))
            return make_row_failure(number, f"it has no content column {self.content!r}{suggestion}", name)
        if content is None:
            return make_row_failure(number, f"its content in column {self.content!r} is null", name)
        size = len(content.encode() if isinstance(content, str) else orjson.dumps(content))
        if size > MAX_TEXT_BYTES:
            sizes = f"{format_megabytes(size)}, the limit is {format_megabytes(MAX_TEXT_BYTES)}"
            return make_row_failure(number, f"its content in column {self.content!r} has {sizes}", name)
        return None

    def _named_parameters(self) -> list[tuple[str, str]]:
        return [("key", self.key), ("content", self.content), *(("metadata", name) for name in self.metadata or ())]


@lru_cache(maxsize=64)
def _suggest_name(name: str, names: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, names, n=1) or [known for known in names if known.lower() == name.lower()]
    return f" (did you mean {close[0]!r}?)" if close else ""


def quote_name(name: str) -> str:
    """Return a name for a message, quoted and at most 80 characters long."""
    return repr(name if len(name) <= 80 else f"{name[:79]}…")


def _format_names(names: Sequence[str]) -> str:
    listed = ", ".join(quote_name(name) for name in names[:20])
    return listed if len(names) <= 20 else f"{listed} and {len(names) - 20} more"
