"""One ingest run: read -> skip unchanged -> decode (pool) -> encode -> write, with bounded queues between.

Reading and writing have a thread each, decoding a pool, encoding one thread, or two where the encoder's
``encode_is_thread_safe``, so that no core waits for the last part of a batch. The slowest stage sets the pace, and
memory stays flat. A run may end at any moment, even by ``kill -9``: the next one continues from there.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from vicinal.config.models import FieldSpec, IngestConfig
from vicinal.errors import ItemError, ItemExistsError
from vicinal.ingest.batch import Batch, DecodedItem
from vicinal.ingest.changes import Change, SeenIds, detect_changes
from vicinal.ingest.counter import RunCounter
from vicinal.ingest.encode_stage import MAX_CONSECUTIVE_ERRORS, EncodeStage
from vicinal.ingest.reader import SourceReader
from vicinal.ingest.worker_group import SENTINEL, WorkerGroup
from vicinal.ingest.writer import BatchWriter
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.source import Source
from vicinal.stores.milvus import VectorStore
from vicinal.stores.records import Entry
from vicinal.stores.redis import MetadataStore
from vicinal.stores.writer_lock import WriterLock
from vicinal.toolkit.malloc import retain_freed_memory
from vicinal.toolkit.text import shorten
from vicinal.toolkit.torch_runtime import low_priority
from vicinal.types import IngestReport, Item, Metric

if TYPE_CHECKING:
    from vicinal.plugin.observers import Observers

__all__ = ["IngestRun"]

_MAX_IDLE_SECONDS = 1.0
_MAX_SEGMENTED_AHEAD = 16

_DecodeQueue = queue.Queue[Future[list[DecodedItem]] | None]
_EncodeQueue = queue.Queue[Future[Batch] | None]


@dataclass(slots=True)
class IngestRun:
    """One run of one solution. ``run`` returns its report, or raises with everything done so far committed."""

    source: Source
    encoder: Encoder
    vectors: VectorStore
    metadata: MetadataStore
    config: IngestConfig
    fields: dict[str, FieldSpec]
    metric: Metric
    observers: Observers
    limit: int | None = None
    only: Collection[str] | None = None
    force: bool = False
    """Whether unchanged items are indexed again."""
    lock: WriterLock | None = None
    encoder_lock: AbstractContextManager[Any] = field(default_factory=nullcontext)
    """Held during ``encode``: a lock, unless several threads may call it at once."""
    is_complete: bool = field(init=False, default=False)
    """Whether the whole source was read."""
    hidden_behind: str = field(init=False, default="")
    """The key of something that the source could not read and that may hold many items, which were not seen then."""
    skipped_entries: dict[int, Entry] = field(init=False, default_factory=dict)
    """What is indexed of items that the encoder now leaves out, by their ids."""
    seen: SeenIds = field(init=False, default_factory=SeenIds)
    """The ids of all items that the source yielded, readable or not."""
    _stage: EncodeStage = field(init=False)
    _workers: WorkerGroup = field(init=False, default_factory=WorkerGroup)
    _counter: RunCounter = field(init=False)
    _writer: BatchWriter = field(init=False)
    _reader_done: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._stage = EncodeStage(self.encoder, self.fields, self.metric, self.encoder_lock)
        self._counter = RunCounter(self.metadata, self.observers, self.config.max_failures, self._workers)
        self._writer = BatchWriter(self.vectors, self.metadata, self.lock, self._counter, self._workers)

    @property
    def report(self) -> IngestReport:
        """What the run has done so far."""
        return self._counter.report

    @property
    def interrupted(self) -> bool:
        """Whether ``interrupt`` or Ctrl-C ended the run."""
        return self._workers.interrupted

    def interrupt(self) -> None:
        """End the run after the current batch, as Ctrl-C does."""
        self._workers.interrupt()

    def run(self) -> IngestReport:
        """Read, decode, encode and write everything that changed."""
        retain_freed_memory()
        self._counter.load_old_failures()
        self._stage.has_succeeded = bool(self.metadata.state().get("items"))
        batch_size = self.config.batch_size or self.encoder.encode_batch_size
        decoded: _DecodeQueue = queue.Queue(self._max_decoded_ahead(batch_size))
        encoded: _EncodeQueue = queue.Queue(1)
        decode_threads = os.cpu_count() or 2 if self.config.workers == "auto" else self.config.workers
        encoders = ThreadPoolExecutor(2 if self.encoder.encode_is_thread_safe else 1, "vicinal-encode")
        with encoders, ThreadPoolExecutor(decode_threads, "vicinal-decode") as decoders, self._workers.handle_ctrl_c():
            reader = self._workers.start("vicinal-read", lambda: self._read_source(decoders, decoded), decoded)
            writer = self._workers.start("vicinal-write", lambda: self._write_all(encoded))
            try:
                for batch in self._collect_batches(decoded, batch_size):
                    self._workers.put(encoded, encoders.submit(self._encode_batch, batch))
            except BaseException as error:
                self._workers.fail(error)
            finally:
                encoded.put(SENTINEL)
                writer.join()
                self._drain_queue(decoded)
                reader.join()
        if self._workers.error is not None:
            raise self._workers.error
        if self.is_complete and not self.hidden_behind:
            self._counter.clear_old_failures()
        if not self.interrupted:
            self._counter.require_budget()
        return self.report

    def _max_decoded_ahead(self, batch_size: int) -> int:
        """How many decode tasks may be submitted and not yet be part of a batch."""
        if self.encoder.segmented:
            return _MAX_SEGMENTED_AHEAD
        return max(4, 2 * batch_size // self.encoder.decode_batch_size)

    def write_batches(self, batches: Iterator[Batch]) -> IngestReport:
        """Write batches that are encoded already, as ``import`` reads them, without the items that are unchanged."""
        for batch in batches:
            changed = batch.select([item.change.needs_indexing for item in batch.items])
            self._counter.count_read(len(batch.items), len(batch.items) - len(changed.items))
            if changed.items:
                self._writer.write_batch(changed)
        return self.report

    def add_item(self, item: Item, *, replace: bool = True) -> Literal["new", "updated", "unchanged"]:
        """Index one item now, without retrying a store that is unreachable.

        Raises:
            ItemError: it cannot be indexed; no failure is recorded.
            ItemExistsError: another item has its key, and ``replace`` is false.
        """
        self._workers.stop()
        changes, _, failures = detect_changes([item], self.seen, self.metadata.ledger_entries)
        if failures:
            raise ItemError(failures[0].message)
        if not changes:
            return "unchanged"
        if not (replace or changes[0].is_new):
            raise ItemExistsError(f"an item has the key {shorten(item.key, 200)!r} already")
        self._writer.write_batch(self._stage.encode_change(changes[0]))
        return "new" if changes[0].is_new else "updated"

    # --- the stages

    def _read_source(self, decoders: ThreadPoolExecutor, decoded: _DecodeQueue) -> None:
        # One segmented item (a video) per task: each takes seconds and yields many segments.
        task_size = 1 if self.encoder.segmented else self.encoder.decode_batch_size

        def submit(changes: Sequence[Change]) -> None:
            for start in range(0, len(changes), task_size):
                task = decoders.submit(self._decode_changes, changes[start : start + task_size])
                self._workers.put(decoded, task)

        lookup = partial(self._workers.call_with_retry, self.metadata.ledger_entries)
        reader = SourceReader(self.source, lookup, submit, self.seen, self._counter, self._workers, force=self.force)
        reader.read(self.limit, self.only)
        self.is_complete, self.hidden_behind = reader.is_complete, reader.hidden_behind

    def _decode_changes(self, changes: Sequence[Change]) -> list[DecodedItem]:
        items, failures, skipped = self._stage.decode_changes(changes)
        self._counter.record_failures(failures)
        self._counter.count_skipped([reason for _, reason in skipped])
        self.skipped_entries |= {change.id: change.previous for change, _ in skipped if change.previous is not None}
        return items

    def _collect_batches(self, decoded: _DecodeQueue, batch_size: int) -> Iterator[Batch]:
        """Collect batches of about ``batch_size`` segments; the segments of an item stay together.

        Unless the config sets the size, the first batch has a quarter of it, so that encoding begins early. A batch
        that nothing was added to for a second is passed on as it is.
        """
        first = (
            batch_size if self.config.batch_size else min(batch_size, max(2 * MAX_CONSECUTIVE_ERRORS, batch_size // 4))
        )
        batch, size, full = Batch(), 0, first
        while True:
            try:
                future = decoded.get(timeout=_MAX_IDLE_SECONDS if batch.items else None)
            except queue.Empty:
                if self._workers.stopped:
                    return
                yield batch
                batch, size = Batch(), 0
                continue
            if future is SENTINEL:
                break
            if self._workers.stopped:
                return
            for item in future.result():
                batch.items.append(item)
                size += len(item.segments)
                if size >= full:
                    yield batch
                    batch, size, full = Batch(), 0, batch_size
        self._reader_done = True
        if batch.items and not self._workers.stopped:
            yield batch

    def _encode_batch(self, batch: Batch) -> Batch:
        if self._workers.stopped:
            return Batch()
        with low_priority(lambda: self._workers.error is not None):
            encoded, failures = self._stage.encode_batch(batch)
        self._counter.record_failures(failures)
        return encoded

    def _write_all(self, encoded: _EncodeQueue) -> None:
        while (future := encoded.get()) is not SENTINEL:
            try:
                batch = future.result()
                if batch.items and self._workers.error is None:
                    self._writer.write_batch(batch)
            except BaseException as error:
                self._workers.fail(error)

    def _drain_queue(self, decoded: _DecodeQueue) -> None:
        """Empty the queue until its sentinel, so that a reader that waits for a free place can finish."""
        while not self._reader_done and (future := decoded.get()) is not SENTINEL:
            future.cancel()
