"""What a map holds: the places of a solution's items, and what is shown of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vicinal.quality.colors import Coloring
from vicinal.quality.map.projection import Method

__all__ = ["MapData"]


@dataclass(frozen=True, slots=True)
class MapData:
    """Items on a plane: ``coordinates`` is ``(n, 2)`` float32, from -1 to 1; ``keys``, ``labels`` and so on have n.

    Attributes:
        total: how many items are indexed; of more than the map's limit it shows a random sample.
        method: ``umap`` or ``pca``.
        neighbors_kept: the share of the ten nearest of a point on this map that are among its ten nearest by the
            vectors, as the mean of all points; ``neighbors`` is 10, or less where there are fewer than 20 items.
        segmented: whether items have several segments, so that a point is the mean of their vectors.
        labels: how each item begins, where it is a text; else its key.
        thumbnails: data URIs of small pictures; empty where an item has none.
    """

    solution: str
    keys: Sequence[str]
    coordinates: np.ndarray
    labels: Sequence[str]
    metadata: Sequence[Mapping[str, Any]]
    thumbnails: Sequence[str]
    total: int
    method: Method
    neighbors: int
    neighbors_kept: float
    segmented: bool
    seed: int
    coloring: Coloring | None = None

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def summary(self) -> str:
        """What the map shows, and how well, in a few sentences."""
        shown = f"{len(self):,} items" if len(self) >= self.total else f"{len(self):,} of {self.total:,} items"
        how = "" if len(self) >= self.total else f", a random sample (seed {self.seed})"
        nearest = f"{self.neighbors} nearest items" if self.neighbors > 1 else "nearest item"
        sentences = [
            f"{shown}{how}, placed by {self.method.upper()}.",
            f"Of the {nearest} of each point, the map keeps {self.neighbors_kept:.0%}.",
        ]
        if self.segmented:
            sentences.append("A point is the mean of its item's segments.")
        return " ".join(sentences)

    def to_dict(self) -> dict[str, Any]:
        """What ``map --json`` prints, without the points."""
        return {
            "solution": self.solution,
            "items": len(self),
            "total": self.total,
            "method": self.method,
            "neighbors": self.neighbors,
            "neighbors_kept": round(self.neighbors_kept, 4),
            "segmented": self.segmented,
            "seed": self.seed,
            "color": self.coloring.field if self.coloring else None,
            "thumbnails": sum(map(bool, self.thumbnails)),
        }
