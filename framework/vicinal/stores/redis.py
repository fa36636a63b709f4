"""Metadata, ledger, failures, state and writer lock of one solution, in Redis.

    vicinal:{name}:meta:{bucket}     hash: item id -> the item's key, uri, content and metadata, see ``Record``
    vicinal:{name}:ledger:{bucket}   hash: item id -> what is indexed of the item, see ``Entry``
    vicinal:{name}:added             set: ids of items that were added by hand, not by the source
    vicinal:{name}:failures, failed  items that could not be indexed, see ``stores.failures``
    vicinal:{name}:fit               what an encoder that learns has learnt, see ``stores.fitted_state``
    vicinal:{name}:state             hash: physical collection, encoder, index, counts, how often items were changed
    vicinal:{name}:reports           hash: the latest report of each kind, as JSON: evaluation, self_test, tuning
    vicinal:{name}:live              which generation is searched, see ``stores.live_generation``
    vicinal:{name}:written           what clients write while a generation is not live, see ``stores.write_log``
    vicinal:{name}:promotion:written the same while the solution is copied to other stores
    vicinal:{name}:writer            the process that writes now; expires unless renewed
    vicinal:{name}:reindexer         the process that reindexes now; expires unless renewed

A reindex builds another generation, whose keys are ``vicinal:{name}:g{generation}:…``. On a Redis Cluster the names of
keys have hash tags, and the counts are kept with the ledger, not with the state: see ``stores.key_names``.

Items are spread over buckets, see ``stores.buckets``. Commit order of a batch: ``begin`` (metadata and pending entries)
-> vectors -> ``commit`` (ledger). The ledger therefore never lists less than Milvus holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any

import orjson

from vicinal.stores.buckets import Buckets, encode_id
from vicinal.stores.failures import Failures
from vicinal.stores.fitted_state import FittedState
from vicinal.stores.key_names import KeyNames
from vicinal.stores.live_generation import LiveGeneration, parse_record
from vicinal.stores.records import Entry, Record
from vicinal.stores.redis_connection import RedisConnection
from vicinal.stores.write_log import WriteLog
from vicinal.types import Failure

__all__ = ["MetadataStore"]

# Writes entries to the ledger, or deletes them where the new one is empty, and changes the counts by the difference to
# the previous entries. It is idempotent, so a call whose response was lost may be sent again; `revision`, which then
# rises twice, only tells that items have changed.
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
redis.call('hincrby', KEYS[1], 'revision', 1)
"""
_COUNTS = {"items", "rows", "truncated", "revision"}


class MetadataStore(RedisConnection):
    """The Redis side of one solution. ``location`` is a folder (an embedded Redis) or a URL."""

    def __init__(self, name: str, location: str, timeout: float = 5.0) -> None:
        super().__init__(location, timeout)
        self.name = name
        self._bind_generation(LiveGeneration(KeyNames(name, is_cluster=self.is_cluster)))
        self._bind_generation(LiveGeneration(self.names.of_generation(self.read_live_generation())))

    def _bind_generation(self, live: LiveGeneration) -> None:
        self._live, self.names, self._prefix = live, live.names, live.names.prefix
        self.buckets = Buckets(self, live.names, live)
        self._failures = Failures(self, self._prefix)
        self.fitted_state = FittedState(self, self._prefix)
        self.write_log = WriteLog(self, self._prefix)
        self.promotion_log = WriteLog(self, self._prefix + "promotion:")

    # --- generations

    @property
    def generation(self) -> int:
        """The generation that is read and written."""
        return self.names.generation

    @property
    def is_live(self) -> bool:
        """Whether it is the one that is searched, not one that a reindex builds."""
        return self._live.is_required

    def read_live_generation(self) -> int:
        """The generation that is searched now."""
        return parse_record(self.call("get", self._live.key))

    def require_live(self) -> None:
        """See that this generation is live.

        Raises:
            GenerationReplacedError: it is not.
        """
        self._live.require(self.call("get", self._live.key))

    def of_generation(self, generation: int, *, is_live: bool = True) -> MetadataStore:
        """Another generation by the same connection; one that is being built is not live yet."""
        other = copy(self)
        other._bind_generation(LiveGeneration(self.names.of_generation(generation), is_required=is_live))
        return other

    def make_live(self) -> None:
        """Have everybody search this generation from now on, in one step."""
        self.call("set", self._live.key, self.generation)

    # --- items

    def ledger_entries(self, ids: Sequence[int]) -> list[Entry | None]:
        """Fetch the ledger entries of these items, in few round trips; None for an item without one."""
        return [Entry.unpack(data) if data else None for data in self.buckets.get("ledger", ids)]

    def records(self, ids: Sequence[int]) -> list[Record | None]:
        """Fetch the records of these items, in few round trips; None for an item without one.

        Raises:
            GenerationReplacedError: they are of a generation that has been replaced.
        """
        if not ids:  # that nothing was found has to be true of a generation that is live, too
            self.require_live()
        return [Record.unpack(data) if data else None for data in self.buckets.get("meta", ids)]

    def begin(self, records: Mapping[int, Record], entries: Mapping[int, Entry]) -> None:
        """Write the pending entries and the records of items whose vectors are written next.

        A cluster, which has no transaction, then has no record without an entry.
        """
        with self.transaction() as pipe:
            self.buckets.queue_puts(pipe, "ledger", {id_: entry.pack() for id_, entry in entries.items()})
            self.buckets.queue_puts(pipe, "meta", {id_: record.pack() for id_, record in records.items()})

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
                self.buckets.queue_delete(pipe, "meta", id_)
                pipe.srem(self._prefix + "added", encode_id(id_))

    def mark_pending(self, entries: Mapping[int, Entry]) -> None:
        """Mark items as pending, so that the next run indexes them again."""
        with self.transaction() as pipe:
            self.buckets.queue_puts(
                pipe, "ledger", {id_: entry.as_pending(entry).pack() for id_, entry in entries.items()}
            )

    def iter_ledger(self) -> Iterator[dict[int, Entry]]:
        """Yield all ledger entries by id, about 2,000 at a time."""
        for _, (entries,) in self.buckets.iter_parts("ledger"):
            yield {id_: Entry.unpack(data) for id_, data in entries.items()}

    def iter_records(self) -> Iterator[dict[int, Record]]:
        """Yield all records by id, about 2,000 at a time."""
        for _, (records,) in self.buckets.iter_parts("meta"):
            yield {id_: Record.unpack(data) for id_, data in records.items()}

    def iter_ledger_and_records(self) -> Iterator[tuple[dict[int, Entry], dict[int, Record]]]:
        """Yield all ledger entries and records by id, about 2,000 at a time, both of an item in the same part."""
        for _, (entries, records) in self.buckets.iter_parts("ledger", "meta"):
            yield (
                {id_: Entry.unpack(data) for id_, data in entries.items()},
                {id_: Record.unpack(data) for id_, data in records.items()},
            )

    def list_records(
        self, limit: int, after: int = -1, prefix: str = "", max_read: int = 20_000
    ) -> tuple[list[Record], int | None]:
        """Fetch a page of records whose id is above ``after`` and whose key has this prefix, in the order of their ids.

        It reads about ``max_read`` items at most, so that a page may hold fewer than ``limit`` though there are more.

        Returns:
            The records, and the id after which the next page starts; None when this is the last page.
        """
        page: list[tuple[int, Record]] = []
        count = 0
        for next_after, (values,) in self.buckets.iter_parts("meta", after=after):
            for id_, data in sorted(values.items()):
                count += 1
                if (record := Record.unpack(data)).key.startswith(prefix):
                    if len(page) == limit:
                        return [record for _, record in page], page[-1][0]
                    page.append((id_, record))
            if count >= max_read and next_after is not None:
                return [record for _, record in page], next_after
        return [record for _, record in page], None

    def list_manual(self) -> list[int]:
        """The ids of the items that were added by hand."""
        return [int.from_bytes(member, "big") for member in self.call("smembers", self._prefix + "added")]

    def mark_manual(self, ids: Sequence[int]) -> None:
        """Record that these items were added by hand."""
        if ids:
            self.call("sadd", self._prefix + "added", *map(encode_id, ids))

    def unmark_manual(self, ids: Sequence[int]) -> None:
        """Record that the source yields these items."""
        if ids:
            self.call("srem", self._prefix + "added", *map(encode_id, ids))

    def are_manual(self, ids: Sequence[int]) -> list[bool]:
        """Return for each of these items whether it was added by hand."""
        members = [*map(encode_id, ids)]
        return [bool(one) for one in self.call("smismember", self._prefix + "added", members)] if members else []

    def drop_metadata(self, ids: Sequence[int]) -> None:
        """Delete records that belong to no item."""
        with self.transaction() as pipe:
            for id_ in ids:
                self.buckets.queue_delete(pipe, "meta", id_)

    def add_failures(self, failures: Iterable[Failure]) -> None:
        """Record failures, the newest of each key."""
        self._failures.add(failures)

    def iter_failures(self) -> Iterator[Failure]:
        """Yield the recorded failures, in no order."""
        return iter(self._failures)

    def list_failures(self, limit: int, after: str = "") -> tuple[list[Failure], str | None, int]:
        """Fetch a page of failures in the order of their keys; see ``Failures.page``."""
        return self._failures.page(limit, after)

    def count_failures(self) -> int:
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
        state = {key.decode(): orjson.loads(value) for key, value in raw.items()}
        for name, count in self._sum_counts().items():
            state[name] = state.get(name, 0) + count
        return state

    def set_state(self, **values: Any) -> None:
        """Set these values of the state, and leave the others."""
        counts = self._sum_counts() if _COUNTS & values.keys() else {}
        values = {name: value - counts.get(name, 0) if name in _COUNTS else value for name, value in values.items()}
        self.call("hset", self._prefix + "state", mapping={key: orjson.dumps(value) for key, value in values.items()})

    def _sum_counts(self) -> dict[str, int]:
        """Sum up the counts that a cluster keeps with the ledger; what the state has of them is added to these."""
        if not self.is_cluster:
            return {}
        pipe = self.pipeline()
        for key in map(self.names.counts, range(self.names.groups)):
            self.queue(pipe, key, "HGETALL", key)
        sums: Counter[str] = Counter()
        for counts in self.execute(pipe):
            sums.update({name.decode(): int(count) for name, count in counts.items()})
        return dict(sums)

    def keep_report(self, kind: str, report: bytes) -> None:
        """Keep the latest report of this kind."""
        self.call("hset", self._prefix + "reports", kind, report)

    def read_reports(self) -> dict[str, bytes]:
        """Return the latest reports by their kinds."""
        reports: dict[bytes, bytes] = self.call("hgetall", self._prefix + "reports")
        return {kind.decode(): report for kind, report in reports.items()}

    def drop(self) -> None:
        """Delete every key of the generation; with the live one the record of which is live, too."""
        with self.transaction() as pipe:
            self.buckets.queue_drop(pipe, "ledger", "meta")
            if self.is_cluster:
                for key in map(self.names.counts, range(self.names.groups)):
                    self.queue(pipe, key, "UNLINK", key)
            logs = (*self.write_log.keys, *self.promotion_log.keys)
            others = (*self._failures.keys, *self.fitted_state.keys, *logs)
            keys = [*(self._prefix + name for name in ("added", "reports", "state")), *others]
            if self._live.is_required:
                keys.append(self._live.key)
            self.queue(pipe, keys[0], "UNLINK", *keys)

    def _queue_commit(self, pipe: Any, entries: Mapping[int, bytes]) -> None:
        for group, ids in self.buckets.group(entries):
            keys = [self.names.counts(group), *(self.buckets.key_of("ledger", id_) for id_ in ids)]
            arguments = [word for id_ in ids for word in (encode_id(id_), entries[id_])]
            self.queue(pipe, keys[0], "EVAL", _COMMIT_SCRIPT, len(keys), *keys, *arguments)
