"""The locks of a solution: keys in Redis that their holder renews and that expire soon after the holder died.

Who writes holds the ``WriterLock``: an ingest for as long as it runs, who adds or removes an item for a moment
(``brief``). A reindex holds the ``ReindexLock`` for as long as it runs, and the writer's lock at its beginning and its
end only, so that items are added and removed meanwhile. It takes its own lock first, and who would write for long looks
for that while it holds the writer's lock: so no ingest runs beside a reindex.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import orjson

from vicinal.errors import StoreBusyError, StoreError
from vicinal.stores.process import describe_process
from vicinal.stores.redis import MetadataStore

__all__ = ["PromoteLock", "ReindexLock", "TuneLock", "WriterLock"]

_EXPIRY_SECONDS = 15
_BRIEF_WAIT_SECONDS = 60.0
_BRIEF_POLL_SECONDS = 0.01

# Only the holder may renew or release: compare the token and act in one step.
_RENEW = (
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) else return 0 end"
)
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"


class WriterLock:
    """A context manager that holds the lock while a process writes to a solution, or does what only one may do.

    It waits for a holder that is ``brief``, up to a minute.

    Raises:
        StoreBusyError: another process holds it; the message names that one. The lock of a dead holder on this machine
            is taken over at once.
    """

    _kind: ClassVar[str] = "writer"
    _verb: ClassVar[str] = "written"

    _held: ClassVar[dict[str, int]] = {}
    """The thread of each lock that this process holds or asks for, by token, to tell them from locks that it failed to
    release."""

    def __init__(self, store: MetadataStore, *, brief: bool = False) -> None:
        self._store = store
        self._token = secrets.token_hex(8)
        self._name = store.name
        self._key = store.names.of_solution(self._kind)
        self._value = orjson.dumps(
            {
                "token": self._token,
                "holder": describe_process(),
                "host": socket.gethostname(),
                "boot": _boot_id(),
                "pid": os.getpid(),
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
                "brief": brief,
                "verb": self._verb,
            }
        )
        self._stop = threading.Event()
        self.lost = False

    def __enter__(self) -> Self:
        self._held[self._token] = threading.get_ident()  # before it is acquired: other threads would take it for dead
        try:
            self._wait_until_acquired()
        except BaseException:
            del self._held[self._token]
            raise
        self._thread = threading.Thread(target=self._renew, name="vicinal-writer-lock", daemon=True)
        self._thread.start()
        return self

    def _wait_until_acquired(self) -> None:
        waits_until = time.monotonic() + _BRIEF_WAIT_SECONDS
        while not self._acquire():
            held = self._store.call("get", self._key)
            if held == self._value:
                return  # it was acquired, and the response was lost
            if not held:
                continue
            holder: dict[str, Any] = orjson.loads(held)
            if not self._is_alive(holder):
                self._store.call("eval", _RELEASE, 1, self._key, held)
            elif self._is_worth_waiting_for(holder) and time.monotonic() < waits_until:
                time.sleep(_BRIEF_POLL_SECONDS)
            else:
                raise self._busy_error(holder)

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._held.pop(self._token, None)
        try:
            self._store.call("eval", _RELEASE, 1, self._key, self._value)
        except StoreError:
            self.lost = True  # the key expires

    @classmethod
    def is_held(cls, store: MetadataStore) -> bool:
        """Whether somebody holds it, or died a moment ago with it."""
        return bool(store.call("exists", store.names.of_solution(cls._kind)))

    def check(self) -> None:
        """Check that the lock is still held.

        Raises:
            StoreBusyError: this process was suspended for so long that another one may have acquired the lock.
        """
        if self.lost:
            raise StoreBusyError(
                f"this process lost its lock on {self._name!r}, and another one may be writing",
                hint="finished batches are kept; run this again when the other writer has ended",
            )

    def is_held_in(self, store: MetadataStore) -> bool:
        """Whether another connection leads to the Redis in which this lock is held."""
        return bool(store.call("get", self._key) == self._value)

    def _is_alive(self, holder: dict[str, Any]) -> bool:
        return holder.get("token") in self._held or not _holder_is_dead(holder)

    def _is_worth_waiting_for(self, holder: dict[str, Any]) -> bool:
        """Whether it is held for a moment, and not by this thread itself."""
        return bool(holder.get("brief")) and self._held.get(holder["token"]) != threading.get_ident()

    def _busy_error(self, holder: dict[str, Any]) -> StoreBusyError:
        return StoreBusyError(
            f"{self._name!r} is being {holder.get('verb', self._verb)} by {holder['holder']} since {holder['started']}",
            hint=f"wait until it ends; the lock of a holder that died expires after {_EXPIRY_SECONDS:g} s",
        )

    def _acquire(self) -> bool:
        return bool(self._store.call("set", self._key, self._value, nx=True, px=int(_EXPIRY_SECONDS * 1000)))

    def _renew(self) -> None:
        while not self._stop.wait(_EXPIRY_SECONDS / 3):
            try:
                renewed = self._store.call("eval", _RENEW, 1, self._key, self._value, int(_EXPIRY_SECONDS * 1000))
                if not renewed and not self._acquire():
                    self.lost = True
                    return
            except StoreError:
                continue  # the run itself gets the same error and reports it


class ReindexLock(WriterLock):
    """A context manager that holds the lock while a process reindexes a solution; see ``WriterLock``."""

    _kind = "reindexer"
    _verb = "reindexed"

    @classmethod
    def require_free(cls, store: MetadataStore) -> None:
        """See that no reindex goes on, while the writer's lock is held.

        Raises:
            StoreBusyError: one does.
        """
        lock = cls(store)
        held = store.call("get", lock._key)
        if held and lock._is_alive(holder := orjson.loads(held)):
            raise lock._busy_error(holder)


class PromoteLock(ReindexLock):
    """The lock of a reindex, held while a process copies a solution to other stores: no ingest and no reindex runs."""

    _verb = "promoted"


class TuneLock(WriterLock):
    """A context manager that holds the lock while a process tunes a solution's index, which others may write to."""

    _kind = "tuner"
    _verb = "tuned"


def _boot_id() -> str:
    """Return an id of this start of the machine and of this container; empty where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _holder_is_dead(holder: dict[str, Any]) -> bool:
    if holder.get("host") != socket.gethostname() or holder.get("boot") != _boot_id():
        return False
    if holder["pid"] == os.getpid():
        return True
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
