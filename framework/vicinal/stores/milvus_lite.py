"""Milvus Lite, the embedded Milvus: the lock on its file, and its memory settings."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from vicinal.errors import StoreBusyError, StoreError
from vicinal.stores.process import describe_process
from vicinal.toolkit.malloc import limit_arenas

__all__ = ["FLUSH_BYTES", "MilvusLiteLock"]

FLUSH_BYTES = 4 * 1024 * 1024
"""Of rows in memory; then Milvus Lite flushes them to a segment."""


class MilvusLiteLock:
    """An exclusive lock on a Milvus Lite file, which one process may open; its holder's name is in the lock file.

    Raises:
        StoreBusyError: another process holds it; the message names that process.
        StoreError: its folder cannot be created, or is not writable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = path.with_name(path.name + ".holder").open("a+")
        except OSError as error:
            raise StoreError(
                f"cannot open {path}: {error.strerror}",
                hint="set MILVUS_URI to a path in a folder that is writable, or to a server",
            ) from error
        _limit_milvus_lite_memory()
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
        """Release the lock."""
        self._lock.close()


def _limit_milvus_lite_memory() -> None:
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
