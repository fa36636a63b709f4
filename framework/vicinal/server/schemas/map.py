"""The map of a solution's items."""

from __future__ import annotations

from typing import Literal

from vicinal.server.schemas.fields import ResponseBody

__all__ = ["ItemMap", "MapField", "MapPoint", "PendingMap"]


class MapPoint(ResponseBody):
    key: str
    label: str
    """How the item begins, where it is a text; else its key."""
    x: float
    """From -1 to 1, as y; both axes have one scale."""
    y: float


class MapField(ResponseBody):
    """A field that points can be told apart by."""

    name: str
    kind: Literal["category", "number"]
    categories: list[str]
    """The most frequent first, twelve at most; then ``others``."""
    values: list[str | float | None]
    """For each point a category or a number; null without one."""


class ItemMap(ResponseBody):
    solution: str
    items: int
    """How many there are points for: all, or a random sample."""
    total: int
    method: Literal["umap", "pca"]
    neighbors: int
    neighbors_kept: float
    """The share of so many nearest points of each that are among its nearest by the vectors."""
    segmented: bool
    """Whether a point is the mean of its item's segments."""
    summary: str
    is_current: bool
    """Whether the collection has not changed since; else a new map is being computed."""
    fields: list[MapField]
    points: list[MapPoint]


class PendingMap(ResponseBody):
    """There is no map yet."""

    solution: str
    state: Literal["computing"]
