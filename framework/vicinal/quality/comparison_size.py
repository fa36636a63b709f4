"""How many bytes the vectors of an item take, and how many the index adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vicinal.solution.solution import Solution

__all__ = ["VectorSize", "compute_vector_size", "estimate_index_bytes"]

_EDGE_BYTES = 4
_SQ_BITS = {"SQ6": 6, "SQ8": 8, "FP16": 16, "BF16": 16}
_DEFAULT_EDGES, _DEFAULT_DEGREE = 16, 56


@dataclass(frozen=True, slots=True)
class VectorSize:
    """``bytes_per_item`` is what an item's vectors are stored in: dimension × bytes × segments.

    ``index_bytes_per_item`` is what the index holds of them, by the definition of its type; what Milvus keeps around it
    is not counted.
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
    """The size of what is stored, by the counts in the solution's state."""
    state, space = solution.metadata.state(), solution.encoder.space
    segments = int(state.get("rows", 0)) / max(1, int(state.get("items", 0)))
    vector_bytes = space.dimension / 8 if space.kind == "binary" else 4.0 * space.dimension
    index = state.get("index") or {}
    name, params = str(index.get("type", "")), index.get("params") or {}
    index_bytes = estimate_index_bytes(name, params, space.dimension, vector_bytes)
    return VectorSize(space.dimension, space.kind, segments, segments * vector_bytes, name, segments * index_bytes)


def estimate_index_bytes(index: str, params: Mapping[str, Any], dimension: int, vector_bytes: float) -> float:
    """What an index of this type holds of one vector, in memory or, DISKANN, on disk: its codes, and its edges.

    Each node of HNSW has 2 M edges in the lowest layer, and those above add a few percent. Cells' centroids are left
    out: they are few.
    """
    codes = _estimate_codes(index, params, dimension, vector_bytes)
    if index.startswith(("HNSW", "AUTOINDEX")):
        codes += 2 * int(params.get("M", _DEFAULT_EDGES)) * _EDGE_BYTES
    if index == "DISKANN":
        codes += int(params.get("max_degree", _DEFAULT_DEGREE)) * _EDGE_BYTES
    return codes + _estimate_refinement(params, dimension)


def _estimate_codes(index: str, params: Mapping[str, Any], dimension: int, vector_bytes: float) -> float:
    if index == "IVF_SQ8":
        return dimension
    if index == "HNSW_SQ":
        return dimension * _SQ_BITS[params.get("sq_type", "SQ8")] / 8
    if index in ("IVF_PQ", "HNSW_PQ", "HNSW_PRQ"):
        repeats = int(params.get("nrq", 2)) if index == "HNSW_PRQ" else 1
        return repeats * int(params.get("m", dimension)) * int(params.get("nbits", 8)) / 8
    if index == "IVF_RABITQ":
        return dimension / 8
    if index == "SCANN":  # four bits for two numbers
        return dimension / 4 + (vector_bytes if params.get("with_raw_data", True) else 0)
    return vector_bytes


def _estimate_refinement(params: Mapping[str, Any], dimension: int) -> float:
    if not params.get("refine"):
        return 0.0
    bits = {**_SQ_BITS, "FP32": 32}
    return dimension * bits[params.get("refine_type", "FP32")] / 8
