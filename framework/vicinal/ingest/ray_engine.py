"""Decodes and encodes on the workers of a Ray cluster, and leaves everything else to the run.

Changes are sent in batches, of which each worker has two at once; their vectors come back and are written in the order
in which the items were read. Ray starts with the first change: a run that finds nothing changed starts none.
"""

from __future__ import annotations

import contextvars
import math
import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType

from vicinal.config.models import IngestConfig
from vicinal.ingest.batch import Batch, DecodedItem, join_batches
from vicinal.ingest.changes import Change
from vicinal.ingest.counter import RunCounter
from vicinal.ingest.encode_stage import EncodeStage
from vicinal.ingest.engine import Engine
from vicinal.ingest.ray_pool import BATCHES_PER_WORKER, RayWorkerPool, WorkerLostError
from vicinal.ingest.ray_session import RaySession, require_ray
from vicinal.ingest.ray_worker import EncodedChanges, EncoderRecipe, WorkerSettings, is_file
from vicinal.ingest.worker_group import WorkerGroup, adopt_context
from vicinal.types import Failure

__all__ = ["RayEngine"]

_MAX_CHUNKS_AHEAD = 2
_EXPECTED_SEGMENTS = 64
"""Of an item, as of a video, until the first are encoded and tell."""
_CHARS_PER_SAMPLE = 16_384
"""A text that is longer counts as several samples, so that a batch of texts has at most some megabytes."""
_MAX_LOSSES = 2
"""So many workers may be lost with the same batch, until it is encoded by halves."""
_MAX_LOSSES_OF_ITEM = 3
_LOST_WORKERS = "each worker that read it was lost; it may crash the encoder, or take more memory than a worker has"


class RayEngine(Engine[Sequence[Change], Change]):
    """Workers of a Ray cluster. ``keeps_texts`` says that the samples are written, too (``hybrid: true``)."""

    def __init__(
        self,
        recipe: EncoderRecipe,
        stage: EncodeStage,
        config: IngestConfig,
        counter: RunCounter,
        workers: WorkerGroup,
        *,
        keeps_texts: bool,
    ) -> None:
        require_ray()
        super().__init__(stage, config, counter, workers)
        threads = math.ceil(config.ray.num_cpus) if config.workers == "auto" else config.workers
        self._settings = WorkerSettings(recipe, stage.fields, stage.metric, self.batch_size, threads, keeps_texts)
        self._segments_per_item = _EXPECTED_SEGMENTS if stage.encoder.segmented else 1
        self.tasks = queue.Queue(_MAX_CHUNKS_AHEAD)
        self._open = ExitStack()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def submit(self, changes: Sequence[Change]) -> None:
        if changes:
            self._workers.put(self.tasks, changes)

    def iter_batches(self) -> Iterator[Future[Batch]]:
        pool = senders = None
        for changes in self._collect_batches():
            if pool is None or senders is None:
                pool, senders = self._start_workers()
            yield senders.submit(self._encode_timed, pool, changes)

    def _start_workers(self) -> tuple[RayWorkerPool, ThreadPoolExecutor]:
        """Connect, start workers, and a thread for each batch that they may have at once."""
        session = RaySession(self._config.ray)
        self._open.callback(session.close)
        pool = RayWorkerPool(session, self._config.ray, self._settings, self._workers)
        in_flight = BATCHES_PER_WORKER * pool.size
        self.encoded.maxsize = in_flight
        senders = ThreadPoolExecutor(in_flight, "vicinal-ray", adopt_context, (contextvars.copy_context(),))
        self._open.callback(senders.shutdown)
        self._open.callback(pool.close)
        return pool, senders

    def _elements_of(self, task: Sequence[Change]) -> Sequence[Change]:
        return task

    def _count_samples(self, element: Change) -> int:
        content = element.item.content
        chars = len(content) if isinstance(content, str) else 0
        return max(self._segments_per_item, chars // _CHARS_PER_SAMPLE)

    def _encode_timed(self, pool: RayWorkerPool, changes: Sequence[Change]) -> Batch:
        with self._counter.time_stage("encode", len(changes)):
            return self._encode_changes(pool, changes)

    def _encode_changes(self, pool: RayWorkerPool, changes: Sequence[Change], losses: int = 0) -> Batch:
        """Have changes encoded, with which so many workers were lost already."""
        if self._workers.stopped:
            return Batch()
        try:
            encoded = pool.encode(changes, self._stage.has_succeeded, alone=losses > 0)
        except WorkerLostError:
            return self._encode_again(pool, changes, losses + 1)
        return Batch() if encoded is None else self._make_batch(changes, encoded)

    def _encode_again(self, pool: RayWorkerPool, changes: Sequence[Change], losses: int) -> Batch:
        """Encode what a worker was lost with: by another, then by halves, so that only an item at fault is a failure.

        A batch that was lost once is sent to a worker that has no other, since that may have been at fault.
        """
        if losses < (_MAX_LOSSES if len(changes) > 1 else _MAX_LOSSES_OF_ITEM):
            return self._encode_changes(pool, changes, losses)
        if len(changes) > 1:
            middle = len(changes) // 2
            halves = (changes[:middle], changes[middle:])
            return join_batches([self._encode_changes(pool, half, losses=1) for half in halves])
        item = changes[0].item
        self._record_failures([Failure(item.key, "encode", _LOST_WORKERS, item.uri)])
        return Batch()

    def _make_batch(self, changes: Sequence[Change], encoded: EncodedChanges) -> Batch:
        self._stage.has_succeeded |= encoded.has_succeeded
        failures = _explain_missing_files(changes, encoded)
        self._record_failures(failures, [(changes[position], reason) for position, reason in encoded.skipped])
        items = [DecodedItem(changes[position], fields, segments) for position, fields, segments in encoded.items]
        if items:
            self._segments_per_item = math.ceil(len(encoded.vectors) / len(items))
        return Batch(items, encoded.vectors)


def _explain_missing_files(changes: Sequence[Change], encoded: EncodedChanges) -> list[Failure]:
    """The failures; that of a file that is there on this machine and not on the worker says so."""
    if not encoded.missing_files:
        return encoded.failures
    contents = {change.item.key: change.item.content for change in changes}
    missing = {key for key in encoded.missing_files if is_file(contents[key])}
    reason = f"the worker {encoded.host} has no such file; all workers need the files under the same paths"
    return [replace(failure, message=reason) if failure.key in missing else failure for failure in encoded.failures]
