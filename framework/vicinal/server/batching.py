"""Dynamic batching: queries that arrive together are encoded in one batch and searched in one call of Milvus.

Two batches are in flight: one is searched while the next is encoded. Closed-loop clients resubmit right after their
response, so the next batch waits up to ``max_batch_delay_ms`` for as many queries as there were when the last one
ended. A lone query never waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial

from vicinal.errors import VicinalError
from vicinal.server.api_errors import ApiError, to_api_error
from vicinal.server.settings import Settings
from vicinal.types import SearchRequest, SearchResult

__all__ = ["MAX_BATCHES_IN_FLIGHT", "QueryBatcher"]

Result = SearchResult | Exception
_Submission = tuple[Sequence[SearchRequest], "asyncio.Future[list[Result]]"]

MAX_BATCHES_IN_FLIGHT = 2
"""One is encoded while the other is searched."""


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
    ) -> None:
        """
        Args:
            search: receives a batch and a callback that it calls once the batch is encoded; returns a result for each
                query.
            executor: runs ``search``.
            record_size: receives the size of each batch.
        """
        self._search = search
        self._executor = executor
        self._settings = settings
        self._record_size = record_size
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

    async def submit(self, requests: Sequence[SearchRequest]) -> list[Result]:
        """Queue these queries and return their results, an exception in the place of each that failed.

        Raises:
            ApiError: 503, the queue is full.
        """
        if self._queued + len(requests) > self._settings.max_queued_queries:
            raise ApiError(503, f"{self._queued} queries are queued already", hint="retry in a moment")
        results: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        self._queue.append((requests, results))
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
        requests = [request for submitted, _ in batch for request in submitted]
        self._in_flight += len(requests)
        try:
            results = await loop.run_in_executor(
                self._executor, self._search, requests, partial(loop.call_soon_threadsafe, encoded.set)
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

    def _pop_batch(self) -> list[_Submission]:
        batch = [self._queue.popleft()]
        size = len(batch[0][0])
        while self._queue and size + len(self._queue[0][0]) <= self._settings.max_batch:
            batch.append(self._queue.popleft())
            size += len(batch[-1][0])
        self._queued -= size
        return batch


def _deliver_results(batch: Sequence[_Submission], results: Sequence[Result]) -> None:
    start = 0
    for requests, future in batch:
        if not future.done():  # the client may have disconnected
            future.set_result(list(results[start : start + len(requests)]))
        start += len(requests)
