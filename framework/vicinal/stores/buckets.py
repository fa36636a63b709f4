"""The hashes in which Redis keeps what belongs to an item: 65,536 buckets of each kind, by the upper 16 bits of the id.

Hashes this small stay packed, so that a million items cost little more than their own bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import redis

from vicinal.stores.live_generation import LiveGeneration
from vicinal.stores.redis_connection import RedisConnection

__all__ = ["Buckets", "encode_id"]

_BITS = 16
_COUNT = 1 << _BITS
_SHIFT = 63 - _BITS  # an id has 63 bits

# One script call for many hashes costs the client a third of a pipeline of commands. The last key is the record of the
# generation that is live, read in the same step: what was read of a generation that is live is whole.
_GET_SCRIPT = """
local found = {}
for i = 1, #ARGV do found[i] = redis.call('hget', KEYS[i], ARGV[i]) end
found[#KEYS] = redis.call('get', KEYS[#KEYS])
return found
"""
_EXIST_SCRIPT = """
local found = {}
for i = 1, #KEYS do if redis.call('exists', KEYS[i]) == 1 then found[#found + 1] = i end end
return found
"""
_PUT_SCRIPT = "for i = 1, #KEYS do redis.call('hset', KEYS[i], ARGV[2 * i - 1], ARGV[2 * i]) end"
_MAX_COMMAND_KEYS = 500
_MAX_COMMAND_BYTES = 1024 * 1024
_FIRST_PART, _MAX_PART = 8, 512
_PART_ITEMS = 2_000
_MAX_KEYS_TO_SCAN = _COUNT


class Buckets:
    """The buckets of one solution, ``{prefix}{kind}:{bucket}``: hashes from the bytes of an id to a value."""

    def __init__(self, connection: RedisConnection, prefix: str, live: LiveGeneration) -> None:
        self._connection = connection
        self._prefix = prefix
        self._live = live

    def key_of(self, kind: str, id_: int) -> str:
        """Return the key of the bucket that holds an id."""
        return self._bucket_key(kind, id_ >> _SHIFT)

    def _bucket_key(self, kind: str, number: int) -> str:
        return f"{self._prefix}{kind}:{number:x}"

    def get(self, kind: str, ids: Sequence[int]) -> list[bytes | None]:
        """Fetch the values of these ids, in few round trips; None for an id without one.

        Raises:
            GenerationReplacedError: they are of a generation that has been replaced.
        """
        values: list[bytes | None] = []
        for start in range(0, len(ids), _MAX_COMMAND_KEYS):
            part = ids[start : start + _MAX_COMMAND_KEYS]
            keys = [self.key_of(kind, id_) for id_ in part]
            *found, live = self._connection.call(
                "eval", _GET_SCRIPT, len(keys) + 1, *keys, self._live.key, *map(encode_id, part)
            )
            self._live.require(live)
            values += found
        return values

    def queue_puts(self, pipe: Any, kind: str, values: Mapping[int, bytes]) -> None:
        """Queue values in a pipeline, in commands of about a megabyte."""
        keys: list[str] = []
        arguments: list[bytes] = []
        size = 0
        for id_, data in values.items():
            keys.append(self.key_of(kind, id_))
            arguments += (encode_id(id_), data)
            size += len(data)
            if len(keys) == _MAX_COMMAND_KEYS or size > _MAX_COMMAND_BYTES:
                pipe.eval(_PUT_SCRIPT, len(keys), *keys, *arguments)
                keys, arguments, size = [], [], 0
        if keys:
            pipe.eval(_PUT_SCRIPT, len(keys), *keys, *arguments)

    def iter_parts(self, *kinds: str, after: int = -1) -> Iterator[tuple[int | None, list[dict[int, bytes]]]]:
        """Read all values with an id above ``after``, about 2,000 items at a time, in bounded memory.

        Yields:
            The id after which the next part starts (None for the last part), and for each kind its values by id. The
            parts are in the order of their ids; the values of one part are in no order.

        Raises:
            GenerationReplacedError: they are of a generation that has been replaced.
        """
        size = _FIRST_PART
        numbers = self._iter_numbers(kinds, max(after, 0) >> _SHIFT)
        part = list(islice(numbers, size))
        while part:
            values = [self._read(kind, part, after) for kind in kinds]
            size = min(2 * size, _MAX_PART) if max(map(len, values)) < _PART_ITEMS else max(1, size // 2)
            next_part = list(islice(numbers, size))
            self._live.require(self._connection.call("get", self._live.key))
            yield ((part[-1] + 1) << _SHIFT) - 1 if next_part else None, values
            part = next_part
        self._live.require(self._connection.call("get", self._live.key))

    def _iter_numbers(self, kinds: Sequence[str], first: int = 0) -> Iterator[int]:
        """Yield the numbers of the buckets that exist, from the first one on, in order.

        In a database of fewer keys than there are buckets, SCAN finds them: those of 60 items in 1 ms. In a larger one
        it would go through everybody's keys, so Redis is asked for each bucket, which takes 0.1 s for all of them.
        """
        if self._connection.call("dbsize") <= _MAX_KEYS_TO_SCAN:
            yield from (number for number in self._scan_numbers(kinds) if number >= first)
            return
        for start in range(first, _COUNT, _MAX_PART):
            block = range(start, min(start + _MAX_PART, _COUNT))
            keys = [self._bucket_key(kind, number) for kind in kinds for number in block]
            existing = self._connection.call("eval", _EXIST_SCRIPT, len(keys), *keys)
            yield from sorted({block[(place - 1) % len(block)] for place in existing})

    def _scan_numbers(self, kinds: Sequence[str]) -> list[int]:
        numbers: set[int] = set()
        try:
            for kind in kinds:
                prefix = f"{self._prefix}{kind}:"
                for key in self._connection.client.scan_iter(f"{_escape_glob(prefix)}*", count=5000):
                    numbers.add(int(key[len(prefix.encode()) :], 16))
        except redis.RedisError as error:
            raise self._connection.to_store_error(error) from error
        return sorted(numbers)

    def _read(self, kind: str, numbers: Sequence[int], after: int) -> dict[int, bytes]:
        pipe = self._connection.client.pipeline(transaction=False)
        for number in numbers:
            pipe.hgetall(self._bucket_key(kind, number))
        return {
            id_: data
            for bucket in self._connection.execute(pipe)
            for field, data in bucket.items()
            if (id_ := int.from_bytes(field, "big")) > after
        }

    def queue_drop(self, pipe: Any, *kinds: str) -> None:
        """Queue the deletion of all buckets in a pipeline."""
        keys = [self._bucket_key(kind, number) for kind in kinds for number in self._iter_numbers([kind])]
        for start in range(0, len(keys), _MAX_COMMAND_KEYS):
            pipe.unlink(*keys[start : start + _MAX_COMMAND_KEYS])


def encode_id(id_: int) -> bytes:
    """Return the eight bytes under which Redis keeps an id."""
    return id_.to_bytes(8, "big")


def _escape_glob(pattern: str) -> str:
    return "".join(f"\\{c}" if c in "*?[]\\" else c for c in pattern)
