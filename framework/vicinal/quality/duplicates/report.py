"""What ``find_duplicates`` finds: groups of near-equal items, and which of each to keep; as JSON and CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Literal, TextIO

from vicinal.quality.duplicates.choice import Keep
from vicinal.quality.duplicates.item_distances import ItemMetric
from vicinal.toolkit.atomic_files import open_replacing

__all__ = ["DuplicateGroup", "DuplicateItem", "DuplicateReport"]


@dataclass(frozen=True, slots=True)
class DuplicateItem:
    """An item of a group: one to keep, or one that is near-equal to one that is kept."""

    key: str
    uri: str
    duplicate_of: str | None
    """The key of the item that is kept in its place; None for one to keep."""
    similarity: float | None
    """To that item; None for one to keep."""
    bytes: int | None
    length: float | None
    """Seconds of an item whose segments have times, else characters of a text."""
    modified: float | None
    """When its file was last changed, in seconds since 1970."""

    @property
    def keep(self) -> bool:
        return self.duplicate_of is None

    def to_dict(self) -> dict[str, Any]:
        modified = None if self.modified is None else _format_time(self.modified)
        similarity = None if self.similarity is None else round(self.similarity, 6)
        return {
            "key": self.key,
            "keep": self.keep,
            "duplicate_of": self.duplicate_of,
            "similarity": similarity,
            "bytes": self.bytes,
            "length": self.length,
            "modified": modified,
            "uri": self.uri,
        }


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Items that pairs of near-equal ones connect; those to keep, each followed by its duplicates.

    Mostly one is kept. There are more where a chain of pairs connects items that are not near-equal themselves: no two
    that are kept are near-equal, and each other item is near-equal to one of them.
    """

    items: Sequence[DuplicateItem]

    @property
    def removable(self) -> list[DuplicateItem]:
        """Those that need not be kept."""
        return [item for item in self.items if not item.keep]


@dataclass(frozen=True, slots=True)
class DuplicateReport:
    """The groups of near-equal items of a solution, those with the most items first."""

    solution: str
    similarity: float
    keep: Keep
    field: str
    metric: ItemMetric
    method: Literal["exact", "index"]
    """Whether all items were compared with each other, or pairs were found through the index."""
    items: int
    rows: int
    groups: Sequence[DuplicateGroup]
    seconds: float = 0.0

    @property
    def removable(self) -> list[DuplicateItem]:
        """The items that need not be kept, of all groups."""
        return [item for group in self.groups for item in group.removable]

    @property
    def removable_keys(self) -> list[str]:
        """The keys of the items that need not be kept, as ``Solution.remove`` takes them."""
        return [item.key for item in self.removable]

    @property
    def removable_bytes(self) -> int:
        """The size of the items that need not be kept."""
        return sum(item.bytes or 0 for item in self.removable)

    def to_dict(self) -> dict[str, Any]:
        """The report as the JSON object that ``duplicates --json`` prints."""
        return {**self.summarize(), "groups": [[item.to_dict() for item in group.items] for group in self.groups]}

    def summarize(self) -> dict[str, Any]:
        """The report without its groups."""
        return {
            "solution": self.solution,
            "similarity": self.similarity,
            "metric": self.metric,
            "method": self.method,
            "keep": self.keep,
            "field": self.field or None,
            "items": self.items,
            "rows": self.rows,
            "group_count": len(self.groups),
            "duplicates": len(self.removable),
            "duplicate_bytes": self.removable_bytes,
            "seconds": round(self.seconds, 3),
        }

    def save(self, path: str | Path) -> Path:
        """Write a row for each item of a group as CSV, in one step, and return the path.

        Raises:
            VicinalError: the file cannot be written.
        """
        path = Path(path)
        with open_replacing(path) as file, TextIOWrapper(file, encoding="utf-8", newline="") as text:
            self.write_csv(text)
        return path

    def write_csv(self, file: TextIO) -> None:
        """Write a row for each item of a group; ``group`` counts from 1, ``keep`` is yes or no."""
        names = ["group", "key", "keep", "duplicate_of", "similarity", "bytes", "length", "modified", "uri"]
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(self._iter_csv_rows())

    def _iter_csv_rows(self) -> Iterator[dict[str, Any]]:
        for number, group in enumerate(self.groups, 1):
            for item in group.items:
                yield {"group": number, **item.to_dict(), "keep": "yes" if item.keep else "no"}


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
