"""The way in: source -> skip what the ledger knows -> decode in a pool -> encode -> write, with bounded queues between.

Reading and writing run each on a thread of their own, decoding on a pool, and encoding on one thread, or on two where
``encode_is_thread_safe``: no core then waits for the last part of a batch. The slowest stage sets the pace and memory
stays flat. Whatever the moment at which a run ends, the next one goes on from there.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from vicinal.config.models import FieldSpec, IngestConfig
from vicinal.errors import ItemError, TooManyFailuresError
from vicinal.ingest.batch import Batch, DecodedItem
from vicinal.ingest.changes import Change, SeenIds, detect_changes
from vicinal.ingest.encode_stage import MAX_CONSECUTIVE_ERRORS, EncodeStage
from vicinal.ingest.worker_group import SENTINEL, WorkerGroup
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.source import Source
from vicinal.stores.lock import WriterLock
from vicinal.stores.milvus import VectorStore
from vicinal.stores.redis import MetadataStore
from vicinal.toolkit.malloc import retain_freed_memory
from vicinal.toolkit.torch_runtime import low_priority
from vicinal.types import Failure, IngestReport, Item, item_id

if TYPE_CHECKING:
    from pluggy import HookRelay

__all__ = ["IngestRun"]

_READ_FIRST, _READ_BATCH = 64, 1_000
_READ_SECONDS = 0.2
_IDLE_SECONDS = 1.0
_READ_BYTES = 4 * 1024 * 1024
_SEGMENTED_AHEAD = 16


@dataclass(slots=True)
class IngestRun:
    """One run of one solution. ``run`` returns its report, or raises with everything done so far committed."""

    source: Source
    encoder: Encoder
    vectors: VectorStore
    metadata: MetadataStore
    config: IngestConfig
    fields: dict[str, FieldSpec]
    hook: HookRelay
    limit: int | None = None
    only: Collection[str] | None = None
    lock: WriterLock | None = None
    encoder_lock: AbstractContextManager[Any] = field(default_factory=nullcontext)
    """Held while the encoder works: a lock, unless it may be called by several threads at once."""
    report: IngestReport = field(init=False)
    complete: bool = field(init=False, default=False)
    seen: SeenIds = field(init=False, default_factory=SeenIds)
    _stage: EncodeStage = field(init=False)
    _workers: WorkerGroup = field(init=False, default_factory=WorkerGroup)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)
    _old_failures: set[str] = field(init=False, default_factory=set)
    _reader_done: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.report = IngestReport(self.metadata.name)
        self._stage = EncodeStage(self.encoder, self.fields, self.encoder_lock)

    @property
    def interrupted(self) -> bool:
        """Whether ``interrupt`` or Ctrl-C ended the run."""
        return self._workers.interrupted

    def run(self) -> IngestReport:
        """Read, decode, encode and write everything that changed."""
        retain_freed_memory()
        self._old_failures = {failure.key for failure in self.metadata.failures()}
        self._stage.has_succeeded = bool(self.metadata.state().get("items"))
        window = self.config.batch_size or self.encoder.encode_batch_size
        ahead = _SEGMENTED_AHEAD if self.encoder.segmented else max(4, 2 * window // self.encoder.decode_batch_size)
        decoded: queue.Queue[Future[list[DecodedItem]] | None] = queue.Queue(ahead)
        encoded: queue.Queue[Future[Batch] | None] = queue.Queue(1)
        workers = os.cpu_count() or 2 if self.config.workers == "auto" else self.config.workers
        encoders = ThreadPoolExecutor(2 if self.encoder.encode_is_thread_safe else 1, "vicinal-encode")
        with encoders, ThreadPoolExecutor(workers, "vicinal-decode") as pool, self._workers.interruptible():
            reader = self._workers.start("vicinal-read", lambda: self._read(pool, decoded), decoded)
            writer = self._workers.start("vicinal-write", lambda: self._write_all(encoded))
            try:
                for batch in self._batches(decoded, window):
                    self._workers.put(encoded, encoders.submit(self._encode, batch))
            except BaseException as error:
                self._workers.fail(error)
            finally:
                encoded.put(SENTINEL)
                writer.join()
                self._drain(decoded)
                reader.join()
        if self._workers.error is not None:
            raise self._workers.error
        if self.complete:
            self.metadata.clear_failures(sorted(self._old_failures))
        if not self.interrupted:
            self._check_budget(final=True)
        return self.report

    def write(self, batches: Iterator[Batch]) -> IngestReport:
        """Write batches that are encoded already, as ``import`` reads them, without what the ledger knows."""
        for batch in batches:
            changed = batch.select([item.change.needs_indexing for item in batch.items])
            unchanged = len(batch.items) - len(changed.items)
            self.report.seen += len(batch.items)
            self.report.unchanged += unchanged
            if unchanged:
                self.hook.batch_written(solution=self.metadata.name, new=0, updated=0, unchanged=unchanged)
            if changed.items:
                self._write(changed)
        return self.report

    def add(self, item: Item) -> Literal["new", "updated", "unchanged"]:
        """Index one item here and now; a store that goes away is not waited for.

        Raises:
            ItemError: it cannot be indexed; nothing is recorded.
        """
        self._workers.stop()
        changes, _, failures = detect_changes([item], self.seen, self.metadata.ledger_entries)
        if failures:
            raise ItemError(failures[0].message)
        if not changes:
            return "unchanged"
        self._write(self._stage.single(changes[0]))
        return "new" if changes[0].is_new else "updated"

    def interrupt(self) -> None:
        """End the run after the batch in hand, as Ctrl-C does."""
        self._workers.interrupt()

    # --- reading

    def _read(self, pool: ThreadPoolExecutor, decoded: queue.Queue[Any]) -> None:
        """Pass on what the source gives, in ever larger batches, so that decoding begins at once; or what there is.

        A source may give an item in a millisecond or in a minute, and what it gave is not to wait for the next ones.
        """
        items: list[Item] = []
        failures: list[Failure] = []
        held, full, since = 0, _READ_FIRST, time.monotonic()
        for count, thing in enumerate(self._selected_items()):
            if self._workers.stopped or count == self.limit:
                break
            if isinstance(thing, Failure):
                failures.append(thing)
            else:
                items.append(thing)
                held += len(thing.content) if isinstance(thing.content, str) else 0
            slow = time.monotonic() - since > _READ_SECONDS
            if slow or len(items) + len(failures) >= full or held > _READ_BYTES:
                self._submit(items, failures, pool, decoded)
                items, failures, held = [], [], 0
                full, since = min(2 * full, _READ_BATCH), time.monotonic()
        else:
            self.complete = self.limit is None
        if not self._workers.stopped:
            self._submit(items, failures, pool, decoded)
        self.complete = self.complete and not self._workers.stopped

    def _selected_items(self) -> Iterator[Item | Failure]:
        for thing in self.source:
            if self.only is None or thing.key in self.only:
                yield thing

    def _submit(
        self, items: list[Item], failures: list[Failure], pool: ThreadPoolExecutor, decoded: queue.Queue[Any]
    ) -> None:
        if failures:
            self.seen.add([item_id(failure.key) for failure in failures])
        changes, unchanged, more = detect_changes(
            items, self.seen, partial(self._workers.call_with_retry, self.metadata.ledger_entries)
        )
        with self._lock:
            self.report.seen += len(items) + len(failures)
            self.report.unchanged += unchanged
        self._record(failures + more)
        if unchanged:
            self.hook.batch_written(solution=self.metadata.name, new=0, updated=0, unchanged=unchanged)
        task = (
            1 if self.encoder.segmented else self.encoder.decode_batch_size
        )  # a film takes seconds, and its segments are many
        for start in range(0, len(changes), task):
            self._workers.put(decoded, pool.submit(self._decode, changes[start : start + task]))

    def _decode(self, changes: Sequence[Change]) -> list[DecodedItem]:
        done, failures = self._stage.decode(changes)
        self._record(failures)
        return done

    # --- encoding

    def _batches(self, decoded: queue.Queue[Any], window: int) -> Iterator[Batch]:
        """Batches of about ``window`` segments; the first has a quarter, so that encoding need not wait for long.

        Where the config says how large a batch is, all are. What there is goes on where nothing comes for a second.
        """
        first = window if self.config.batch_size else min(window, max(2 * MAX_CONSECUTIVE_ERRORS, window // 4))
        batch, size, full = Batch(), 0, first
        while True:
            try:
                future = decoded.get(timeout=_IDLE_SECONDS if batch.items else None)
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
                    batch, size, full = Batch(), 0, window
        self._reader_done = True
        if batch.items and not self._workers.stopped:
            yield batch

    def _encode(self, batch: Batch) -> Batch:
        if self._workers.stopped:
            return Batch()
        with low_priority(lambda: self._workers.error is not None):
            sound, failures = self._stage.encode(batch)
        self._record(failures)
        return sound

    # --- writing

    def _write_all(self, encoded: queue.Queue[Future[Batch] | None]) -> None:
        while (future := encoded.get()) is not SENTINEL:
            try:
                batch = future.result()
                if batch.items and self._workers.error is None:
                    self._write(batch)
            except BaseException as error:
                self._workers.fail(error)

    def _write(self, batch: Batch) -> None:
        """Metadata and intent, then vectors, then the ledger; each step can be repeated."""
        if self.lock is not None:
            self.lock.check()
        entries = {item.change.id: item.change.entry(len(item.segments)) for item in batch.items}
        begun = {item.change.id: entries[item.change.id].as_pending(item.change.previous) for item in batch.items}
        self._workers.call_with_retry(
            self.metadata.begin, {item.change.id: item.change.record() for item in batch.items}, begun
        )
        self._workers.call_with_retry(self.vectors.upsert, batch.rows(self.vectors))
        self._workers.call_with_retry(self.vectors.delete, batch.stale_row_ids())
        new = sum(item.change.is_new for item in batch.items)
        keys = [item.change.item.key for item in batch.items]
        self._workers.call_with_retry(self.metadata.commit, entries, [key for key in keys if key in self._old_failures])
        with self._lock:
            self.report.new += new
            self.report.updated += len(batch.items) - new
        self.hook.batch_written(solution=self.metadata.name, new=new, updated=len(batch.items) - new, unchanged=0)

    # --- failures and the end of a run

    def _record(self, failures: list[Failure]) -> None:
        if not failures:
            return
        self._workers.call_with_retry(self.metadata.fail, failures)
        with self._lock:
            self.report.failed += len(failures)
            self._old_failures.difference_update(failure.key for failure in failures)
        self.hook.item_failed(solution=self.metadata.name, failures=failures)
        self._check_budget()

    def _check_budget(self, *, final: bool = False) -> None:
        budget = self.config.max_failures
        if budget is None:
            return
        if isinstance(budget, str):
            if not final and self.report.seen < 1_000:
                return  # a share of few items says little
            spent = self.report.failed > float(budget.rstrip("%")) / 100 * self.report.seen
        else:
            spent = self.report.failed > budget
        if spent:
            error = TooManyFailuresError(
                f"{self.report.failed} of {self.report.seen} items failed, more than ingest.max_failures: {budget}",
                hint="`vicinal failures` lists them with their reasons; what was indexed before is kept",
            )
            if final:
                raise error
            self._workers.fail(error)

    def _drain(self, decoded: queue.Queue[Any]) -> None:
        """Let a reader that waits for a place come to its end."""
        while not self._reader_done and (future := decoded.get()) is not SENTINEL:
            future.cancel()
