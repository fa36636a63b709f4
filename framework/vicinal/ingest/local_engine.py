"""Decodes and encodes on this machine: a pool of threads decodes, one thread encodes, or two.

Two encode where the encoder's ``encode_is_thread_safe``, so that no core waits for the last part of a batch.
"""

from __future__ import annotations

import contextvars
import os
import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from vicinal.config.models import IngestConfig
from vicinal.ingest.batch import Batch, DecodedItem
from vicinal.ingest.changes import Change
from vicinal.ingest.counter import RunCounter
from vicinal.ingest.encode_stage import EncodeStage
from vicinal.ingest.engine import Engine
from vicinal.ingest.worker_group import WorkerGroup, adopt_context
from vicinal.toolkit.slices import iter_slices
from vicinal.toolkit.torch_runtime import low_priority

__all__ = ["LocalEngine"]

_MAX_SEGMENTED_AHEAD = 16


class LocalEngine(Engine[Future[list[DecodedItem]], DecodedItem]):
    """Threads of this process."""

    def __init__(self, stage: EncodeStage, config: IngestConfig, counter: RunCounter, workers: WorkerGroup) -> None:
        super().__init__(stage, config, counter, workers)
        encoder = stage.encoder
        # One segmented item (a video) per task: each takes seconds and yields many segments.
        self._task_size = 1 if encoder.segmented else encoder.decode_batch_size
        self.tasks = queue.Queue(self._max_decoded_ahead())
        threads = os.cpu_count() or 2 if config.workers == "auto" else config.workers
        context = (contextvars.copy_context(),)
        self._decoders = ThreadPoolExecutor(threads, "vicinal-decode", adopt_context, context)
        self._encoders = ThreadPoolExecutor(
            2 if encoder.encode_is_thread_safe else 1, "vicinal-encode", adopt_context, context
        )

    def _max_decoded_ahead(self) -> int:
        """How many decode tasks may be submitted and not yet be part of a batch."""
        if self._stage.encoder.segmented:
            return _MAX_SEGMENTED_AHEAD
        return max(4, 2 * self.batch_size // self._stage.encoder.decode_batch_size)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._decoders.shutdown()
        self._encoders.shutdown()

    def submit(self, changes: Sequence[Change]) -> None:
        for part in iter_slices(changes, self._task_size):
            task = self._decoders.submit(self._decode_changes, part)
            self._workers.put(self.tasks, task)

    def iter_batches(self) -> Iterator[Future[Batch]]:
        for items in self._collect_batches():
            yield self._encoders.submit(self._encode_items, items)

    def _drop_task(self, task: Future[list[DecodedItem]]) -> None:
        task.cancel()

    def _elements_of(self, task: Future[list[DecodedItem]]) -> Sequence[DecodedItem]:
        return task.result()

    def _count_samples(self, element: DecodedItem) -> int:
        return len(element.segments)

    def _decode_changes(self, changes: Sequence[Change]) -> list[DecodedItem]:
        with self._counter.time_stage("decode", len(changes)):
            items, failures, skipped = self._stage.decode_changes(changes)
        self._record_failures(failures, skipped)
        return items

    def _encode_items(self, items: list[DecodedItem]) -> Batch:
        if self._workers.stopped:
            return Batch()
        with self._counter.time_stage("encode", len(items)), low_priority(lambda: self._workers.error is not None):
            encoded, failures = self._stage.encode_batch(Batch(items))
        self._record_failures(failures)
        return encoded
