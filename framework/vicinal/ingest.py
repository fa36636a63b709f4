"""The way in: source -> skip what the ledger knows -> decode in a pool -> encode -> write, with bounded queues between.

Encoding runs on the caller's thread, reading and writing each on one of their own, decoding on a pool. The slowest
stage sets the pace and memory stays flat. Whatever the moment at which a run ends, the next one goes on from there.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from tenacity import (
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_delay,
    stop_any,
    stop_when_event_set,
    wait_exponential,
)

from vicinal.changes import Change, SeenIds, compare, field_values
from vicinal.config.models import FieldSpec, IngestConfig
from vicinal.encoder import Encoder
from vicinal.errors import BadItem, PluginError, SourceError, StoreUnreachable, TooManyFailures
from vicinal.model import Failure, IngestReport, Item, Segment, item_id
from vicinal.source import Source
from vicinal.stores.lock import WriterLock
from vicinal.stores.milvus import VectorStore
from vicinal.stores.redis import MetadataStore

if TYPE_CHECKING:
    from pluggy import HookRelay

__all__ = ["Ingest"]

_READ_BATCH = 1_000
_READ_BYTES = 4 * 1024 * 1024
_SEGMENTED_AHEAD = 16
_RETRY_SECONDS = 30
_SUSPICIOUS = 16
_END = None


@dataclass(slots=True)
class Decoded:
    """An item between decoding and writing."""

    change: Change
    fields: dict[str, Any]
    segments: Sequence[Segment]


@dataclass(slots=True)
class Batch:
    """Decoded items and the vectors of their segments, one after another."""

    items: list[Decoded] = field(default_factory=list)
    vectors: Any = None

    def only(self, keep: Sequence[bool]) -> Batch:
        """The items for which ``keep`` says so, with their vectors."""
        rows = np.repeat(np.asarray(keep, bool), [len(item.segments) for item in self.items])
        return Batch([item for item, kept in zip(self.items, keep, strict=True) if kept], self.vectors[rows])


@dataclass(slots=True)
class Ingest:
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
    encoding: threading.Lock = field(default_factory=threading.Lock)
    """Held while the encoder works, which is called by one thread at a time."""
    report: IngestReport = field(init=False)
    interrupted: bool = field(init=False, default=False)
    complete: bool = field(init=False, default=False)
    seen: SeenIds = field(init=False, default_factory=SeenIds)
    _error: BaseException | None = field(init=False, default=None)
    _stop: threading.Event = field(init=False, default_factory=threading.Event)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)
    _stale: set[str] = field(init=False, default_factory=set)
    _read_out: bool = field(init=False, default=False)
    _proven: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.report = IngestReport(self.metadata.name)

    def run(self) -> IngestReport:
        """Read, decode, encode and write everything that changed."""
        self._stale = {failure.key for failure in self.metadata.failures()}
        self._proven = bool(self.metadata.state().get("items"))
        window = self.config.batch or self.encoder.window
        ahead = _SEGMENTED_AHEAD if self.encoder.segmented else max(4, 2 * window // self.encoder.together)
        decoded: queue.Queue[Future[list[Decoded]] | None] = queue.Queue(ahead)
        encoded: queue.Queue[Batch | None] = queue.Queue(2)
        workers = os.cpu_count() or 2 if self.config.workers == "auto" else self.config.workers
        with ThreadPoolExecutor(workers, "vicinal-decode") as pool, self._interruptible():
            reader = self._thread("vicinal-read", lambda: self._read(pool, decoded), decoded)
            writer = self._thread("vicinal-write", lambda: self._write_all(encoded), None)
            try:
                for batch in self._batches(decoded, window):
                    self._put(encoded, self._encode(batch))
            except BaseException as error:
                self._fail(error)
            finally:
                encoded.put(_END)
                writer.join()
                self._drain(decoded)
                reader.join()
        if self._error is not None:
            raise self._error
        if self.complete:
            self.metadata.clear_failures(sorted(self._stale))
        if not self.interrupted:
            self._check_budget(final=True)
        return self.report

    def write(self, batches: Iterator[Batch]) -> IngestReport:
        """Write batches that are encoded already, as ``import`` reads them, without what the ledger knows."""
        for batch in batches:
            changed = batch.only([item.change.is_needed for item in batch.items])
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
            BadItem: it cannot be indexed; nothing is recorded.
        """
        self._stop.set()
        changes, _, failures = compare([item], self.seen, self.metadata.lookup)
        if failures:
            raise BadItem(failures[0].message)
        if not changes:
            return "unchanged"
        fields, segments = field_values(item, self.fields), self._segments([item])[0]
        if isinstance(segments, BadItem):
            raise segments
        batch = Batch([Decoded(changes[0], fields, segments)])
        batch.vectors = self._vectors(batch.items)
        if flaw := _flaw(batch.vectors):
            raise BadItem(flaw)
        self._write(batch)
        return "new" if changes[0].is_new else "updated"

    def interrupt(self) -> None:
        """End the run after the batch in hand, as Ctrl-C does."""
        self.interrupted = True
        self._stop.set()

    # --- reading

    def _read(self, pool: ThreadPoolExecutor, decoded: queue.Queue[Any]) -> None:
        items: list[Item] = []
        failures: list[Failure] = []
        held = 0
        for count, thing in enumerate(self._things()):
            if self._stop.is_set() or count == self.limit:
                break
            if isinstance(thing, Failure):
                failures.append(thing)
            else:
                items.append(thing)
                held += len(thing.content) if isinstance(thing.content, str) else 0
            if len(items) + len(failures) >= _READ_BATCH or held > _READ_BYTES:
                self._pass_on(items, failures, pool, decoded)
                items, failures, held = [], [], 0
        else:
            self.complete = self.limit is None
        if not self._stop.is_set():
            self._pass_on(items, failures, pool, decoded)
        self.complete = self.complete and not self._stop.is_set()

    def _things(self) -> Iterator[Item | Failure]:
        for thing in self.source:
            if self.only is None or thing.key in self.only:
                yield thing

    def _pass_on(
        self, items: list[Item], failures: list[Failure], pool: ThreadPoolExecutor, decoded: queue.Queue[Any]
    ) -> None:
        if failures:
            self.seen.add([item_id(failure.key) for failure in failures])
        changes, unchanged, more = compare(items, self.seen, partial(self._patiently, self.metadata.lookup))
        with self._lock:
            self.report.seen += len(items) + len(failures)
            self.report.unchanged += unchanged
        self._record(failures + more)
        if unchanged:
            self.hook.batch_written(solution=self.metadata.name, new=0, updated=0, unchanged=unchanged)
        task = 1 if self.encoder.segmented else self.encoder.together  # a film takes seconds, and its segments are many
        for start in range(0, len(changes), task):
            self._put(decoded, pool.submit(self._decode, changes[start : start + task]))

    def _decode(self, changes: Sequence[Change]) -> list[Decoded]:
        sound, failures = [], []
        for change in changes:
            try:
                sound.append((change, field_values(change.item, self.fields)))
            except BadItem as error:
                failures.append(Failure(change.item.key, "fields", str(error), change.item.uri))
        done = []
        for (change, fields), segments in zip(sound, self._segments([change.item for change, _ in sound]), strict=True):
            if isinstance(segments, BadItem):
                failures.append(Failure(change.item.key, "decode", str(segments), change.item.uri))
            else:
                done.append(Decoded(change, fields, segments))
        self._record(failures)
        return done

    def _segments(self, items: Sequence[Item]) -> list[Sequence[Segment] | BadItem]:
        try:
            return self.encoder.decode_many(items)
        except Exception:  # so that one item cannot spoil the others, whatever it did to a reader of many
            return Encoder.decode_many(self.encoder, items)

    # --- encoding

    def _batches(self, decoded: queue.Queue[Any], window: int) -> Iterator[Batch]:
        """Batches of about ``window`` segments; the first has a quarter, so that encoding need not wait for long.

        Where the config says how large a batch is, all are.
        """
        first = window if self.config.batch else min(window, max(2 * _SUSPICIOUS, window // 4))
        batch, size, full = Batch(), 0, first
        while (future := decoded.get()) is not _END:
            if self._stop.is_set():
                return
            for item in future.result():
                batch.items.append(item)
                size += len(item.segments)
                if size >= full:
                    yield batch
                    batch, size, full = Batch(), 0, window
        self._read_out = True
        if batch.items and not self._stop.is_set():
            yield batch

    def _encode(self, batch: Batch) -> Batch:
        """Encode a batch; if that fails, item by item, so that those that spoil it are failures and the others kept."""
        try:
            batch.vectors = self._vectors(batch.items)
            if not _flaw(batch.vectors):
                self._proven = True
                return batch
        except PluginError as error:
            raise self._noted(error) from None
        except Exception:
            pass
        return self._encode_singly(batch)

    def _noted(self, error: Exception) -> Exception:
        error.add_note(f"raised by {type(self.encoder).__module__}.{type(self.encoder).__name__}.encode")
        return error

    def _vectors(self, items: Sequence[Decoded]) -> Any:
        samples = [segment.sample for item in items for segment in item.segments]
        with self.encoding:
            vectors = np.ascontiguousarray(self.encoder.encode(samples))
        space = self.encoder.space
        shape = (len(samples), space.dimension if space.kind == "float" else space.dimension // 8)
        kind = np.float32 if space.kind == "float" else np.uint8
        if vectors.shape != shape or vectors.dtype != kind:
            raise PluginError(
                f"encoder {type(self.encoder).__name__} returned {vectors.dtype} of shape {vectors.shape},"
                f" not {np.dtype(kind)} of shape {shape}"
            )
        return vectors

    def _encode_singly(self, batch: Batch) -> Batch:
        good, vectors, failures, defects = [], [], [], []
        for item in batch.items:
            try:
                vector = self._vectors([item])
                if flaw := _flaw(vector):
                    raise BadItem(flaw)
                good.append(item)
                vectors.append(vector)
            except BadItem as error:
                failures.append(Failure(item.change.item.key, "encode", str(error), item.change.item.uri))
            except Exception as error:
                defects.append(error)
                reason = f"{type(error).__name__}: {error}"
                failures.append(Failure(item.change.item.key, "encode", reason, item.change.item.uri))
        # An encoder that never worked, or fails at many items in a row, is what is wrong, and not the items.
        if len(defects) == len(batch.items) and (not self._proven or len(defects) > _SUSPICIOUS):
            raise self._noted(defects[-1])
        self._record(failures)
        return Batch(good, np.concatenate(vectors) if vectors else None)

    # --- writing

    def _write_all(self, encoded: queue.Queue[Batch | None]) -> None:
        while (batch := encoded.get()) is not _END:
            if batch.items and self._error is None:
                try:
                    self._write(batch)
                except BaseException as error:
                    self._fail(error)

    def _patiently(self, call: Callable[..., Any], *args: Any) -> Any:
        """Call a store, and call it again for a while if it has gone away, unless the run is being stopped."""
        retrying = Retrying(
            retry=retry_if_exception_type(StoreUnreachable),
            wait=wait_exponential(0.2, max=3),
            stop=stop_any(stop_after_delay(_RETRY_SECONDS), stop_when_event_set(self._stop)),
            sleep=sleep_using_event(self._stop),
            reraise=True,
        )
        return retrying(call, *args)

    def _write(self, batch: Batch) -> None:
        """Metadata and intent, then vectors, then the ledger; each step can be repeated."""
        if self.lock is not None:
            self.lock.check()
        entries = {item.change.id: item.change.entry(len(item.segments)) for item in batch.items}
        begun = {item.change.id: entries[item.change.id].begun(item.change.before) for item in batch.items}
        self._patiently(self.metadata.begin, {item.change.id: item.change.record() for item in batch.items}, begun)
        self._patiently(self.vectors.upsert, self._rows(batch))
        self._patiently(self.vectors.delete, _surplus(batch.items))
        new = sum(item.change.is_new for item in batch.items)
        keys = [item.change.item.key for item in batch.items]
        self._patiently(self.metadata.commit, entries, [key for key in keys if key in self._stale])
        with self._lock:
            self.report.new += new
            self.report.updated += len(batch.items) - new
        self.hook.batch_written(solution=self.metadata.name, new=new, updated=len(batch.items) - new, unchanged=0)

    def _rows(self, batch: Batch) -> list[dict[str, Any]]:
        rows = []
        columns = self.vectors.vector_columns(batch.vectors)
        schema = self.vectors.schema
        for item in batch.items:
            key = item.change.item.key
            for number, segment in enumerate(item.segments):
                row = {"id": item_id(key, number), "item": key, "segment": number, **item.fields, **next(columns)}
                if schema.segmented:
                    row |= {"start": segment.start or 0.0, "end": segment.end or segment.start or 0.0}
                if schema.hybrid:
                    row["text"] = str(segment.sample).encode()[:60_000].decode(errors="ignore")
                rows.append(row)
        return rows

    # --- failures and the end of a run

    def _record(self, failures: list[Failure]) -> None:
        if not failures:
            return
        self._patiently(self.metadata.fail, failures)
        with self._lock:
            self.report.failed += len(failures)
            self._stale.difference_update(failure.key for failure in failures)
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
            error = TooManyFailures(
                f"{self.report.failed} of {self.report.seen} items failed, more than ingest.max_failures: {budget}",
                hint="`vicinal failures` lists them with their reasons; what was indexed before is kept",
            )
            if final:
                raise error
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._error = self._error or error
        self._stop.set()

    def _thread(self, name: str, work: Callable[[], None], ended: queue.Queue[Any] | None) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                self._fail(_named(error))
            finally:
                if ended is not None:
                    self._put(ended, _END, always=True)

        thread = threading.Thread(target=run, name=name)
        thread.start()
        return thread

    def _put(self, into: queue.Queue[Any], thing: Any, *, always: bool = False) -> None:
        """Wait for a place in a queue, but not for ever once the run has been stopped."""
        while True:
            try:
                into.put(thing, timeout=0.2)
                return
            except queue.Full:
                if self._stop.is_set() and not always:
                    return

    def _drain(self, decoded: queue.Queue[Any]) -> None:
        """Let a reader that waits for a place come to its end."""
        while not self._read_out and (future := decoded.get()) is not _END:
            future.cancel()

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """The first Ctrl-C ends the run after the batch in hand; a second one ends it at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def interrupt(*_: object) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupt()

        before = signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _surplus(items: Sequence[Decoded]) -> list[int]:
    """The rows of segments that an item had, or may have had, and has no more."""
    return [
        item_id(item.change.item.key, number)
        for item in items
        if item.change.before is not None
        for number in range(len(item.segments), item.change.before.segments)
    ]


def _flaw(vectors: np.ndarray[Any, Any]) -> str:
    """Why some of these vectors cannot be compared with others; empty where all can."""
    if vectors.dtype == np.float32:
        return "" if np.isfinite(vectors).all() else "its vector is not finite"
    return "" if vectors.any(axis=1).all() else "its fingerprint has no bit set"


def _named(error: BaseException) -> BaseException:
    """What a file system says while a source reads is the source's error, not a defect."""
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        wrapped = SourceError(f"the source cannot be read: {error}")
        wrapped.__cause__ = error
        return wrapped
    return error
