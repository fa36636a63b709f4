"""From a table's row to an item: which column is the key, which the content, and which ones are metadata."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from vicinal.errors import SourceError
from vicinal.types import Failure, Item
from vicinal_files.text import MAX_TEXT, megabytes

__all__ = ["Columns", "Row", "row_failure"]

Row = tuple[int, dict[str, Any]] | Failure
"""What a file format yields: a row's number, from 1, and its cells by column; or what is wrong with it."""


def row_failure(number: int, message: str, key: str = "") -> Failure:
    """The failure of a row; it is named by its number where its key is not known."""
    return Failure(key or f"row {number}", "read", f"row {number}: {message}")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that make an item. Without ``metadata`` all other columns are its metadata."""

    key: str
    content: str
    metadata: Sequence[str] | None = None

    def wanted(self, names: Sequence[str]) -> list[str]:
        """Those of the file's columns that have to be read."""
        wanted = names if self.metadata is None else {self.key, self.content, *self.metadata}
        return [name for name in names if name in wanted]

    def check(self, path: Path, names: Sequence[str]) -> None:
        """Compare with a file's columns.

        Raises:
            SourceError: a column is missing, or the file has two of one name.
        """
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise SourceError(f"{path} has two columns of the name {twice[0]!r}", hint="give each column its own name")
        for parameter, name in self._parameters():
            if name not in names:
                raise SourceError(
                    f"{path} has no column {name!r}{_near(name, tuple(names))}; its columns are {_listed(names)}",
                    hint=_separator_hint(names) or f"correct `{parameter}` in the source's block",
                )

    def items(self, rows: Iterable[Row]) -> Iterator[Item | Failure]:
        """The rows as items. It takes the cells' mappings over and empties them of key and content."""
        for row in rows:
            yield row if isinstance(row, Failure) else self._item(*row)

    def _item(self, number: int, cells: dict[str, Any]) -> Item | Failure:
        key, content = cells.get(self.key), cells.get(self.content)
        if type(key) is not str or type(content) is not str or not key.strip() or len(content) > MAX_TEXT // 4:
            if problem := self._problem(number, cells):
                return problem
            key, content = str(key), content if isinstance(content, (list, dict)) else str(content)
        if self.metadata is None:
            del cells[self.key]
            cells.pop(self.content, None)
            return Item(key, content, "", cells)
        return Item(key, content, "", {name: cells[name] for name in self.metadata if name in cells})

    def _problem(self, number: int, cells: Mapping[str, Any]) -> Failure | None:
        key, content = cells.get(self.key), cells.get(self.content)
        if self.key not in cells:
            return row_failure(number, f"it has no key column {self.key!r}{_near(self.key, tuple(cells))}")
        if isinstance(key, (list, dict)):
            return row_failure(
                number, f"its key in column {self.key!r} is a {type(key).__name__}, not a text or number"
            )
        name = "" if key is None else str(key)
        if not name.strip():
            return row_failure(number, f"its key in column {self.key!r} is empty")
        if self.content not in cells:
            near = _near(self.content, tuple(cells))
            return row_failure(number, f"it has no content column {self.content!r}{near}", name)
        if content is None:
            return row_failure(number, f"its content in column {self.content!r} is null", name)
        size = len(content.encode() if isinstance(content, str) else orjson.dumps(content))
        if size > MAX_TEXT:
            sizes = f"{megabytes(size)}, the limit is {megabytes(MAX_TEXT)}"
            return row_failure(number, f"its content in column {self.content!r} has {sizes}", name)
        return None

    def _parameters(self) -> list[tuple[str, str]]:
        return [("key", self.key), ("content", self.content), *(("metadata", name) for name in self.metadata or ())]


@lru_cache(maxsize=64)
def _near(name: str, names: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, names, n=1) or [known for known in names if known.lower() == name.lower()]
    return f" (did you mean {near[0]!r}?)" if near else ""


def _listed(names: Sequence[str]) -> str:
    listed = ", ".join(repr(name) for name in names[:20])
    return listed if len(names) <= 20 else f"{listed} and {len(names) - 20} more"


def _separator_hint(names: Sequence[str]) -> str:
    """A header that is a single cell with separators in it was cut at the wrong character."""
    found = [mark for mark in (";", "\t", "|", ",") if len(names) == 1 and mark in names[0]]
    return f"its cells seem to be separated by {found[0]!r}: set `delimiter`" if found else ""
