"""The embedded Redis: a ``redis-server`` that vicinal starts in a folder.

It has an append-only file in its folder, a unix socket and no port. Every process that uses it holds a shared lock on
the folder; the last one to close it shuts the server down, and where that one was killed the watchdog does. Servers of
all versions from 6.2 on work on the same folder, one after another.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from vicinal.errors import StoreError, StoreUnreachableError
from vicinal.stores import redis_watchdog
from vicinal.stores.append_only_file import prepare_append_only_file
from vicinal.stores.redis_server import RedisServer, find_redis_server
from vicinal.stores.redis_watchdog import connect_to_socket, shut_down_server, try_lock

__all__ = ["EmbeddedRedis"]

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
_START_SECONDS = 60.0
_POLL_SECONDS = 0.005


class EmbeddedRedis:
    """A redis-server for one folder, started by its first user and shut down by its last.

    Raises:
        StoreUnreachableError: the server does not start, or does not respond.
        StoreError: the folder cannot be created, or is not writable; or the server cannot read the data in it.
        DependencyError: no server is installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._folder = folder = folder.resolve()
            self._start: IO[str] = (folder / "start.lock").open("a")
            self._users: IO[str] = (folder / "users.lock").open("a")
        except OSError as error:
            reason = "it is not a folder" if isinstance(error, FileExistsError) else error.strerror
            raise StoreError(
                f"cannot open the embedded Redis in {folder}: {reason}",
                hint="set REDIS_URL to a folder that is writable, or to a server",
            ) from error
        self._threads = threading.Lock()
        try:
            self.socket = _choose_socket_path(folder)
            self._start_unless_running()
        except BaseException:
            self._close_files()
            raise
        atexit.register(self.close)

    def restart_if_down(self) -> None:
        """Restart the server if it died, as after a ``kill``."""
        if self._users.closed or _ping(self.socket) == "ready":
            return
        if not self._folder.exists():
            raise StoreUnreachableError(f"{self._folder}, the folder of the embedded Redis, was deleted")
        self._start_unless_running()

    def close(self) -> None:
        """Give the server up; its last user shuts it down."""
        if self._users.closed:
            return
        atexit.unregister(self.close)
        with self._lock_server():
            if try_lock(self._users.fileno()):
                shut_down_server(self.socket)
        self._close_files()

    def _close_files(self) -> None:
        self._users.close()
        self._start.close()

    @contextmanager
    def _lock_server(self) -> Iterator[None]:
        """Keep other processes and threads from starting to use the server, and from shutting it down."""
        with self._threads:
            fcntl.flock(self._start, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._start, fcntl.LOCK_UN)

    def _start_unless_running(self) -> None:
        """Become a user of the server, and start it if it does not run.

        ``server.lock`` is inherited by redis-server and held for its lifetime, so that a server that is starting,
        loading or shutting down is waited for.
        """
        with self._lock_server():
            fcntl.flock(self._users, fcntl.LOCK_SH)
            launch: _Launch | None = None
            deadline = time.monotonic() + _START_SECONDS
            while (state := _ping(self.socket)) != "ready":
                if state == "loading":
                    deadline = time.monotonic() + _START_SECONDS
                elif not self._is_running():
                    if launch is not None:
                        raise launch.error()
                    launch = self._launch(find_redis_server())
                elif time.monotonic() > deadline:
                    raise StoreUnreachableError(
                        f"the redis-server of {self._folder} runs and does not respond", hint="end it, and try again"
                    )
                time.sleep(_POLL_SECONDS)

    def _is_running(self) -> bool:
        with (self._folder / "server.lock").open("a") as lock:
            return not try_lock(lock.fileno())

    def _launch(self, server: RedisServer) -> _Launch:
        """Start the server and its watchdog, without waiting until it has loaded its data."""
        prepare_append_only_file(self._folder, split=server.splits_append_only_file)
        Path(self.socket).unlink(missing_ok=True)
        log = self._folder / "redis.log"
        settings = {
            **_SETTINGS,
            "dir": str(self._folder),
            "logfile": str(log),
            "unixsocket": self.socket,
            # Commands are read by every version, a snapshot only by the same and later ones; see append_only_file.
            "aof-use-rdb-preamble": "no" if server.splits_append_only_file else "yes",
        }
        with log.open("ab") as output, (self._folder / "server.lock").open("a") as lock:
            launch = _Launch(server, log, output.tell())
            fcntl.flock(lock, fcntl.LOCK_EX)
            _spawn_process(
                [server.path, *(word for key, value in settings.items() for word in (f"--{key}", value))], output, lock
            )
        self._start_watchdog()
        return launch

    def _start_watchdog(self) -> None:
        with (self._folder / "users.lock").open("a") as users, (self._folder / "start.lock").open("a") as start:
            locks = map(str, (users.fileno(), start.fileno()))
            python = sys.executable or "python3"
            _spawn_process(
                [python, "-I", "-S", redis_watchdog.__file__, *locks, self.socket], subprocess.DEVNULL, users, start
            )


@dataclass(frozen=True, slots=True)
class _Launch:
    """A server that was started, and where in its log it began to write."""

    server: RedisServer
    log: Path
    log_start: int

    def error(self) -> StoreUnreachableError:
        """Return the error for a server that ended while it started."""
        lines = self.log.read_bytes()[self.log_start :].decode(errors="replace").strip().splitlines()
        return StoreUnreachableError(
            f"the embedded Redis in {self.log.parent} did not start: {lines[-1] if lines else 'it gave no reason'}",
            hint=f"see {self.log}; the server is {self.server}",
        )


def _spawn_process(command: list[str], output: IO[bytes] | int, *locks: IO[str]) -> None:
    """Start a process that inherits the locks, and that outlives this one."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd="/",
        start_new_session=True,
        pass_fds=[lock.fileno() for lock in locks],
    )
    # Reaps it when it ends, whether or not this process still uses it then.
    threading.Thread(target=process.wait, name="vicinal-redis-reaper", daemon=True).start()


def _choose_socket_path(folder: Path) -> str:
    """Return the path of the folder's socket, in a private folder of the user below the temporary one.

    The path of a unix socket may have about 100 bytes, so the socket cannot be in the folder itself. It is named after
    the inode of ``server.lock``, which stays the same when the folder is moved, and which no other folder has while
    the server runs, not even one of the same path after this one was deleted.
    """
    home = Path(tempfile.gettempdir()) / f"vicinal-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    if home.stat().st_uid != os.getuid() or home.stat().st_mode & 0o077:
        raise StoreUnreachableError(
            f"{home} is not private to this user", hint="set TMPDIR to a folder that is, or REDIS_URL"
        )
    lock = folder / "server.lock"
    lock.touch()
    inode = f"{lock.stat().st_dev}:{lock.stat().st_ino}"
    return str(home / f"{hashlib.blake2b(inode.encode(), digest_size=8).hexdigest()}.sock")


def _ping(path: str) -> Literal["ready", "loading", "down"]:
    """Return whether the server has loaded its data, is loading them, or does not respond."""
    with suppress(OSError), connect_to_socket(path) as connection:
        connection.settimeout(1.0)
        connection.sendall(b"PING\r\n")
        answer = connection.recv(64)
        if answer.startswith(b"+PONG"):
            return "ready"
        if answer.startswith(b"-LOADING"):
            return "loading"
    return "down"
