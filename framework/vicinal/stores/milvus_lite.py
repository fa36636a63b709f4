"""Milvus Lite, the embedded Milvus: the lock of its file, and the memory that it may take."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from vicinal.errors import StoreBusyError
from vicinal.stores.process import describe_process
from vicinal.toolkit.malloc import limit_arenas

__all__ = ["FLUSH_BYTES", "MilvusLiteLock"]

FLUSH_BYTES = 4 * 1024 * 1024
"""Of fresh rows, after which Milvus Lite writes them to a segment of their own."""


class MilvusLiteLock:
    """The right of one process to a Milvus Lite file; another process is told who has it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        _limit_memory()
        self._lock = path.with_name(path.name + ".holder").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "another process"
            self._lock.close()
            raise StoreBusyError(
                f"{path} is in use by {holder}",
                hint="one process at a time may open an embedded Milvus; end that one, or set MILVUS_URI to a server",
            ) from None
        self._lock.truncate(0)
        self._lock.write(describe_process())
        self._lock.flush()

    def close(self) -> None:
        """Give the file up."""
        self._lock.close()


def _limit_memory() -> None:
    """Make Milvus Lite keep its memory near that of its rows, before it is first opened in this process.

    It flushes fresh rows by way of Python lists, eight times their size, so it should flush them early (its own limit
    is 128 MiB). And it merges any four files that are alike, holding five copies of their rows meanwhile: 375 MB for
    60,000 rows of 384 floats. It has no setting for that, so the constant is raised to its own limit of files, as other
    engines put compaction off during a bulk load. Memory that Arrow has freed goes back to the system at once, and all
    threads share two arenas of malloc.
    """
    os.environ.setdefault("MIMALLOC_PURGE_DELAY", "0")
    limit_arenas()
    os.environ.setdefault("MILVUS_LITE_MEMTABLE_MEMORY_LIMIT_BYTES", str(FLUSH_BYTES))
    from milvus_lite.engine import compaction

    if hasattr(compaction, "COMPACTION_MIN_FILES_PER_BUCKET"):
        compaction.COMPACTION_MIN_FILES_PER_BUCKET = getattr(compaction, "MAX_DATA_FILES", 32)
