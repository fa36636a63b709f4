"""Metadata, the ledger, failures, state and the writer's lock of one solution, in Redis.

    vicinal:{name}:meta:{bucket}     hash: item id -> the item's key, uri, content and metadata
    vicinal:{name}:ledger:{bucket}   hash: item id -> what was indexed of it, see ``Entry``
    vicinal:{name}:added             set: ids of items that were added by hand, which no source has
    vicinal:{name}:failures, failed  what could not be indexed, see ``stores.failures``
    vicinal:{name}:state             hash: physical collection, encoder, index, counts
    vicinal:{name}:writer            who writes now; expires unless renewed

Items are spread over 65,536 buckets, so that small hashes stay packed: a million items cost little more than their own
bytes. Commit order of a batch: ``begin`` (metadata and intent) -> vectors -> ``commit`` (ledger). What the ledger knows
is therefore never less than what Milvus holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson
import redis

from vicinal.stores.failures import Failures
from vicinal.stores.records import Entry, Record
from vicinal.stores.redis_connection import RedisConnection
from vicinal.types import Failure

__all__ = ["MetadataStore"]

_BUCKET_BITS = 16

# Puts entries into the ledger, or takes them out where the new one is empty, and moves the counts by the difference to
# what was there. A second call changes nothing, so one whose answer was lost may be sent again.
_COUNT = """
local items, rows = 0, 0
for i = 2, #KEYS do
  local field, new = ARGV[2 * i - 3], ARGV[2 * i - 2]
  local old = redis.call('hget', KEYS[i], field)
  local had = old and struct.unpack('>I4', old, 21) or 0
  local has = 0
  if new == '' then
    redis.call('hdel', KEYS[i], field)
  else
    has = struct.unpack('>I4', new, 21)
    redis.call('hset', KEYS[i], field, new)
  end
  rows = rows + has - had
  items = items + (has > 0 and 1 or 0) - (had > 0 and 1 or 0)
end
redis.call('hincrby', KEYS[1], 'items', items)
redis.call('hincrby', KEYS[1], 'rows', rows)
"""


# One command for many hashes costs the client a third of what a pipeline of commands does.
_GET = """
local found = {}
for i = 1, #KEYS do found[i] = redis.call('hget', KEYS[i], ARGV[i]) end
return found
"""
_PUT = "for i = 1, #KEYS do redis.call('hset', KEYS[i], ARGV[2 * i - 1], ARGV[2 * i]) end"
_AT_ONCE = 500
_PUT_BYTES = 1024 * 1024


class MetadataStore(RedisConnection):
    """The Redis side of one solution. ``where`` is a folder (an embedded Redis) or a URL."""

    def __init__(self, name: str, where: str, timeout: float = 5.0) -> None:
        super().__init__(where, timeout)
        self.name = name
        self._prefix = f"vicinal:{name}:"
        self._failures = Failures(self, self._prefix)

    def ledger_entries(self, ids: Sequence[int]) -> list[Entry | None]:
        """The ledger's entries of these items, in few round trips."""
        return [Entry.unpack(data) if data else None for data in self._read("ledger", ids)]

    def records(self, ids: Sequence[int]) -> list[Record | None]:
        """The metadata of these items, in few round trips."""
        return [Record.unpack(data) if data else None for data in self._read("meta", ids)]

    def begin(self, records: Mapping[int, Record], entries: Mapping[int, Entry]) -> None:
        """Before vectors are written: keep the metadata, and note which segments may be touched."""
        with self.transaction() as pipe:
            self._put(pipe, "meta", {id_: record.pack() for id_, record in records.items()})
            self._put(pipe, "ledger", {id_: entry.pack() for id_, entry in entries.items()})

    def commit(self, entries: Mapping[int, Entry], cleared: Sequence[str] = ()) -> None:
        """After vectors are written: the items are indexed and counted, and their old failures cleared."""
        with self.transaction() as pipe:
            self._count(pipe, {id_: entry.pack() for id_, entry in entries.items()})
            if cleared:
                self._failures.clear(cleared, pipe)

    def delete(self, ids: Iterable[int]) -> None:
        """Remove items whose vectors are gone: ledger, counts and metadata."""
        gone = dict.fromkeys(ids, b"")
        with self.transaction() as pipe:
            self._count(pipe, gone)
            for id_ in gone:
                pipe.hdel(self._bucket("meta", id_), _field(id_))
                pipe.srem(self._prefix + "added", _field(id_))

    def mark_pending(self, entries: Mapping[int, Entry]) -> None:
        """Mark items as unfinished, so that the next run does them again."""
        with self.transaction() as pipe:
            self._put(pipe, "ledger", {id_: entry.as_pending(entry).pack() for id_, entry in entries.items()})

    def ledger(self) -> Iterator[tuple[int, Entry]]:
        """Every entry of the ledger, bucket by bucket."""
        for id_, data in self._scan("ledger"):
            yield id_, Entry.unpack(data)

    def metadata(self) -> Iterator[tuple[int, Record]]:
        """Every item's metadata, bucket by bucket."""
        for id_, data in self._scan("meta"):
            yield id_, Record.unpack(data)

    def page(
        self, limit: int, after: int = -1, prefix: str = "", look: int = 20_000
    ) -> tuple[list[Record], int | None]:
        """Some items with an id above ``after`` and a key with this prefix, in the order of their ids.

        Returns them, and the id to go on after; None where there are no more. It looks at about ``look`` items at most,
        so a page may hold fewer than ``limit`` though there are more.
        """
        found: list[tuple[int, Record]] = []
        seen = 0
        numbers = sorted(int(bucket.rpartition(":")[2], 16) for bucket in self._buckets("meta"))
        numbers = [number for number in numbers if number >= max(after, 0) >> (63 - _BUCKET_BITS)]
        for start in range(0, len(numbers), step := max(8, limit)):
            part = numbers[start : start + step]
            for id_, data in sorted(self._fetch([self._numbered("meta", number) for number in part])):
                if id_ <= after:
                    continue
                seen += 1
                if (record := Record.unpack(data)).key.startswith(prefix):
                    if len(found) == limit:
                        return [record for _, record in found], found[-1][0]
                    found.append((id_, record))
            if seen >= look and start + step < len(numbers):
                return [record for _, record in found], ((part[-1] + 1) << (63 - _BUCKET_BITS)) - 1
        return [record for _, record in found], None

    def mark_manual(self, ids: Sequence[int]) -> None:
        """Note that these items were added by hand."""
        self.call("sadd", self._prefix + "added", *map(_field, ids))

    def unmark_manual(self, ids: Sequence[int]) -> None:
        """Note that the source has these items."""
        if ids:
            self.call("srem", self._prefix + "added", *map(_field, ids))

    def manual_ids(self) -> set[int]:
        """The items that were added by hand."""
        return {int.from_bytes(field, "big") for field in self.call("smembers", self._prefix + "added")}

    def are_manual(self, ids: Sequence[int]) -> list[bool]:
        """Whether each of these items was added by hand."""
        fields = [*map(_field, ids)]
        return [bool(one) for one in self.call("smismember", self._prefix + "added", fields)] if fields else []

    def drop_metadata(self, ids: Sequence[int]) -> None:
        """Remove metadata that belongs to no item."""
        with self.transaction() as pipe:
            for id_ in ids:
                pipe.hdel(self._bucket("meta", id_), _field(id_))

    def fail(self, failures: Iterable[Failure]) -> None:
        """Record failures, the newest of each key."""
        self._failures.add(failures)

    def failures(self) -> Iterator[Failure]:
        """The recorded failures."""
        return iter(self._failures)

    def failure_page(self, limit: int, after: str = "") -> tuple[list[Failure], str | None, int]:
        """Some failures in the order of their keys: those after a key, the key to go on after, and how many there are.

        The key to go on after is None where there are no more.
        """
        return self._failures.page(limit, after)

    def failure_count(self) -> int:
        """How many failures are recorded."""
        return self._failures.count()

    def clear_failures(self, keys: Sequence[str]) -> None:
        """Forget these failures."""
        if keys:
            with self.transaction() as pipe:
                self._failures.clear(keys, pipe)

    def state(self) -> dict[str, Any]:
        """The solution's state; empty where nothing was ever written."""
        raw = self.call("hgetall", self._prefix + "state")
        return {key.decode(): orjson.loads(value) for key, value in raw.items()}

    def set_state(self, **values: Any) -> None:
        """Change parts of the state."""
        self.call("hset", self._prefix + "state", mapping={key: orjson.dumps(value) for key, value in values.items()})

    def drop(self) -> None:
        """Remove every key of the solution but the writer's lock."""
        with self.transaction() as pipe:
            for kind in ("ledger", "meta"):
                for bucket in self._buckets(kind):
                    pipe.unlink(bucket)
            pipe.unlink(self._prefix + "added", *self._failures.keys, self._prefix + "state")

    def _bucket(self, kind: str, id_: int) -> str:
        return self._numbered(kind, id_ >> (63 - _BUCKET_BITS))

    def _numbered(self, kind: str, number: int) -> str:
        return f"{self._prefix}{kind}:{number:x}"

    def _put(self, pipe: Any, kind: str, values: Mapping[int, bytes]) -> None:
        """Values into their hashes, in commands of about a megabyte."""
        keys: list[str] = []
        words: list[bytes] = []
        held = 0
        for id_, data in values.items():
            keys.append(self._bucket(kind, id_))
            words += (_field(id_), data)
            held += len(data)
            if len(keys) == _AT_ONCE or held > _PUT_BYTES:
                pipe.eval(_PUT, len(keys), *keys, *words)
                keys, words, held = [], [], 0
        if keys:
            pipe.eval(_PUT, len(keys), *keys, *words)

    def _count(self, pipe: Any, entries: Mapping[int, bytes]) -> None:
        buckets = [self._bucket("ledger", id_) for id_ in entries]
        arguments = [word for id_, data in entries.items() for word in (_field(id_), data)]
        pipe.eval(_COUNT, 1 + len(buckets), self._prefix + "state", *buckets, *arguments)

    def _read(self, kind: str, ids: Sequence[int]) -> list[bytes | None]:
        found: list[bytes | None] = []
        for start in range(0, len(ids), _AT_ONCE):
            part = ids[start : start + _AT_ONCE]
            keys = [self._bucket(kind, id_) for id_ in part]
            found += self.call("eval", _GET, len(keys), *keys, *map(_field, part))
        return found

    def _buckets(self, kind: str) -> list[str]:
        prefix = f"{self._prefix}{kind}:"
        try:
            return sorted({key.decode() for key in self.client.scan_iter(f"{_escaped(prefix)}*", count=5000)})
        except redis.RedisError as error:
            raise self.to_store_error(error) from error

    def _scan(self, kind: str) -> Iterator[tuple[int, bytes]]:
        buckets = self._buckets(kind)
        for start in range(0, len(buckets), 500):
            yield from self._fetch(buckets[start : start + 500])

    def _fetch(self, buckets: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        pipe = self.client.pipeline(transaction=False)
        for bucket in buckets:
            pipe.hgetall(bucket)
        for answer in self.execute(pipe):
            for field, data in answer.items():
                yield int.from_bytes(field, "big"), data


def _field(id_: int) -> bytes:
    return id_.to_bytes(8, "big")


def _escaped(pattern: str) -> str:
    return "".join(f"\\{c}" if c in "*?[]\\" else c for c in pattern)
