"""The failures of one solution in Redis: why items could not be indexed, each key's newest, listed whole or by pages.

vicinal:{name}:failures          hash: key -> why it could not be indexed
vicinal:{name}:failed            sorted set: the same keys, so that a page of them is read without the others
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson
import redis

from vicinal.stores.redis_connection import RedisConnection
from vicinal.types import Failure

__all__ = ["Failures"]


class Failures:
    """The failures that are kept under a prefix, ``vicinal:{name}:``."""

    def __init__(self, connection: RedisConnection, prefix: str) -> None:
        self._connection = connection
        self._messages = prefix + "failures"
        self._sorted_keys = prefix + "failed"

    @property
    def keys(self) -> tuple[str, str]:
        """The keys in Redis."""
        return self._messages, self._sorted_keys

    def add(self, failures: Iterable[Failure]) -> None:
        """Record failures, the newest of each key."""
        packed = {
            _printable(f.key): orjson.dumps([f.stage, _printable(f.message), _printable(f.uri), f.at]) for f in failures
        }
        if packed:
            with self._connection.transaction() as pipe:
                pipe.hset(self._messages, mapping=packed)
                pipe.zadd(self._sorted_keys, dict.fromkeys(packed, 0))

    def __iter__(self) -> Iterator[Failure]:
        try:
            for key, data in self._connection.client.hscan_iter(self._messages, count=1000):
                yield Failure(key.decode(), *orjson.loads(data))
        except redis.RedisError as error:
            raise self._connection.to_store_error(error) from error

    def page(self, limit: int, after: str = "") -> tuple[list[Failure], str | None, int]:
        """Some failures in the order of their keys: those after a key, the key to go on after, and how many there are.

        The key to go on after is None where there are no more.
        """
        total, ordered = self._counts()
        if total != ordered:  # written before there was an order
            self._put_in_order()
        start = f"({_printable(after)}" if after else "-"
        keys = self._connection.call("zrangebylex", self._sorted_keys, start, "+", start=0, num=limit + 1)
        data = self._connection.call("hmget", self._messages, keys[:limit]) if keys else []
        found = [
            Failure(key.decode(), *orjson.loads(one)) for key, one in zip(keys, data, strict=False) if one is not None
        ]
        return found, keys[limit - 1].decode() if len(keys) > limit else None, total

    def _counts(self) -> tuple[int, int]:
        """How many failures there are, and how many of them are in order."""
        pipe = self._connection.client.pipeline(transaction=True)
        pipe.hlen(self._messages)
        pipe.zcard(self._sorted_keys)
        total, ordered = self._connection.execute(pipe)
        return int(total), int(ordered)

    def _put_in_order(self) -> None:
        keys = self._connection.call("hkeys", self._messages)
        with self._connection.transaction() as pipe:
            pipe.unlink(self._sorted_keys)
            if keys:
                pipe.zadd(self._sorted_keys, dict.fromkeys(keys, 0))

    def count(self) -> int:
        """How many are recorded."""
        return int(self._connection.call("hlen", self._messages))

    def clear(self, keys: Sequence[str], pipe: Any) -> None:
        """Forget the failures of these keys, of which there is at least one, as a part of a transaction."""
        pipe.hdel(self._messages, *keys)
        pipe.zrem(self._sorted_keys, *keys)


def _printable(text: str) -> str:
    """A text without the halves of surrogate pairs that stand for bytes in a file's name: UTF-8 has none."""
    return text.encode(errors="backslashreplace").decode()
