"""How Milvus Lite trains its IVF indexes: each segment on its own rows, with as many cells as suit them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

__all__ = ["MIN_ROWS_PER_CELL", "adapt_training"]

MIN_ROWS_PER_CELL = 39
"""FAISS' advice for training IVF."""
_INDEX_CLASSES = {"faiss_ivf_flat": "IndexIVFFlat", "faiss_ivf_sq8": "IndexIVFScalarQuantizer"}


def adapt_training() -> None:
    """Cap the cells of each segment by its own rows; call it before Milvus Lite is first opened in this process.

    Milvus Lite gives every segment the ``nlist`` of the index, and the last one, or one of a few updates, may have few
    rows. Then most cells hold a row each, of which a search sees ``nprobe``, and FAISS writes "WARNING clustering …
    points" to the terminal. Fewer than 39 rows make one cell, of which FAISS is told, by its own setting, that this is
    enough.
    """
    from importlib import import_module

    from milvus_lite.index import factory

    build = factory.build_index_from_spec
    if hasattr(build, "is_adapted"):
        return

    def build_adapted(spec: Any, vectors: Any) -> Any:
        return build(_cap_cells(spec, len(vectors)), vectors)

    build_adapted.is_adapted = True  # type: ignore[attr-defined]
    factory.build_index_from_spec = build_adapted
    for name, index_class in _INDEX_CLASSES.items():
        module: Any = import_module(f"milvus_lite.index.{name}")
        module.faiss = _TrainsOnFewRows(module.faiss, index_class)


def _cap_cells(spec: Any, rows: int) -> Any:
    """The description of a segment's index, with at most a cell for 39 rows."""
    if not spec.index_type.startswith("IVF"):
        return spec
    cells = max(1, min(int(spec.build_params.get("nlist", 128)), rows // MIN_ROWS_PER_CELL))
    return replace(spec, build_params={**spec.build_params, "nlist": cells})


class _TrainsOnFewRows:
    """FAISS for one module of Milvus Lite: an index of one class does not warn when it is trained on few rows."""

    def __init__(self, faiss: Any, index_class: str) -> None:
        self._faiss, self._index_class = faiss, index_class

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._faiss, name)
        return self._make_quiet if name == self._index_class else found

    def _make_quiet(self, *args: Any) -> Any:
        index = getattr(self._faiss, self._index_class)(*args)
        index.cp.min_points_per_centroid = 1
        return index
