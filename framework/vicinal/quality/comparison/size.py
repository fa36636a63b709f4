"""How many bytes the vectors of an item take, and how many its index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vicinal.config.index_size import compute_index_bytes, compute_raw_bytes
from vicinal.solution.solution import Solution

__all__ = ["VectorSize", "compute_vector_size"]


@dataclass(frozen=True, slots=True)
class VectorSize:
    """``bytes_per_item`` is what an item's vectors are stored in: dimension × bytes × segments.

    ``index_bytes_per_item`` is what the loaded index holds of them, by the structure of its type; what Milvus keeps
    around it is not counted.
    """

    dimension: int
    kind: str
    segments_per_item: float
    bytes_per_item: float
    index: str
    index_bytes_per_item: float

    def to_dict(self) -> dict[str, Any]:
        rounded = ("segments_per_item", "bytes_per_item", "index_bytes_per_item")
        return {
            name: round(getattr(self, name), 1) if name in rounded else getattr(self, name) for name in self.__slots__
        }


def compute_vector_size(solution: Solution) -> VectorSize:
    """The size of what is stored, by the counts in the state of a solution that can be searched."""
    state, space = solution.metadata.state(), solution.encoder.space
    rows, items = int(state["rows"]), int(state["items"])
    index = state["index"]
    index_bytes = compute_index_bytes(index["type"], index["params"], space.dimension, rows)
    raw_bytes = compute_raw_bytes(space.dimension, rows, space.kind)
    return VectorSize(space.dimension, space.kind, rows / items, raw_bytes / items, index["type"], index_bytes / items)
