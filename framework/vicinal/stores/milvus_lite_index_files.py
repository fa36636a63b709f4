"""Index files of Milvus Lite, the embedded Milvus, that a killed process has left incomplete."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["rebuild_damaged_indexes"]


def rebuild_damaged_indexes() -> None:
    """Have Milvus Lite build an index whose file cannot be read anew; call it before Milvus Lite is first opened.

    It writes the file of a segment's index under its final name. A process that is killed meanwhile leaves a part of
    it, at which every later load fails ("could only read 0 elements (file seems not fully written?)"), though the rows
    lie in a file of their own, which is complete before the manifest names it.
    """
    from milvus_lite.storage.segment import Segment

    for name, is_scalar in (("build_or_load_index", False), ("build_or_load_scalar_index", True)):
        load = getattr(Segment, name, None)
        if load is not None and not hasattr(load, "rebuilds"):
            setattr(Segment, name, _rebuild_if_damaged(load, is_scalar))


def _rebuild_if_damaged(load: Callable[..., None], is_scalar: bool) -> Callable[..., None]:
    @functools.wraps(load)
    def load_or_rebuild(segment: Any, spec: Any, index_dir: str, *arguments: Any) -> None:
        try:
            load(segment, spec, index_dir, *arguments)
        except Exception:
            file = Path(segment.index_file_path(index_dir, spec.index_type, spec.field_name, scalar=is_scalar))
            if not file.exists():
                raise
            file.unlink()
            load(segment, spec, index_dir, *arguments)

    load_or_rebuild.rebuilds = True  # type: ignore[attr-defined]
    return load_or_rebuild
