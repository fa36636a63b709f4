"""Metadata, ledger, failures, state and writer lock of one solution, in Redis.

    vicinal:{name}:meta:{bucket}     hash: item id -> the item's key, uri, content and metadata, see ``Record``
    vicinal:{name}:ledger:{bucket}   hash: item id -> what is indexed of the item, see ``Entry``
    vicinal:{name}:added             set: ids of items that were added by hand, not by the source
    vicinal:{name}:failures, failed  items that could not be indexed, see ``stores.failures``
    vicinal:{name}:fit               what an encoder that learns has learnt, see ``stores.fitted_state``
    vicinal:{name}:state             hash: physical collection, encoder, index, counts
    vicinal:{name}:writer            the process that writes now; expires unless renewed

Items are spread over 65,536 buckets by the upper 16 bits of their ids, so that the hashes stay small and packed: a
million items cost little more than their own bytes. Commit order of a batch: ``begin`` (metadata and pending entries)
-> vectors -> ``commit`` (ledger). The ledger therefore never lists less than Milvus holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson
import redis

from vicinal.stores.failures import Failures
from vicinal.stores.fitted_state import FittedState
from vicinal.stores.records import Entry, Record
from vicinal.stores.redis_connection import RedisConnection
from vicinal.types import Failure

__all__ = ["MetadataStore"]

_BUCKET_BITS = 16

# Writes entries to the ledger, or deletes them where the new one is empty, and changes the counts by the difference to
# the previous entries. It is idempotent, so a call whose response was lost may be sent again.
_COMMIT_SCRIPT = """
local function counted(entry)
  local segments = struct.unpack('>I4', entry, 21)
  return segments % 2147483648, math.floor(segments / 2147483648)
end
local items, rows, truncated = 0, 0, 0
for i = 2, #KEYS do
  local field, new = ARGV[2 * i - 3], ARGV[2 * i - 2]
  local old = redis.call('hget', KEYS[i], field)
  local had, had_truncated, has, has_truncated = 0, 0, 0, 0
  if old then had, had_truncated = counted(old) end
  if new == '' then
    redis.call('hdel', KEYS[i], field)
  else
    has, has_truncated = counted(new)
    redis.call('hset', KEYS[i], field, new)
  end
  rows = rows + has - had
  truncated = truncated + has_truncated - had_truncated
  items = items + (has > 0 and 1 or 0) - (had > 0 and 1 or 0)
end
redis.call('hincrby', KEYS[1], 'items', items)
redis.call('hincrby', KEYS[1], 'rows', rows)
redis.call('hincrby', KEYS[1], 'truncated', truncated)
"""


# One script call for many hashes costs the client a third of a pipeline of commands.
_GET_SCRIPT = """
local found = {}
for i = 1, #KEYS do found[i] = redis.call('hget', KEYS[i], ARGV[i]) end
return found
"""
_PUT_SCRIPT = "for i = 1, #KEYS do redis.call('hset', KEYS[i], ARGV[2 * i - 1], ARGV[2 * i]) end"
_MAX_COMMAND_KEYS = 500
_MAX_COMMAND_BYTES = 1024 * 1024


class MetadataStore(RedisConnection):
    """The Redis side of one solution. ``location`` is a folder (an embedded Redis) or a URL."""

    def __init__(self, name: str, location: str, timeout: float = 5.0) -> None:
        super().__init__(location, timeout)
        self.name = name
        self._prefix = f"vicinal:{name}:"
        self._failures = Failures(self, self._prefix)
        self.fitted_state = FittedState(self, self._prefix)

    def ledger_entries(self, ids: Sequence[int]) -> list[Entry | None]:
        """Fetch the ledger entries of these items, in few round trips; None for an item without one."""
        return [Entry.unpack(data) if data else None for data in self._read_values("ledger", ids)]

    def records(self, ids: Sequence[int]) -> list[Record | None]:
        """Fetch the records of these items, in few round trips; None for an item without one."""
        return [Record.unpack(data) if data else None for data in self._read_values("meta", ids)]

    def begin(self, records: Mapping[int, Record], entries: Mapping[int, Entry]) -> None:
        """Write the records and the pending entries of items whose vectors are written next."""
        with self.transaction() as pipe:
            self._queue_puts(pipe, "meta", {id_: record.pack() for id_, record in records.items()})
            self._queue_puts(pipe, "ledger", {id_: entry.pack() for id_, entry in entries.items()})

    def commit(self, entries: Mapping[int, Entry], cleared: Sequence[str] = ()) -> None:
        """Mark items as indexed once their vectors are written, count them, and clear old failures."""
        with self.transaction() as pipe:
            self._queue_commit(pipe, {id_: entry.pack() for id_, entry in entries.items()})
            if cleared:
                self._failures.clear(cleared, pipe)

    def delete(self, ids: Iterable[int]) -> None:
        """Delete items whose vectors are deleted already, from ledger, counts and metadata."""
        deleted = dict.fromkeys(ids, b"")
        with self.transaction() as pipe:
            self._queue_commit(pipe, deleted)
            for id_ in deleted:
                pipe.hdel(self._key_of("meta", id_), _encode_id(id_))
                pipe.srem(self._prefix + "added", _encode_id(id_))

    def mark_pending(self, entries: Mapping[int, Entry]) -> None:
        """Mark items as pending, so that the next run indexes them again."""
        with self.transaction() as pipe:
            self._queue_puts(pipe, "ledger", {id_: entry.as_pending(entry).pack() for id_, entry in entries.items()})

    def iter_ledger(self) -> Iterator[tuple[int, Entry]]:
        """Yield every id and ledger entry, bucket by bucket."""
        for id_, data in self._iter_values("ledger"):
            yield id_, Entry.unpack(data)

    def iter_records(self) -> Iterator[tuple[int, Record]]:
        """Yield every id and record, bucket by bucket."""
        for id_, data in self._iter_values("meta"):
            yield id_, Record.unpack(data)

    def page(
        self, limit: int, after: int = -1, prefix: str = "", look: int = 20_000
    ) -> tuple[list[Record], int | None]:
        """Fetch a page of records whose id is above ``after`` and whose key has this prefix, in the order of their ids.

        It reads about ``look`` items at most, so that a page may hold fewer than ``limit`` though there are more.

        Returns:
            The records, and the id after which the next page starts; None when this is the last page.
        """
        page: list[tuple[int, Record]] = []
        count = 0
        numbers = sorted(int(bucket.rpartition(":")[2], 16) for bucket in self._find_buckets("meta"))
        numbers = [number for number in numbers if number >= max(after, 0) >> (63 - _BUCKET_BITS)]
        for start in range(0, len(numbers), step := max(8, limit)):
            part = numbers[start : start + step]
            for id_, data in sorted(self._read_buckets([self._bucket_key("meta", number) for number in part])):
                if id_ <= after:
                    continue
                count += 1
                if (record := Record.unpack(data)).key.startswith(prefix):
                    if len(page) == limit:
                        return [record for _, record in page], page[-1][0]
                    page.append((id_, record))
            if count >= look and start + step < len(numbers):
                return [record for _, record in page], ((part[-1] + 1) << (63 - _BUCKET_BITS)) - 1
        return [record for _, record in page], None

    def mark_manual(self, ids: Sequence[int]) -> None:
        """Record that these items were added by hand."""
        self.call("sadd", self._prefix + "added", *map(_encode_id, ids))

    def unmark_manual(self, ids: Sequence[int]) -> None:
        """Record that the source yields these items."""
        if ids:
            self.call("srem", self._prefix + "added", *map(_encode_id, ids))

    def manual_ids(self) -> set[int]:
        """Return the ids of the items that were added by hand."""
        return {int.from_bytes(field, "big") for field in self.call("smembers", self._prefix + "added")}

    def are_manual(self, ids: Sequence[int]) -> list[bool]:
        """Tell for each of these items whether it was added by hand."""
        members = [*map(_encode_id, ids)]
        return [bool(one) for one in self.call("smismember", self._prefix + "added", members)] if members else []

    def drop_metadata(self, ids: Sequence[int]) -> None:
        """Delete records that belong to no item."""
        with self.transaction() as pipe:
            for id_ in ids:
                pipe.hdel(self._key_of("meta", id_), _encode_id(id_))

    def fail(self, failures: Iterable[Failure]) -> None:
        """Record failures, the newest of each key."""
        self._failures.add(failures)

    def failures(self) -> Iterator[Failure]:
        """Yield the recorded failures, in no order."""
        return iter(self._failures)

    def failure_page(self, limit: int, after: str = "") -> tuple[list[Failure], str | None, int]:
        """Fetch a page of failures in the order of their keys; see ``Failures.page``."""
        return self._failures.page(limit, after)

    def failure_count(self) -> int:
        """Return the number of recorded failures."""
        return self._failures.count()

    def clear_failures(self, keys: Sequence[str]) -> None:
        """Delete these failures."""
        if keys:
            with self.transaction() as pipe:
                self._failures.clear(keys, pipe)

    def state(self) -> dict[str, Any]:
        """Return the solution's state; empty when nothing was ever written."""
        raw = self.call("hgetall", self._prefix + "state")
        return {key.decode(): orjson.loads(value) for key, value in raw.items()}

    def set_state(self, **values: Any) -> None:
        """Set these values of the state, and leave the others."""
        self.call("hset", self._prefix + "state", mapping={key: orjson.dumps(value) for key, value in values.items()})

    def drop(self) -> None:
        """Delete every key of the solution except the writer lock."""
        with self.transaction() as pipe:
            for kind in ("ledger", "meta"):
                for bucket in self._find_buckets(kind):
                    pipe.unlink(bucket)
            pipe.unlink(self._prefix + "added", *self._failures.keys, *self.fitted_state.keys, self._prefix + "state")

    def _key_of(self, kind: str, id_: int) -> str:
        return self._bucket_key(kind, id_ >> (63 - _BUCKET_BITS))

    def _bucket_key(self, kind: str, number: int) -> str:
        return f"{self._prefix}{kind}:{number:x}"

    def _queue_puts(self, pipe: Any, kind: str, values: Mapping[int, bytes]) -> None:
        """Queue values for their buckets, in commands of about a megabyte."""
        keys: list[str] = []
        words: list[bytes] = []
        held = 0
        for id_, data in values.items():
            keys.append(self._key_of(kind, id_))
            words += (_encode_id(id_), data)
            held += len(data)
            if len(keys) == _MAX_COMMAND_KEYS or held > _MAX_COMMAND_BYTES:
                pipe.eval(_PUT_SCRIPT, len(keys), *keys, *words)
                keys, words, held = [], [], 0
        if keys:
            pipe.eval(_PUT_SCRIPT, len(keys), *keys, *words)

    def _queue_commit(self, pipe: Any, entries: Mapping[int, bytes]) -> None:
        buckets = [self._key_of("ledger", id_) for id_ in entries]
        arguments = [word for id_, data in entries.items() for word in (_encode_id(id_), data)]
        pipe.eval(_COMMIT_SCRIPT, 1 + len(buckets), self._prefix + "state", *buckets, *arguments)

    def _read_values(self, kind: str, ids: Sequence[int]) -> list[bytes | None]:
        found: list[bytes | None] = []
        for start in range(0, len(ids), _MAX_COMMAND_KEYS):
            part = ids[start : start + _MAX_COMMAND_KEYS]
            keys = [self._key_of(kind, id_) for id_ in part]
            found += self.call("eval", _GET_SCRIPT, len(keys), *keys, *map(_encode_id, part))
        return found

    def _find_buckets(self, kind: str) -> list[str]:
        prefix = f"{self._prefix}{kind}:"
        try:
            return sorted({key.decode() for key in self.client.scan_iter(f"{_escape_glob(prefix)}*", count=5000)})
        except redis.RedisError as error:
            raise self.to_store_error(error) from error

    def _iter_values(self, kind: str) -> Iterator[tuple[int, bytes]]:
        buckets = self._find_buckets(kind)
        for start in range(0, len(buckets), 500):
            yield from self._read_buckets(buckets[start : start + 500])

    def _read_buckets(self, buckets: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        pipe = self.client.pipeline(transaction=False)
        for bucket in buckets:
            pipe.hgetall(bucket)
        for answer in self.execute(pipe):
            for field, data in answer.items():
                yield int.from_bytes(field, "big"), data


def _encode_id(id_: int) -> bytes:
    return id_.to_bytes(8, "big")


def _escape_glob(pattern: str) -> str:
    return "".join(f"\\{c}" if c in "*?[]\\" else c for c in pattern)
