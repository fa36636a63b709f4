"""One ingest run: read -> skip unchanged -> decode and encode (an engine) -> write, with bounded queues between.

Reading has a thread, and writing one, or two for a Milvus server; decoding and encoding are the engine's, threads of
this process or workers of a Ray cluster. The slowest stage sets the pace, and memory stays flat. A run may end at any
moment, even by ``kill -9``: the next one continues from there.
"""

from __future__ import annotations

import queue
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from vicinal.config.models import Block, FieldSpec, IngestConfig
from vicinal.errors import ItemError, ItemExistsError
from vicinal.ingest.batch import Batch
from vicinal.ingest.changes import SeenIds, detect_changes
from vicinal.ingest.counter import RunCounter
from vicinal.ingest.encode_stage import EncodeStage
from vicinal.ingest.engine import Engine
from vicinal.ingest.local_engine import LocalEngine
from vicinal.ingest.ray_engine import RayEngine
from vicinal.ingest.ray_worker import EncoderRecipe
from vicinal.ingest.reader import SourceReader
from vicinal.ingest.worker_group import SENTINEL, WorkerGroup
from vicinal.ingest.writer import BatchWriter
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.params import Params
from vicinal.plugin.source import Source
from vicinal.stores.milvus import VectorStore
from vicinal.stores.records import Entry
from vicinal.stores.redis import MetadataStore
from vicinal.stores.writer_lock import WriterLock
from vicinal.toolkit.malloc import retain_freed_memory
from vicinal.toolkit.text import shorten
from vicinal.types import IngestReport, Item, Metric

if TYPE_CHECKING:
    from vicinal.plugin.observers import Observers

__all__ = ["IngestRun"]

_SERVER_WRITERS = 2
"""While a Milvus server takes one batch, another is packed or noted in the ledger; no item is in two batches."""


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
    block: Block | None = None
    """What the encoder was built from, of which an engine that is elsewhere builds it anew."""
    plugin_settings: Mapping[str, Params] = field(default_factory=dict)
    is_complete: bool = field(init=False, default=False)
    """Whether the whole source was read."""
    hidden_behind: str = field(init=False, default="")
    """The key of something that the source could not read and that may hold many items, which were not seen then."""
    seen: SeenIds = field(init=False, default_factory=SeenIds)
    """The ids of all items that the source yielded, readable or not."""
    _stage: EncodeStage = field(init=False)
    _workers: WorkerGroup = field(init=False, default_factory=WorkerGroup)
    _counter: RunCounter = field(init=False)
    _writer: BatchWriter = field(init=False)

    def __post_init__(self) -> None:
        self._stage = EncodeStage(self.encoder, self.fields, self.metric, self.encoder_lock)
        self._counter = RunCounter(self.metadata, self.observers, self.config.max_failures, self._workers)
        self._writer = BatchWriter(self.vectors, self.metadata, self.lock, self._counter, self._workers)

    @property
    def report(self) -> IngestReport:
        """What the run has done so far."""
        return self._counter.report

    @property
    def skipped_entries(self) -> dict[int, Entry]:
        """What is indexed of items that the encoder now leaves out, by their ids."""
        return self._counter.skipped_entries

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
        with self._create_engine() as engine, self._workers.handle_ctrl_c():
            reader = self._workers.start("vicinal-read", lambda: self._read_source(engine), engine.tasks)
            writers = [
                self._workers.start("vicinal-write", lambda: self._write_all(engine.encoded))
                for _ in range(1 if self.vectors.embedded else _SERVER_WRITERS)
            ]
            try:
                for batch in engine.iter_batches():
                    self._workers.put(engine.encoded, batch)
            except BaseException as error:
                self._workers.fail(error)
            finally:
                for _ in writers:
                    engine.encoded.put(SENTINEL)
                for writer in writers:
                    writer.join()
                engine.drain_tasks()
                reader.join()
        if self._workers.error is not None:
            raise self._workers.error
        if self.is_complete and not self.hidden_behind:
            self._counter.clear_old_failures()
        if not self.interrupted:
            self._counter.require_budget()
        return self.report

    def _create_engine(self) -> Engine[Any, Any]:
        if self.config.engine == "local" or self.block is None:
            return LocalEngine(self._stage, self.config, self._counter, self._workers)
        recipe = EncoderRecipe.describe(self.encoder, self.block, self.metadata.name, self.plugin_settings)
        keeps_texts = self.vectors.schema.hybrid
        return RayEngine(recipe, self._stage, self.config, self._counter, self._workers, keeps_texts=keeps_texts)

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

    def _read_source(self, engine: Engine[Any, Any]) -> None:
        lookup = partial(self._workers.call_with_retry, self.metadata.ledger_entries)
        reader = SourceReader(
            self.source, lookup, engine.submit, self.seen, self._counter, self._workers, force=self.force
        )
        reader.read(self.limit, self.only)
        self.is_complete, self.hidden_behind = reader.is_complete, reader.hidden_behind

    def _write_all(self, encoded: queue.Queue[Future[Batch] | None]) -> None:
        while (future := encoded.get()) is not SENTINEL:
            try:
                batch = future.result()
                if batch.items and self._workers.error is None:
                    self._writer.write_batch(batch)
            except BaseException as error:
                self._workers.fail(error)
