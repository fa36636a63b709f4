"""What an index takes in memory, estimated from what it stores of each vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vicinal.stores.milvus_engine import Index
from vicinal.types import Space

__all__ = ["estimate_bytes"]

_ID_BYTES = 8
_LINK_BYTES = 4
_CODE_BYTES = {"SQ6": 0.75, "SQ8": 1.0, "FP16": 2.0, "BF16": 2.0, "FP32": 4.0}


def estimate_bytes(index: Index, space: Space, rows: int) -> int:
    """The bytes of vectors or codes, ids, cells' centres and edges; an engine takes more around them.

    DISKANN's are those that it keeps in memory.
    """
    dimension, params = space.dimension, index.params
    row = dimension / 8 if space.kind == "binary" else _count_row_bytes(index.type, dimension, params)
    if params.get("refine"):
        row += dimension * _CODE_BYTES.get(str(params.get("refine_type")), 4.0)
    cells = int(params.get("nlist", 0))
    if cells:
        row += _ID_BYTES
    if (edges := params.get("M")) is not None:
        row += 2 * int(edges) * _LINK_BYTES + _ID_BYTES  # the lowest layer has twice M edges, the others few
    return round(rows * row + cells * (dimension / 8 if space.kind == "binary" else 4 * dimension))


def _count_row_bytes(type_: str, dimension: int, params: Mapping[str, Any]) -> float:
    """The bytes of one float vector as the index stores it."""
    if type_ == "DISKANN":
        shares = params.get("pq_code_budget_gb_ratio", 0.125) + params.get("search_cache_budget_gb_ratio", 0.1)
        return 4 * dimension * float(shares)
    if type_ == "SCANN":  # four bits for two numbers, beside the vectors themselves
        return dimension / 4 + (4 * dimension if params.get("with_raw_data", True) else 0)
    if type_ == "IVF_RABITQ":
        return dimension / 8 + _ID_BYTES
    if type_.endswith(("_PQ", "_PRQ")):
        codes = params.get("nrq", 2 if type_ == "HNSW_PRQ" else 1)
        return float(params["m"] * params.get("nbits", 8) * codes / 8)
    if type_.endswith(("_SQ", "_SQ8")):
        return dimension * _CODE_BYTES[str(params.get("sq_type", "SQ8"))]
    return 4.0 * dimension
