"""What a solution's encoder has learnt, in Redis: the same for every process and replica that opens the solution.

vicinal:{name}:fit               hash: "hash" -> of the state; "0", "1", … -> its bytes, in pieces of a mebibyte
"""

from __future__ import annotations

from vicinal.stores.redis_connection import RedisConnection
from vicinal.toolkit.slices import iter_slices

__all__ = ["FittedState"]

_PIECE_BYTES = 1024 * 1024


class FittedState:
    """The state that is kept under a prefix, ``vicinal:{name}:``."""

    def __init__(self, connection: RedisConnection, prefix: str) -> None:
        self._connection = connection
        self._key = prefix + "fit"

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys in Redis."""
        return (self._key,)

    def save(self, data: bytes, hash_: str) -> None:
        """Keep a state in place of any other; who reads meanwhile gets the old one or the new one."""
        new = self._key + ":new"
        self._connection.call("unlink", new)
        for number, piece in enumerate(iter_slices(data, _PIECE_BYTES)):
            self._connection.call("hset", new, str(number), piece)
        self._connection.call("hset", new, "hash", hash_)
        self._connection.call("rename", new, self._key)

    def read_hash(self) -> str | None:
        """The hash of the state that is kept, if there is one."""
        found = self._connection.call("hget", self._key, "hash")
        return found.decode() if found else None

    def load(self) -> bytes:
        """The bytes of the state that is kept; empty where there is none."""
        pieces = self._connection.call("hgetall", self._key)
        numbers = sorted(int(name) for name in pieces if name != b"hash")
        return b"".join(pieces[str(number).encode()] for number in numbers)
