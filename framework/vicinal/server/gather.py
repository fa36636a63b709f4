"""Queries that come at the same time are answered together: one encode, one call of Milvus.

While a batch is being answered the next one gathers by itself. When it is done its askers ask again, one by one; so the
next batch waits a few milliseconds for as many as there were, those that waited included. A query that comes alone goes
through at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from vicinal.search import Ask, SearchResult
from vicinal.server.problems import Problem
from vicinal.server.settings import Settings

__all__ = ["Gatherer"]

Answer = SearchResult | Exception
_Waiting = tuple[Sequence[Ask], "asyncio.Future[list[Answer]]"]


class Gatherer:
    """Gathers the queries of one solution, and has them answered by one thread.

    ``observe`` is told the size of each batch. Used on one event loop alone, it needs no lock.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Ask]], list[Answer]],
        thread: Executor,
        settings: Settings,
        observe: Callable[[int], None],
    ) -> None:
        self._answer = answer
        self._thread = thread
        self._settings = settings
        self._observe = observe
        self._waiting: deque[_Waiting] = deque()
        self._count = 0
        self._crowd = 0
        self._ended = 0.0
        self._task: asyncio.Task[None] | None = None

    async def ask(self, asks: Sequence[Ask]) -> list[Answer]:
        """The answers to these queries; an error in the place of each that failed.

        Raises:
            Problem: 503, as too many wait already.
        """
        if self._count + len(asks) > self._settings.max_waiting:
            raise Problem(503, f"{self._count} queries wait already", hint="ask again in a moment")
        answers: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        self._waiting.append((asks, answers))
        self._count += len(asks)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return await answers

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await self._gather(loop)
            batch = self._take()
            asks = [ask for asked, _ in batch for ask in asked]
            try:
                answers = await loop.run_in_executor(self._thread, self._answer, asks)
            except Exception as error:
                answers = [error] * len(asks)
            self._crowd, self._ended = len(asks) + self._count, loop.time()
            self._observe(len(asks))
            _hand_out(batch, answers)

    async def _gather(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for as many as asked or waited when the last batch ended, but not for long."""
        until = self._ended + self._settings.gather_ms / 1000
        wanted = min(self._crowd, self._settings.max_batch)
        while self._count < wanted and loop.time() < until:
            await asyncio.sleep(0.0005)

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
