"""What the engines of a run share: they take changes in the order in which they were read, and return encoded batches.

An engine decodes and encodes, on this machine or elsewhere. Reading, writing and counting are the run's, so that a
crash, Ctrl-C and failures are the same on every engine.
"""

from __future__ import annotations

import queue
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Generic, Self, TypeVar

from vicinal.config.models import IngestConfig
from vicinal.ingest.batch import Batch
from vicinal.ingest.changes import Change
from vicinal.ingest.counter import RunCounter
from vicinal.ingest.encode_stage import MAX_CONSECUTIVE_ERRORS, EncodeStage
from vicinal.ingest.worker_group import SENTINEL, WorkerGroup
from vicinal.types import Failure

__all__ = ["Engine"]

Task = TypeVar("Task")
Element = TypeVar("Element")

_MAX_IDLE_SECONDS = 1.0


class Engine(ABC, Generic[Task, Element]):
    """Decodes and encodes the changes of one run.

    Tasks are what ``submit`` puts into a queue; each yields elements, of which batches are made. The engine is open
    while it is used as a context manager.
    """

    def __init__(self, stage: EncodeStage, config: IngestConfig, counter: RunCounter, workers: WorkerGroup) -> None:
        self.batch_size = config.batch_size or stage.encoder.encode_batch_size
        self.tasks: queue.Queue[Task | None] = queue.Queue()
        """What was submitted, and ``SENTINEL`` after the last."""
        self.encoded: queue.Queue[Future[Batch] | None] = queue.Queue(1)
        """Batches for the writer, in the order in which their items were read."""
        self._stage = stage
        self._config = config
        self._counter = counter
        self._workers = workers
        self._has_read_all = False

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    @abstractmethod
    def submit(self, changes: Sequence[Change]) -> None:
        """Take changes, waiting while enough of them is in flight; called by the thread that reads the source."""

    @abstractmethod
    def iter_batches(self) -> Iterator[Future[Batch]]:
        """The batches of what is submitted, each being encoded; empty ones where the run ends early."""

    def drain_tasks(self) -> None:
        """Empty the queue until its sentinel, so that a reader that waits for a free place can finish."""
        while not self._has_read_all and (task := self.tasks.get()) is not SENTINEL:
            self._drop_task(task)

    def _drop_task(self, task: Task) -> None:
        """A task is not wanted any more."""

    @abstractmethod
    def _elements_of(self, task: Task) -> Sequence[Element]:
        """Return what a task yields, waiting for it."""

    @abstractmethod
    def _count_samples(self, element: Element) -> int:
        """Return how much of a batch an element takes."""

    def _collect_batches(self) -> Iterator[list[Element]]:
        """Collect batches of about ``batch_size`` samples; those of an element stay together.

        Unless the config sets the size, the first batch has a quarter of it, so that encoding begins early. A batch
        that nothing was added to for a second is passed on as it is.
        """
        full = self._first_batch_size()
        batch: list[Element] = []
        size = 0
        while True:
            try:
                task = self.tasks.get(timeout=_MAX_IDLE_SECONDS if batch else None)
            except queue.Empty:
                if self._workers.stopped:
                    return
                yield batch
                batch, size = [], 0
                continue
            if task is SENTINEL:
                break
            if self._workers.stopped:
                return
            for element in self._elements_of(task):
                batch.append(element)
                size += self._count_samples(element)
                if size >= full:
                    yield batch
                    batch, size, full = [], 0, self.batch_size
        self._has_read_all = True
        if batch and not self._workers.stopped:
            yield batch

    def _first_batch_size(self) -> int:
        if self._config.batch_size:
            return self.batch_size
        return min(self.batch_size, max(2 * MAX_CONSECUTIVE_ERRORS, self.batch_size // 4))

    def _record_failures(self, failures: list[Failure], skipped: Sequence[tuple[Change, str]] = ()) -> None:
        self._counter.record_failures(failures)
        self._counter.record_skipped(skipped)
