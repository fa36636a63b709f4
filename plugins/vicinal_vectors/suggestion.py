"""What ``vicinal init`` writes for a file of vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vicinal import Suggestion
from vicinal.errors import VicinalError
from vicinal.toolkit.vector_files import SUFFIXES, open_vectors

__all__ = ["suggest_solution"]

_KEYS = ("id", "key", "name", "uid", "sku", "slug")
_MIN_PARQUET_DIMENSION = 8
"""Shorter lists in a table are rather ratings or coordinates."""


def suggest_solution(path: Path) -> Suggestion | None:
    """How a file of vectors is read; None for another file, also for a parquet file without one list column."""
    suffix = path.suffix.lower()
    if not path.is_file() or suffix not in SUFFIXES:
        return None
    try:
        with open_vectors(path) as file:
            dimension, kind, numbers = file.dimension, file.kind, file.dtype.kind
    except VicinalError:
        if suffix == ".parquet":
            return None
        raise
    if suffix == ".parquet" and (kind == "binary" or dimension < _MIN_PARQUET_DIMENSION):
        return None
    metric = "JACCARD" if kind == "binary" else "COSINE" if numbers == "f" else "L2"
    source: dict[str, Any] = {"type": "vectors", "path": str(path)}
    if suffix == ".parquet" and (key := _find_key(path)):
        source["key"] = key
    return Suggestion(source, {"type": "vectors", "dimension": dimension, "metric": metric})


def _find_key(path: Path) -> str:
    from vicinal.toolkit.vector_files.parquet import open_parquet

    with open_parquet(path) as file:
        names = {name.lower(): name for name in reversed(file.schema_arrow.names)}
    return next((names[name] for name in _KEYS if name in names), "")
