"""The hashes in which Redis keeps what belongs to an item: 65,536 buckets of each kind, by the upper 16 bits of the id.

Hashes this small stay packed, so that a million items cost little more than their own bytes. On a Redis Cluster groups
of them spread over the shards, see ``stores.key_names``, and each script touches the buckets of one group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any, TypeVar

from vicinal.stores.key_names import BUCKETS, KeyNames
from vicinal.stores.live_generation import LiveGeneration
from vicinal.stores.redis_connection import RedisConnection
from vicinal.toolkit.slices import iter_slices

__all__ = ["Buckets", "encode_id"]

_T = TypeVar("_T")

_SHIFT = 63 - 16  # an id has 63 bits

# One script call for many hashes costs the client a third of a pipeline of commands. On one Redis the last key is the
# record of the generation that is live, read in the same step: what was read of a generation that is live is whole.
_GET_SCRIPT = """
local found = {}
for i = 1, #ARGV do found[i] = redis.call('hget', KEYS[i], ARGV[i]) end
if #KEYS > #ARGV then found[#KEYS] = redis.call('get', KEYS[#KEYS]) end
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
_MAX_KEYS_TO_SCAN = BUCKETS


class Buckets:
    """The buckets of one generation of a solution: hashes from the bytes of an id to a value."""

    def __init__(self, connection: RedisConnection, names: KeyNames, live: LiveGeneration) -> None:
        self._connection = connection
        self._names = names
        self._live = live

    def key_of(self, kind: str, id_: int) -> str:
        """Return the key of the bucket that holds an id."""
        return self._names.bucket(kind, id_ >> _SHIFT)

    def group(self, ids: Iterable[int]) -> list[tuple[int, list[int]]]:
        """Split ids into those whose buckets one script may touch, each with the number of the group."""
        groups: dict[int, list[int]] = defaultdict(list)
        for id_ in ids:
            groups[self._names.group_of(id_ >> _SHIFT)].append(id_)
        return list(groups.items())

    def get(self, kind: str, ids: Sequence[int]) -> list[bytes | None]:
        """Fetch the values of these ids, in few round trips; None for an id without one.

        Raises:
            GenerationReplacedError: they are of a generation that has been replaced.
        """
        if self._connection.is_cluster:
            return self._get_of_shards(kind, ids)
        values: list[bytes | None] = []
        for part in _split_keys(ids):
            *found, live = self._connection.call("eval", *self._get_call(kind, part, self._live.key))
            self._live.require(live)
            values += found
        return values

    def _get_of_shards(self, kind: str, ids: Sequence[int]) -> list[bytes | None]:
        """Fetch values of all shards at once, and only then which generation is live: no script reads both."""
        parts = [part for _, group in self.group(ids) for part in _split_keys(group)]
        pipe = self._connection.pipeline()
        for part in parts:
            self._connection.queue(pipe, self.key_of(kind, part[0]), "EVAL", *self._get_call(kind, part))
        found = zip(parts, self._connection.execute(pipe), strict=True)
        values = {id_: value for part, values in found for id_, value in zip(part, values, strict=True)}
        self._live.require(self._connection.call("get", self._live.key))
        return [values[id_] for id_ in ids]

    def _get_call(self, kind: str, ids: Sequence[int], *more_keys: str) -> tuple[str | int | bytes, ...]:
        keys = (*(self.key_of(kind, id_) for id_ in ids), *more_keys)
        return _GET_SCRIPT, len(keys), *keys, *map(encode_id, ids)

    def queue_puts(self, pipe: Any, kind: str, values: Mapping[int, bytes]) -> None:
        """Queue values in a pipeline, in commands of about a megabyte."""
        for _, ids in self.group(values):
            keys: list[str] = []
            arguments: list[bytes] = []
            size = 0
            for id_ in ids:
                keys.append(self.key_of(kind, id_))
                arguments += (encode_id(id_), values[id_])
                size += len(values[id_])
                if len(keys) == _MAX_COMMAND_KEYS or size > _MAX_COMMAND_BYTES:
                    self._queue_put(pipe, keys, arguments)
                    keys, arguments, size = [], [], 0
            if keys:
                self._queue_put(pipe, keys, arguments)

    def _queue_put(self, pipe: Any, keys: Sequence[str], arguments: Sequence[bytes]) -> None:
        self._connection.queue(pipe, keys[0], "EVAL", _PUT_SCRIPT, len(keys), *keys, *arguments)

    def queue_delete(self, pipe: Any, kind: str, id_: int) -> None:
        """Queue the deletion of a value in a pipeline."""
        key = self.key_of(kind, id_)
        self._connection.queue(pipe, key, "HDEL", key, encode_id(id_))

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
            values = [self._read_buckets(kind, part, after) for kind in kinds]
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
        for start in range(first - first % _MAX_PART, BUCKETS, _MAX_PART):  # a block is of one group
            block = range(max(first, start), start + _MAX_PART)
            keys = [self._names.bucket(kind, number) for kind in kinds for number in block]
            pipe = self._connection.pipeline()
            self._connection.queue(pipe, keys[0], "EVAL", _EXIST_SCRIPT, len(keys), *keys)
            (existing,) = self._connection.execute(pipe)
            yield from sorted({block[(place - 1) % len(block)] for place in existing})

    def _scan_numbers(self, kinds: Sequence[str]) -> list[int]:
        numbers: set[int] = set()
        with self._connection.wrap_errors():
            for kind in kinds:
                for key in self._connection.client.scan_iter(self._names.bucket_pattern(kind), count=5000):
                    numbers.add(int(key.rpartition(b":")[2], 16))
        return sorted(numbers)

    def _read_buckets(self, kind: str, numbers: Sequence[int], after: int) -> dict[int, bytes]:
        pipe = self._connection.pipeline()
        for number in numbers:
            key = self._names.bucket(kind, number)
            self._connection.queue(pipe, key, "HGETALL", key)
        return {
            id_: data
            for bucket in self._connection.execute(pipe)
            for field, data in bucket.items()
            if (id_ := int.from_bytes(field, "big")) > after
        }

    def queue_drop(self, pipe: Any, *kinds: str) -> None:
        """Queue the deletion of all buckets in a pipeline."""
        for kind in kinds:
            for _, group in groupby(self._iter_numbers([kind]), self._names.group_of):
                for keys in _split_keys([self._names.bucket(kind, number) for number in group]):
                    self._connection.queue(pipe, keys[0], "UNLINK", *keys)


def encode_id(id_: int) -> bytes:
    """Return the eight bytes under which Redis keeps an id."""
    return id_.to_bytes(8, "big")


def _split_keys(sequence: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Split a sequence into parts of as many keys as a command may have."""
    return iter_slices(sequence, _MAX_COMMAND_KEYS)
