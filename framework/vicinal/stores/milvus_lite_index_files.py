"""Index files of Milvus Lite, the embedded Milvus: written as a whole, and built anew where one is damaged."""

from __future__ import annotations

import functools
import logging
import threading
from pathlib import Path
from typing import Any

__all__ = ["keep_index_files_whole", "remove_partial_index_files"]

logger = logging.getLogger("vicinal")

_PART = ".part"


def keep_index_files_whole() -> None:
    """Have Milvus Lite write index files as a whole; call it before Milvus Lite is first opened in this process.

    Milvus Lite 3.2 writes the file of a segment's index under its final name, in a thread of its own, without a lock.
    Who loads at that instant reads half of it ("No data left in file"), and a process that is killed then leaves it so
    ("could only read 0 elements"), though the rows lie in a file of their own, which is complete before the manifest
    names it. So a file gets its name once it is complete, and one that cannot be read is built anew.
    """
    from milvus_lite.index import factory
    from milvus_lite.storage.segment import Segment

    build, load = factory.build_index_from_spec, Segment.build_or_load_index
    if hasattr(load, "rebuilds"):
        return

    @functools.wraps(build)
    def build_index(spec: Any, vectors: Any) -> Any:
        index = build(spec, vectors)
        _write_files_whole(type(index))
        return index

    @functools.wraps(load)
    def build_or_load_index(segment: Any, spec: Any, index_dir: str) -> None:
        try:
            load(segment, spec, index_dir)
        except Exception as error:
            file = Path(segment.index_file_path(index_dir, spec.index_type, spec.field_name))
            if not file.exists():
                raise
            logger.warning("%s cannot be read, and the index is built anew: %s", file, error)
            file.unlink(missing_ok=True)
            load(segment, spec, index_dir)

    build_or_load_index.rebuilds = True  # type: ignore[attr-defined]
    factory.build_index_from_spec = build_index
    Segment.build_or_load_index = build_or_load_index


def remove_partial_index_files(database: Path) -> None:
    """Remove what a killed process has left of index files that it was writing."""
    for file in database.glob(f"**/indexes/*{_PART}"):
        file.unlink(missing_ok=True)


def _write_files_whole(index_class: Any) -> None:
    save = index_class.save
    if hasattr(save, "is_whole"):
        return

    @functools.wraps(save)
    def save_whole(index: Any, path: str) -> None:
        part = Path(f"{path}.{threading.get_ident()}{_PART}")
        try:
            save(index, str(part))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    save_whole.is_whole = True  # type: ignore[attr-defined]
    index_class.save = save_whole
