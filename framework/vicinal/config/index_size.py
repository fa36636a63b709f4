"""How large an index of Milvus is and how much work its build, by its structure: what costs are fitted to.

The sizes are those of the structures alone. What an engine adds to them is measured: see ``costs``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from vicinal.config.indexes import INDEXES, recommended_nlist

__all__ = ["SEGMENT_BYTES", "compute_disk_bytes", "compute_index_bytes", "compute_raw_bytes", "compute_work"]

SEGMENT_BYTES = 1 << 30
"""Vectors of a segment at most, by Milvus' default; each segment has an index of its own."""

_ID_BYTES = 8
_QUANTIZED_BYTES = {"SQ6": 0.75, "SQ8": 1.0, "FP16": 2.0, "BF16": 2.0, "FP32": 4.0}
_DISKANN_DEGREE = 56
_TRAINING_ROUNDS, _TRAINING_ROWS = 10, 256
"""FAISS looks for an index' cells by so many rounds of k-means, over so many rows a cell at most."""
_ADDING_ROUNDS = 2.5
"""What it then takes to give each row its cell, encode and store it, in rounds: 2 for IVF_SQ8, 3.5 for IVF_FLAT were
measured on Milvus 2.3.5."""


def compute_raw_bytes(dimension: int, rows: int, kind: str = "float") -> int:
    """The vectors themselves."""
    return rows * (dimension * 4 if kind == "float" else math.ceil(dimension / 8))


def compute_index_bytes(type_: str, params: Mapping[str, Any], dimension: int, rows: int) -> int:
    """The memory of a loaded index: its vectors or codes, its graph or cells."""
    kind = INDEXES[type_].vectors
    raw = compute_raw_bytes(dimension, 1, kind)
    per_row = _code_bytes(type_, params, dimension, raw) + _link_bytes(type_, params)
    cells = _count_cells(type_, params, rows) * raw
    return int(rows * per_row + cells)


def compute_disk_bytes(type_: str, params: Mapping[str, Any], dimension: int, rows: int) -> int:
    """The index' file on disk, beside the vectors' own."""
    if INDEXES[type_].needs_disk:
        degree = int(params.get("max_degree", _DISKANN_DEGREE))
        return rows * (compute_raw_bytes(dimension, 1) + 4 * degree)
    return compute_index_bytes(type_, params, dimension, rows)


def compute_work(type_: str, params: Mapping[str, Any], dimension: int, rows: int) -> float:
    """What the time of a build grows with, added up over the segments.

    Cells are trained on a limited number of rows, then each row is compared with each cell; of a graph it is
    rows x log rows; else rows.
    """
    segments = math.ceil(compute_raw_bytes(dimension, rows, INDEXES[type_].vectors) / SEGMENT_BYTES)
    return segments * _compute_segment_work(type_, params, rows / max(segments, 1))


def _compute_segment_work(type_: str, params: Mapping[str, Any], rows: float) -> float:
    if cells := _count_cells(type_, params, int(rows)):
        return cells * (_TRAINING_ROUNDS * min(rows, _TRAINING_ROWS * cells) + _ADDING_ROUNDS * rows)
    is_graph = "HNSW" in type_ or type_ in ("AUTOINDEX", "DISKANN")
    return rows * math.log2(max(rows, 2)) if is_graph else rows


def _code_bytes(type_: str, params: Mapping[str, Any], dimension: int, raw: int) -> float:
    """The bytes of a row's vector as the index stores it."""
    refined = _QUANTIZED_BYTES[params.get("refine_type", "FP32")] * dimension if params.get("refine") else 0.0
    if type_ in ("IVF_SQ8", "HNSW_SQ"):
        return float(dimension * _QUANTIZED_BYTES[params.get("sq_type", "SQ8")] + refined)
    if type_ in ("IVF_PQ", "HNSW_PQ", "HNSW_PRQ"):
        parts = params.get("m", max(1, dimension // 4)) * params.get("nrq", 2 if type_ == "HNSW_PRQ" else 1)
        return float(parts * params.get("nbits", 8) / 8 + refined)
    if type_ == "IVF_RABITQ":
        return dimension / 8 + 8 + refined
    if type_ == "SCANN":  # half a byte for two numbers
        return dimension / 4 + (raw if params.get("with_raw_data", True) else 0)
    if type_ == "DISKANN":
        shares = params.get("pq_code_budget_gb_ratio", 0.125), params.get("search_cache_budget_gb_ratio", 0.1)
        return float(raw * sum(shares))
    return float(raw)


def _link_bytes(type_: str, params: Mapping[str, Any]) -> float:
    """The bytes of a row's id and edges; a graph's lowest layer has 2 M of them."""
    if "HNSW" in type_ or type_ == "AUTOINDEX":
        return float(_ID_BYTES + 4 * (2 * params.get("M", 16) + 2))
    return 0.0 if type_ == "DISKANN" else float(_ID_BYTES)


def _count_cells(type_: str, params: Mapping[str, Any], rows: int) -> int:
    if "IVF" not in type_ and type_ != "SCANN":
        return 0
    return int(params.get("nlist", recommended_nlist(rows)))
