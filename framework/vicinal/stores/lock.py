"""One writer at a time: a lock in Redis that its holder renews, and that ends soon after the holder did."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import orjson
import redis

from vicinal.errors import StoreBusy
from vicinal.stores.local import process_name
from vicinal.stores.redis import MetadataStore

__all__ = ["WriterLock"]

_SECONDS = 15

# Only the holder may renew or release: compare the token and act in one step.
_RENEW = (
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) else return 0 end"
)
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"


class WriterLock:
    """Held while a process writes to a solution.

    Raises:
        StoreBusy: another process writes; the message names it. A holder on this machine that has ended is passed over.
    """

    def __init__(self, store: MetadataStore) -> None:
        self._client = store.client
        self._name = store.name
        self._key = f"vicinal:{store.name}:writer"
        self._value = orjson.dumps(
            {
                "token": secrets.token_hex(8),
                "holder": process_name(),
                "host": socket.gethostname(),
                "boot": _boot(),
                "pid": os.getpid(),
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )
        self._stop = threading.Event()
        self.lost = False

    def __enter__(self) -> Self:
        while not self._client.set(self._key, self._value, nx=True, px=_SECONDS * 1000):
            held = self._client.get(self._key)
            holder: dict[str, Any] = orjson.loads(held) if isinstance(held, bytes) else {}
            if not held:
                continue
            if not _ended(holder):
                raise StoreBusy(
                    f"{self._name!r} is being written by {holder['holder']} since {holder['started']}",
                    hint=f"wait for it; a lock whose holder has died ends after {_SECONDS} s",
                )
            self._client.eval(_RELEASE, 1, self._key, held)
        self._thread = threading.Thread(target=self._renew, name="vicinal-writer-lock", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        try:
            self._client.eval(_RELEASE, 1, self._key, self._value)
        except redis.RedisError:
            self.lost = True  # it expires by itself

    def _renew(self) -> None:
        while not self._stop.wait(_SECONDS / 3):
            try:
                renewed = self._client.eval(_RENEW, 1, self._key, self._value, str(_SECONDS * 1000))
            except redis.RedisError:
                continue  # the run itself will meet the same error and say so
            if not renewed and not self._client.set(self._key, self._value, nx=True, px=_SECONDS * 1000):
                self.lost = True
                return


def _boot() -> str:
    """Tells one start of this machine, or one container, from another."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _ended(holder: dict[str, Any]) -> bool:
    if holder.get("host") != socket.gethostname() or holder.get("boot") != _boot():
        return False
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
