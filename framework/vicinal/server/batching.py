"""Dynamic batching: queries that arrive together are encoded in one batch and searched in one call of Milvus.

Two batches are in flight: one is searched while the next is encoded. Closed-loop clients resubmit right after their
response, so the next batch waits up to ``max_batch_delay_ms`` for as many queries as there were when the last one
ended. A lone query never waits.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from vicinal.errors import VicinalError
from vicinal.server.api_errors import ApiError, to_api_error
from vicinal.server.settings import Settings
from vicinal.types import SearchRequest, SearchResult

__all__ = ["MAX_BATCHES_IN_FLIGHT", "QueryBatcher"]

Result = SearchResult | Exception

MAX_BATCHES_IN_FLIGHT = 2
"""One is encoded while the other is searched."""


@dataclass(slots=True)
class _Submission:
    """The queries of one request, and where their results go."""

    requests: Sequence[SearchRequest]
    results: asyncio.Future[list[Result]]
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    """That of the request, to which its trace belongs."""


class QueryBatcher:
    """Batches the queries of one solution and runs them on ``MAX_BATCHES_IN_FLIGHT`` threads.

    It lives on one event loop, so it needs no lock.
    """

    def __init__(
        self,
        search: Callable[[Sequence[SearchRequest], Callable[[], object]], list[Result]],
        executor: Executor,
        settings: Settings,
        record_size: Callable[[int], None],
        report: Callable[[Sequence[Result]], None] = lambda _: None,
    ) -> None:
        """
        Args:
            search: receives a batch and a callback that it calls once the batch is encoded; returns a result for each
                query.
            executor: runs ``search``.
            record_size: receives the size of each batch.
            report: receives the results of each submission, in the context of the request and on the thread that
                searched, before the request does.
        """
        self._search = search
        self._executor = executor
        self._settings = settings
        self._record_size = record_size
        self._report = report
        self._queue: deque[_Submission] = deque()
        self._queued = 0
        self._in_flight = 0
        self._last_load = 0  # queries that were queued or in flight when the last batch ended
        self._last_end = 0.0
        self._target_size = 0
        self._target_reached = asyncio.Event()
        self._slots = asyncio.Semaphore(MAX_BATCHES_IN_FLIGHT)
        self._scheduler: asyncio.Task[None] | None = None
        self._batches: set[asyncio.Task[None]] = set()

    @property
    def queued(self) -> int:
        """The number of queries that wait for a batch."""
        return self._queued

    async def submit(self, requests: Sequence[SearchRequest]) -> list[Result]:
        """Queue these queries and return their results, an exception in the place of each that failed.

        Raises:
            ApiError: 503, the queue is full.
        """
        if self._queued + len(requests) > self._settings.max_queued_queries:
            raise ApiError(503, f"{self._queued} queries are queued already", hint="retry in a moment")
        results: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        self._queue.append(_Submission(requests, results))
        self._queued += len(requests)
        if self._queued >= self._target_size:
            self._target_reached.set()
        if self._scheduler is None or self._scheduler.done():
            self._scheduler = asyncio.create_task(self._schedule_batches())
        return await results

    async def _schedule_batches(self) -> None:
        """Start a batch whenever a slot is free and the previous batch is encoded."""
        while self._queue:
            await self._slots.acquire()
            await self._wait_for_more()
            encoded = asyncio.Event()
            task = asyncio.create_task(self._run_batch(self._pop_batch(), encoded))
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)
            await encoded.wait()

    async def _wait_for_more(self) -> None:
        """Wait for as many queries as there were when the last batch ended, up to ``max_batch_delay_ms`` after that."""
        self._target_size = min(self._last_load - self._in_flight, self._settings.max_batch)
        if self._queued < self._target_size:
            self._target_reached.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._last_end + self._settings.max_batch_delay_ms / 1000):
                    await self._target_reached.wait()
        self._target_size = 0

    async def _run_batch(self, batch: Sequence[_Submission], encoded: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        requests = [request for submission in batch for request in submission.requests]
        self._in_flight += len(requests)
        try:
            results = await loop.run_in_executor(
                self._executor,
                self._search_and_report,
                batch,
                requests,
                partial(loop.call_soon_threadsafe, encoded.set),
            )
        except Exception as error:
            is_expected = isinstance(error, VicinalError)
            results = [error if is_expected else to_api_error(error)] * len(requests)  # logged once for all of them
        encoded.set()
        self._last_load, self._last_end = self._in_flight + self._queued, loop.time()
        self._in_flight -= len(requests)
        self._record_size(len(requests))
        self._slots.release()
        _deliver_results(batch, results)

    def _search_and_report(
        self, batch: Sequence[_Submission], requests: Sequence[SearchRequest], on_encoded: Callable[[], object]
    ) -> list[Result]:
        results = self._search(requests, on_encoded)
        for submission, own in _split_results(batch, results):
            submission.context.run(self._report, own)
        return results

    def _pop_batch(self) -> list[_Submission]:
        batch = [self._queue.popleft()]
        size = len(batch[0].requests)
        while self._queue and size + len(self._queue[0].requests) <= self._settings.max_batch:
            batch.append(self._queue.popleft())
            size += len(batch[-1].requests)
        self._queued -= size
        return batch


def _deliver_results(batch: Sequence[_Submission], results: Sequence[Result]) -> None:
    for submission, own in _split_results(batch, results):
        if not submission.results.done():  # the client may have disconnected
            submission.results.set_result(own)


def _split_results(
    batch: Sequence[_Submission], results: Sequence[Result]
) -> Iterator[tuple[_Submission, list[Result]]]:
    """Each submission with the results of its own queries."""
    start = 0
    for submission in batch:
        end = start + len(submission.requests)
        yield submission, list(results[start:end])
        start = end
