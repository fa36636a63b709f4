"""Copies items from the stores of a solution to other ones, as they are stored, in bounded memory.

A batch is written in the order of an ingest: metadata and intent, vectors, ledger. So what a killed run has left is
either in the ledger of the target, and not copied again while it is the same, or copied again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from vicinal.errors import StoreMismatchError
from vicinal.ingest.store_retry import call_with_retry
from vicinal.solution import removal
from vicinal.solution.writable import WritableSolution
from vicinal.stores.layout import to_matrix, to_vector_bytes
from vicinal.stores.records import Entry, Record
from vicinal.stores.writer_lock import WriterLock
from vicinal.toolkit.slices import iter_slices
from vicinal.types import item_id

__all__ = ["Copier"]

T = TypeVar("T")

_MAX_BATCH_ITEMS = 1_000


@dataclass(slots=True)
class _Batch:
    """Items of the source with all that is stored of them."""

    entries: dict[int, Entry] = field(default_factory=dict)
    records: dict[int, Record] = field(default_factory=dict)
    manual: dict[int, bool] = field(default_factory=dict)
    previous: dict[int, Entry | None] = field(default_factory=dict)
    """The entries that the target has."""
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def row_ids(self) -> dict[int, list[int]]:
        return {
            id_: [item_id(self.records[id_].key, number) for number in range(entry.segments)]
            for id_, entry in self.entries.items()
        }

    def select(self, ids: Sequence[int]) -> _Batch:
        return _Batch(
            {id_: self.entries[id_] for id_ in ids},
            {id_: self.records[id_] for id_ in ids},
            {id_: self.manual[id_] for id_ in ids},
            {id_: self.previous[id_] for id_ in ids},
        )


class Copier:
    """Copies from ``source`` to ``target``, both open; the writer's lock of the target is held."""

    def __init__(
        self,
        source: WritableSolution,
        target: WritableSolution,
        lock: WriterLock,
        stop: threading.Event,
        on_progress: Callable[[int, int], object],
    ) -> None:
        """``on_progress`` receives how many items were copied, and how many were there already."""
        self._source = source
        self._target = target
        self._lock = lock
        self._stop = stop
        self._on_progress = on_progress
        self.copied = 0
        self.unchanged = 0
        self.removed = 0
        self.copied_rows = 0
        self.written = 0
        """Rows that were written or deleted since the target was made searchable."""
        self.incomplete: set[int] = set()
        """Items of which rows were missing when they were read: they were just written, or are damaged."""

    def copy_all(self) -> None:
        """Copy what the target does not have, or has otherwise; the next batch is read while one is written."""
        with ThreadPoolExecutor(1, "vicinal-promote") as reader:
            batches = self._iter_batches()
            ahead: Future[_Batch | None] = reader.submit(next, batches, None)
            while (batch := ahead.result()) is not None:
                self._raise_if_stopped()
                ahead = reader.submit(next, batches, None)
                self._write_batch(batch)

    def copy_items(self, ids: Sequence[int]) -> None:
        """Copy these items, or remove them where they are gone; the writer's lock of the source is held."""
        metadata = self._source.metadata
        found = zip(ids, metadata.ledger_entries(ids), metadata.records(ids), strict=True)
        known = {id_: (entry, record) for id_, entry, record in found if entry is not None}
        entries = {id_: entry for id_, (entry, _) in known.items()}
        records = {id_: record for id_, (_, record) in known.items() if record is not None}
        self.incomplete.difference_update(ids)
        for batch in self._to_batches(entries, records):
            self._write_batch(self._read_rows(batch))
        self._remove_rows([id_ for id_ in ids if id_ not in known])

    def remove_gone(self) -> None:
        """Remove from the target what the source does not have."""
        for entries in self._target.metadata.iter_ledger():
            self._raise_if_stopped()
            ids = list(entries)
            found = self._source.metadata.ledger_entries(ids)
            self._remove_rows([id_ for id_, entry in zip(ids, found, strict=True) if entry is None])

    def require_complete(self) -> None:
        """See that all rows were there of all items; the writer's lock of the source is held.

        Raises:
            StoreMismatchError: they were not.
        """
        again = sorted(self.incomplete)
        for part in iter_slices(again, _MAX_BATCH_ITEMS):
            self.copy_items(part)
        if self.incomplete:
            records = self._source.metadata.records(sorted(self.incomplete)[:5])
            keys = ", ".join(record.key for record in records if record)
            raise StoreMismatchError(
                f"{len(self.incomplete):,} items lack vectors or metadata here{': ' if keys else ''}{keys}",
                hint="`vicinal check FILE --repair`, then `vicinal ingest FILE`; then promote again, which continues",
            )

    def _iter_batches(self) -> Iterator[_Batch]:
        for entries, records in self._source.metadata.iter_ledger_and_records():
            self._raise_if_stopped()
            for batch in self._to_batches(entries, records):
                yield self._read_rows(batch)

    def _to_batches(self, entries: Mapping[int, Entry], records: Mapping[int, Record]) -> Iterator[_Batch]:
        """Batches of what differs, without rows."""
        lacking = [id_ for id_ in entries if id_ not in records]
        self.incomplete.update(lacking)
        part = _Batch({id_: entry for id_, entry in entries.items() if id_ in records}, dict(records))
        changed = self._find_changed(part)
        self._count_unchanged(len(part.entries) - len(changed))
        max_rows = self._source.vectors.rows_per_message
        batch: list[int] = []
        rows = 0
        for id_ in changed:
            segments = part.entries[id_].segments
            if batch and (rows + segments > max_rows or len(batch) == _MAX_BATCH_ITEMS):
                yield part.select(batch)
                batch, rows = [], 0
            batch.append(id_)
            rows += segments
        if batch:
            yield part.select(batch)

    def _find_changed(self, part: _Batch) -> list[int]:
        """The ids of items that the target does not have, or otherwise; reads what it has of them."""
        ids = list(part.entries)
        part.manual = dict(zip(ids, self._source.metadata.are_manual(ids), strict=True))
        target = self._target.metadata
        part.previous = dict(zip(ids, self._call_store(target.ledger_entries, ids), strict=True))
        known = [id_ for id_ in ids if part.previous[id_] == part.entries[id_]]
        records = dict(zip(known, self._call_store(target.records, known), strict=True)) if known else {}
        manual = dict(zip(known, self._call_store(target.are_manual, known), strict=True))
        same = {id_ for id_ in known if records[id_] == part.records[id_] and manual[id_] == part.manual[id_]}
        return [id_ for id_ in ids if id_ not in same or not part.entries[id_].is_committed]

    def _read_rows(self, batch: _Batch) -> _Batch:
        """The batch with its rows, without items of which some are missing."""
        row_ids = batch.row_ids
        rows = self._call_store(self._source.vectors.fetch_whole_rows, [one for ids in row_ids.values() for one in ids])
        found = {row["id"] for row in rows}
        lacking = {id_ for id_, ids in row_ids.items() if batch.entries[id_].is_committed and not found.issuperset(ids)}
        self.incomplete.update(lacking)
        complete = batch.select([id_ for id_ in batch.entries if id_ not in lacking])
        unwanted = {one for id_ in lacking for one in row_ids[id_]}
        complete.rows = [row for row in rows if row["id"] not in unwanted]
        return complete

    def _write_batch(self, batch: _Batch) -> None:
        if not batch.entries:
            return
        self._lock.check()
        vectors, metadata = self._target.vectors, self._target.metadata
        pending = {id_: entry.as_pending(batch.previous[id_]) for id_, entry in batch.entries.items()}
        manual = [id_ for id_, is_manual in batch.manual.items() if is_manual]
        self._call_store(metadata.begin, batch.records, pending)
        self._call_store(metadata.mark_manual, manual)
        self._call_store(metadata.unmark_manual, [id_ for id_ in batch.manual if not batch.manual[id_]])
        if batch.rows:
            self._call_store(vectors.upsert_rows, self._to_target_rows(batch.rows))
        self._call_store(vectors.delete_rows, self._list_stale(batch))
        self._call_store(metadata.commit, batch.entries)
        self.copied += len(batch.entries)
        self.copied_rows += len(batch.rows)
        self.written += len(batch.rows)
        self._on_progress(len(batch.entries), 0)

    def _to_target_rows(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rows as the target's engine stores them: an engine without binary vectors has sparse ones in their place."""
        space = self._source.encoder.space
        matrix = to_matrix([to_vector_bytes(row["vector"], space) for row in rows], space)
        columns = self._target.vectors.vector_columns(matrix)
        others = [name for name in self._target.vectors.stored_columns if name not in ("vector", "ones")]
        return [{**{name: row[name] for name in others}, **next(columns)} for row in rows]

    def _list_stale(self, batch: _Batch) -> list[int]:
        """Rows of segments that the target had, or may have had, and that the source does not have."""
        found = {row["id"] for row in batch.rows}
        return [
            row_id
            for id_, entry in batch.entries.items()
            if (previous := batch.previous[id_]) is not None
            for number in range(max(entry.segments, previous.segments))
            if (row_id := item_id(batch.records[id_].key, number)) not in found
        ]

    def _remove_rows(self, ids: Sequence[int]) -> None:
        found = zip(ids, self._target.metadata.ledger_entries(ids), strict=True)
        if gone := {id_: entry for id_, entry in found if entry is not None}:
            self._lock.check()
            removal.remove_items(self._target.vectors, self._target.metadata, gone)
            self.removed += len(gone)
            self.written += len(gone)

    def _count_unchanged(self, count: int) -> None:
        self.unchanged += count
        if count:
            self._on_progress(0, count)

    def _raise_if_stopped(self) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt

    def _call_store(self, call: Callable[..., T], *args: Any) -> T:
        """Call a store; one that is unreachable is called again for a while."""
        result: T = call_with_retry(self._stop, call, *args)
        return result
