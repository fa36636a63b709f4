"""The lock of a process on the file of Milvus Lite, the embedded Milvus."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Self

import orjson

from vicinal.errors import StoreBusyError, StoreError
from vicinal.stores.milvus_lite_index_files import keep_index_files_whole, remove_partial_index_files
from vicinal.stores.milvus_lite_memory import limit_memory
from vicinal.stores.milvus_lite_scan import compute_l2_in_blocks
from vicinal.stores.milvus_lite_search import remember_valid_rows
from vicinal.stores.milvus_lite_training import adapt_training
from vicinal.stores.process import describe_process

__all__ = ["LockHolder", "MilvusLiteLock"]

_ACQUIRE_ATTEMPTS, _ACQUIRE_SECONDS = 3, 0.02


@dataclass(frozen=True, slots=True)
class LockHolder:
    """What the process that holds a Milvus Lite file writes into the lock file."""

    process: str = "another process"
    host: str = ""
    url: str | None = None
    """Where it answers other processes of its machine, if it is a server."""
    secret: str = ""
    """What only those know who may read the file's folder: the server does for them what no client may ask for."""

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
        self.secret = ""
        """What ``publish_address`` wrote into the lock file beside the address."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.fdopen(os.open(_lock_file(path), os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
        except OSError as error:
            raise StoreError(
                f"cannot open {path}: {error.strerror}",
                hint="set MILVUS_URI to a path in a folder that is writable, or to a server",
            ) from error
        limit_memory()
        adapt_training()
        compute_l2_in_blocks()
        remember_valid_rows()
        keep_index_files_whole()
        if not self._acquire():
            holder = LockHolder.read(self._lock)
            self._lock.close()
            raise StoreBusyError(f"{path} is in use by {holder.process}", hint=_build_busy_hint(holder))
        self._write_holder(LockHolder(describe_process(), socket.gethostname()))
        remove_partial_index_files(path)

    def publish_address(self, url: str) -> None:
        """Write into the lock file where this process answers others."""
        self.secret = secrets.token_hex(16)
        self._write_holder(LockHolder(describe_process(), socket.gethostname(), url, self.secret))

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

    def _write_holder(self, holder: LockHolder) -> None:
        data = orjson.dumps(asdict(holder))
        self._lock.seek(0)
        self._lock.write(data)
        self._lock.truncate(len(data))


def _lock_file(path: Path) -> Path:
    return path.with_name(path.name + ".holder")


def _build_busy_hint(holder: LockHolder) -> str:
    if holder.url is None:
        return "one process at a time may open an embedded Milvus; end that one, or set MILVUS_URI to a server"
    return (
        f"stop that server ({holder.url}) first, or set MILVUS_URI to a Milvus server; while it runs, search, status,"
        " ingest, reindex, promote, failures --retry, remove and backup are answered through it, and its page shows"
        " map and duplicates"
    )
