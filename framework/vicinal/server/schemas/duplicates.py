"""Groups of near-equal items."""

from __future__ import annotations

from typing import Literal

from vicinal.server.schemas.fields import ResponseBody
from vicinal.server.schemas.items import Item

__all__ = ["DuplicateGroup", "DuplicateItem", "DuplicatePage", "PendingDuplicates"]


class DuplicateItem(Item):
    """An item of a group of near-equal ones."""

    keep: bool
    duplicate_of: str | None
    """The key of the item that is kept in its place."""
    similarity: float | None
    """To that item; null for one to keep."""
    bytes: int | None
    length: float | None
    """Seconds of an item whose segments have times, else characters of a text."""
    modified: str | None
    """When its file was last changed."""


class DuplicateGroup(ResponseBody):
    count: int
    items: list[DuplicateItem]
    """The first 50 at most: those to keep, each followed by its duplicates; without any that was removed since."""


class DuplicatePage(ResponseBody):
    """Groups of near-equal items, those with the most items first."""

    solution: str
    similarity: float
    metric: Literal["COSINE", "L2", "JACCARD"]
    method: Literal["exact", "index"]
    """Whether all items were compared with each other, or pairs were found through the index."""
    keep: Literal["largest", "longest", "oldest"]
    field: str | None
    items: int
    rows: int
    group_count: int
    duplicates: int
    """How many items need not be kept."""
    duplicate_bytes: int
    seconds: float
    is_current: bool
    """Whether the collection has not changed since; else a new report is being computed."""
    groups: list[DuplicateGroup]
    next: int | None
    """The `offset` of the next page."""


class PendingDuplicates(ResponseBody):
    """There is no report yet."""

    solution: str
    state: Literal["computing"]
    done: float
    """The share of the comparisons that is done."""
