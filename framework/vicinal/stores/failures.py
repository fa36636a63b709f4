"""The failures of one solution in Redis: the newest reason of each key, listed whole or by pages.

vicinal:{name}:failures          hash: key -> why the item could not be indexed
vicinal:{name}:failed            sorted set: the same keys in order, so that a page of them is read without the others
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from vicinal.stores.redis_connection import RedisConnection
from vicinal.types import Failure

__all__ = ["Failures"]


class Failures:
    """The failures stored under a prefix, ``vicinal:{name}:``."""

    def __init__(self, connection: RedisConnection, prefix: str) -> None:
        self._connection = connection
        self._messages = prefix + "failures"
        self._sorted_keys = prefix + "failed"

    @property
    def keys(self) -> tuple[str, str]:
        """The names of both keys in Redis."""
        return self._messages, self._sorted_keys

    def add(self, failures: Iterable[Failure]) -> None:
        """Record failures; each replaces an older one of its key."""
        packed = {
            _escape_surrogates(f.key): orjson.dumps(
                [f.stage, _escape_surrogates(f.message), _escape_surrogates(f.uri), f.at]
            )
            for f in failures
        }
        if packed:
            with self._connection.transaction() as pipe:
                pipe.hset(self._messages, mapping=packed)
                pipe.zadd(self._sorted_keys, dict.fromkeys(packed, 0))

    def __iter__(self) -> Iterator[Failure]:
        with self._connection.wrap_errors():
            for key, data in self._connection.client.hscan_iter(self._messages, count=1000):
                yield Failure(key.decode(), *orjson.loads(data))

    def page(self, limit: int, after: str = "") -> tuple[list[Failure], str | None, int]:
        """Fetch a page of failures in the order of their keys, from the key that follows ``after``.

        Returns:
            The failures, the key after which the next page starts (None when this is the last page), and the number of
            all failures.
        """
        total, ordered = self._read_counts()
        if total != ordered:  # a version without the sorted set wrote some
            self._rebuild_order()
        start = f"({_escape_surrogates(after)}" if after else "-"
        keys = self._connection.call("zrangebylex", self._sorted_keys, start, "+", start=0, num=limit + 1)
        data = self._connection.call("hmget", self._messages, keys[:limit]) if keys else []
        failures = [
            Failure(key.decode(), *orjson.loads(one)) for key, one in zip(keys, data, strict=False) if one is not None
        ]
        return failures, keys[limit - 1].decode() if len(keys) > limit else None, total

    def _read_counts(self) -> tuple[int, int]:
        """Return the number of failures, and of keys in the sorted set."""
        pipe = self._connection.pipeline(atomic=True)
        pipe.hlen(self._messages)
        pipe.zcard(self._sorted_keys)
        total, ordered = self._connection.execute(pipe)
        return int(total), int(ordered)

    def _rebuild_order(self) -> None:
        keys = self._connection.call("hkeys", self._messages)
        with self._connection.transaction() as pipe:
            pipe.unlink(self._sorted_keys)
            if keys:
                pipe.zadd(self._sorted_keys, dict.fromkeys(keys, 0))

    def count(self) -> int:
        """Return the number of recorded failures."""
        return int(self._connection.call("hlen", self._messages))

    def clear(self, keys: Sequence[str], pipe: Any) -> None:
        """Queue the deletion of the failures of these keys, at least one, in a transaction."""
        pipe.hdel(self._messages, *keys)
        pipe.zrem(self._sorted_keys, *keys)


def _escape_surrogates(text: str) -> str:
    """Escape lone surrogates, which stand for undecodable bytes in a file name and which UTF-8 cannot encode."""
    return text.encode(errors="backslashreplace").decode()
