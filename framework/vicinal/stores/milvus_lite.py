"""Milvus Lite, the embedded Milvus: the lock on its file, and its memory settings."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Self

import orjson

from vicinal.errors import StoreBusyError, StoreError
from vicinal.stores.process import describe_process
from vicinal.toolkit.malloc import limit_arenas

__all__ = ["FLUSH_BYTES", "LockHolder", "MilvusLiteLock"]

FLUSH_BYTES = 4 * 1024 * 1024
"""Of rows in memory; then Milvus Lite flushes them to a segment."""
_ACQUIRE_ATTEMPTS, _ACQUIRE_SECONDS = 3, 0.02


@dataclass(frozen=True, slots=True)
class LockHolder:
    """What the process that holds a Milvus Lite file writes into the lock file."""

    process: str = "another process"
    host: str = ""
    url: str | None = None
    """Where it answers other processes of its machine, if it is a server."""

    @classmethod
    def find_server(cls, path: Path) -> Self | None:
        """The server of this machine that holds a Milvus Lite file and answers for it; None where there is none.

        What a killed process left in the lock file is not trusted: only the lock tells whether somebody holds it.
        """
        try:
            file = _lock_file(path).open("rb")
        except OSError:
            return None
        with file:
            holder = cls.read(file)
            if holder.url is None or holder.host != socket.gethostname():
                return None
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return holder
            return None

    @classmethod
    def read(cls, file: IO[bytes]) -> Self:
        """Read a lock file; one that another version wrote, or that is just being written, names nobody."""
        file.seek(0)
        try:
            return cls(**orjson.loads(file.read()))
        except (orjson.JSONDecodeError, TypeError):
            return cls()


class MilvusLiteLock:
    """An exclusive lock on a Milvus Lite file, which one process may open; the lock file says which one holds it.

    Raises:
        StoreBusyError: another process holds it; the message names that process.
        StoreError: its folder cannot be created, or is not writable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.fdopen(os.open(_lock_file(path), os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
        except OSError as error:
            raise StoreError(
                f"cannot open {path}: {error.strerror}",
                hint="set MILVUS_URI to a path in a folder that is writable, or to a server",
            ) from error
        _limit_milvus_lite_memory()
        if not self._acquire():
            holder = LockHolder.read(self._lock)
            self._lock.close()
            raise StoreBusyError(f"{path} is in use by {holder.process}", hint=_hint(holder))
        self._write(LockHolder(describe_process(), socket.gethostname()))

    def publish_address(self, url: str) -> None:
        """Tell other processes where this one answers them."""
        self._write(LockHolder(describe_process(), socket.gethostname(), url))

    def close(self) -> None:
        """Release the lock."""
        self._lock.truncate(0)
        self._lock.close()

    def _acquire(self) -> bool:
        """Take the lock, if nobody has it; ``LockHolder.find_server`` takes it for an instant to find that out."""
        for attempt in range(_ACQUIRE_ATTEMPTS):
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except OSError:
                if attempt < _ACQUIRE_ATTEMPTS - 1:
                    time.sleep(_ACQUIRE_SECONDS)
        return False

    def _write(self, holder: LockHolder) -> None:
        data = orjson.dumps(asdict(holder))
        self._lock.seek(0)
        self._lock.write(data)
        self._lock.truncate(len(data))


def _lock_file(path: Path) -> Path:
    return path.with_name(path.name + ".holder")


def _hint(holder: LockHolder) -> str:
    if holder.url is None:
        return "one process at a time may open an embedded Milvus; end that one, or set MILVUS_URI to a server"
    return (
        f"stop that server ({holder.url}) first, or set MILVUS_URI to a Milvus server; while it runs, search, status,"
        " ingest, failures --retry and remove are answered through it"
    )


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
