"""Queries that come at the same time are answered together: one encode, one call of Milvus.

While a batch is searched for, the next one is encoded, and the one after that gathers. When a batch is done its askers
ask again, one by one; so the next one waits a few milliseconds for as many as there were. A query that comes alone goes
through at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial

from vicinal.server.api_errors import ApiError
from vicinal.server.settings import Settings
from vicinal.types import SearchRequest, SearchResult

__all__ = ["QueryBatcher"]

Answer = SearchResult | Exception
_Waiting = tuple[Sequence[SearchRequest], "asyncio.Future[list[Answer]]"]

AT_ONCE = 2
"""Batches in hand: one is encoded, another one searched for."""


class QueryBatcher:
    """Gathers the queries of one solution, and has them answered by ``AT_ONCE`` threads.

    ``answer`` is given the queries of a batch and what to call once they are encoded. ``observe`` is told the size of
    each batch. Used on one event loop alone, it needs no lock.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[SearchRequest], Callable[[], object]], list[Answer]],
        threads: Executor,
        settings: Settings,
        observe: Callable[[int], None],
    ) -> None:
        self._answer = answer
        self._threads = threads
        self._settings = settings
        self._observe = observe
        self._waiting: deque[_Waiting] = deque()
        self._count = 0  # of queries that wait
        self._in_hand = 0  # of queries that are being answered
        self._crowd = 0  # of both, when last a batch was done
        self._ended = 0.0
        self._wanted = 0
        self._enough = asyncio.Event()
        self._hands = asyncio.Semaphore(AT_ONCE)
        self._task: asyncio.Task[None] | None = None
        self._batches: set[asyncio.Task[None]] = set()

    async def ask(self, asks: Sequence[SearchRequest]) -> list[Answer]:
        """The answers to these queries; an error in the place of each that failed.

        Raises:
            Problem: 503, as too many wait already.
        """
        if self._count + len(asks) > self._settings.max_waiting:
            raise ApiError(503, f"{self._count} queries wait already", hint="ask again in a moment")
        answers: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        self._waiting.append((asks, answers))
        self._count += len(asks)
        if self._count >= self._wanted:
            self._enough.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return await answers

    async def _work(self) -> None:
        """Begin a batch whenever the one before it is encoded."""
        while self._waiting:
            await self._hands.acquire()
            await self._gather()
            encoded = asyncio.Event()
            task = asyncio.create_task(self._answered(self._take(), encoded))
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)
            await encoded.wait()

    async def _gather(self) -> None:
        """Wait for as many as there were when last a batch was done, but not for long after that."""
        self._wanted = min(self._crowd - self._in_hand, self._settings.max_batch)
        if self._count < self._wanted:
            self._enough.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._ended + self._settings.gather_ms / 1000):
                    await self._enough.wait()
        self._wanted = 0

    async def _answered(self, batch: Sequence[_Waiting], encoded: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        asks = [ask for asked, _ in batch for ask in asked]
        self._in_hand += len(asks)
        try:
            answers = await loop.run_in_executor(
                self._threads, self._answer, asks, partial(loop.call_soon_threadsafe, encoded.set)
            )
        except Exception as error:
            answers = [error] * len(asks)
        encoded.set()
        self._crowd, self._ended = self._in_hand + self._count, loop.time()
        self._in_hand -= len(asks)
        self._observe(len(asks))
        self._hands.release()
        _hand_out(batch, answers)

    def _take(self) -> list[_Waiting]:
        batch = [self._waiting.popleft()]
        size = len(batch[0][0])
        while self._waiting and size + len(self._waiting[0][0]) <= self._settings.max_batch:
            batch.append(self._waiting.popleft())
            size += len(batch[-1][0])
        self._count -= size
        return batch


def _hand_out(batch: Sequence[_Waiting], answers: Sequence[Answer]) -> None:
    start = 0
    for asks, future in batch:
        if not future.done():  # whoever asked may be gone
            future.set_result(list(answers[start : start + len(asks)]))
        start += len(asks)
