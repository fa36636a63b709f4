"""Which item of several near-equal ones to keep: the largest, the longest or the oldest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from vicinal.errors import VicinalError
from vicinal.stores.records import Record
from vicinal.stores.redis import MetadataStore
from vicinal.types import path_from_file_uri

__all__ = ["ItemFacts", "Keep", "Preference", "read_facts"]

Keep = Literal["largest", "longest", "oldest"]


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """What an item is chosen by; None for what is not known of it."""

    bytes: int | None = None
    """Of its file, or of its content."""
    length: float | None = None
    """Seconds, of items whose segments have times; characters, of texts."""
    modified: float | None = None
    """When its file was last changed, in seconds since 1970."""
    value: float | str | None = None
    """Of the field that it is chosen by."""


@dataclass(frozen=True, slots=True)
class Preference:
    """Orders near-equal items, the one to keep first.

    ``largest`` and ``longest`` put the greatest size or length first, ``oldest`` the earliest change of the file; with
    ``field`` it is the greatest, or for ``oldest`` the least, value of that metadata field. Items of which that is not
    known come last. Of equal ones the larger is first, then the one with the shorter key, as ``a.jpg`` before
    ``a (1).jpg``, then by the alphabet.
    """

    keep: Keep = "largest"
    field: str = ""

    def __post_init__(self) -> None:
        """
        Raises:
            VicinalError: ``keep`` is none of the three.
        """
        if self.keep not in get_args(Keep):
            raise VicinalError(f"keep is {self.keep!r}", hint=f"it is one of {', '.join(get_args(Keep))}")

    def require_known(self, metadata: MetadataStore, seconds: bool) -> None:
        """See that items can be chosen so; it reads until it finds one of which that is known.

        Where no size is known the shortest key is kept.

        Args:
            seconds: whether items have a length in seconds.

        Raises:
            VicinalError: of no item it is known; ``argument`` is ``by``.
        """
        if not self.field and (self.keep == "largest" or (self.keep == "longest" and seconds)):
            return
        for records in metadata.iter_records():
            if any(self._read_value(read_facts(record, 0.0, self.field)) is not None for record in records.values()):
                return
        what = "a file" if self.keep == "oldest" else "a length"
        error = VicinalError(f"no item of {metadata.name!r} has {what}", "name a field that it is chosen by")
        if self.field:
            error = VicinalError(f"no item has a number or a text in the field {self.field!r}", "name another one")
        error.argument = "by"
        raise error

    def sort_key(self, key: str, facts: ItemFacts) -> tuple[Any, ...]:
        """What an item is ordered by."""
        value = self._read_value(facts)
        rank = (2, 0.0, "") if value is None else (0, value, "") if isinstance(value, float) else (1, 0.0, value)
        if self.keep != "oldest":
            rank = (rank[0], -rank[1], _Reversed(rank[2]))
        return *rank, -(facts.bytes or 0), len(key), key

    def _read_value(self, facts: ItemFacts) -> float | str | None:
        if self.field:
            return facts.value
        number = {"largest": facts.bytes, "longest": facts.length, "oldest": facts.modified}[self.keep]
        return None if number is None else float(number)


class _Reversed(str):
    """A text in the opposite order."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)


def read_facts(record: Record, seconds: float, field: str = "") -> ItemFacts:
    """What a record, and the file that it names, tell of an item; ``seconds`` is 0 where segments have no times."""
    path = path_from_file_uri(record.uri) if record.uri else None
    size, modified = _read_file(path) if path else (None, None)
    content = record.content
    noted = record.metadata.get("bytes")
    if size is None and isinstance(noted, int):
        size = noted
    if size is None and content is not None:
        size = len(content.encode(errors="replace"))
    length = seconds or (None if content is None else float(len(content)))
    return ItemFacts(size, length, modified, _to_value(record.metadata, field))


def _read_file(path: Path) -> tuple[int | None, float | None]:
    """A file's size and when it was last changed; None for both where there is none any more."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None, None
    return status.st_size, status.st_mtime


def _to_value(metadata: Mapping[str, Any], field: str) -> float | str | None:
    """A field's value to order by; a text that is a number counts as one, since a CSV has only texts."""
    value = metadata.get(field) if field else None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return value or None
    return float(value) if isinstance(value, int | float) and not math.isnan(value) else None
