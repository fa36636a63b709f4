"""Memory settings of Milvus Lite, the embedded Milvus."""

from __future__ import annotations

import os

from vicinal.toolkit.malloc import limit_arenas

__all__ = ["FLUSH_BYTES", "limit_memory"]

FLUSH_BYTES = 4 * 1024 * 1024
"""Of rows in memory; then Milvus Lite flushes them to a segment."""


def limit_memory() -> None:
    """Keep Milvus Lite's memory near the size of its rows; call it before Milvus Lite is first opened in this process.

    - It flushes through Python lists, eight times the size of the rows, so it flushes after 4 MiB (its default: 128).
    - It compacts any four files of similar size, and holds five copies of their rows meanwhile: 375 MB for 60,000 rows
      of 384 floats. There is no setting, so the constant is raised to Milvus Lite's own limit of files, as other
      engines postpone compaction during a bulk load.
    - Arrow returns freed memory to the system at once, and all threads share two malloc arenas.
    """
    os.environ.setdefault("MIMALLOC_PURGE_DELAY", "0")
    limit_arenas()
    os.environ.setdefault("MILVUS_LITE_MEMTABLE_MEMORY_LIMIT_BYTES", str(FLUSH_BYTES))
    from milvus_lite.engine import compaction

    if hasattr(compaction, "COMPACTION_MIN_FILES_PER_BUCKET"):
        compaction.COMPACTION_MIN_FILES_PER_BUCKET = getattr(compaction, "MAX_DATA_FILES", 32)
