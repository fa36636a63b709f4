"""Gathering: which queries are answered together, and what goes on meanwhile."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vicinal.server.api_errors import ApiError
from vicinal.server.batching import MAX_BATCHES_IN_FLIGHT, QueryBatcher
from vicinal.server.settings import Settings
from vicinal.types import SearchRequest

SECONDS = 30


class Answers:
    """What answers a batch: it notes the queries, and waits where it is told to."""

    def __init__(self):
        self.batches = []
        self.searching = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, asks, encoded):
        queries = [ask.query for ask in asks]
        self.batches.append(queries)
        if "spoilt" in queries:
            raise ValueError("spoilt")
        encoded()
        self.searching.set()
        assert self.go_on.wait(SECONDS)
        return [query.upper() for query in queries]


@pytest.fixture
def answers():
    return Answers()


def run(answers, scene, **settings):
    """Play a scene with a batcher, on an event loop of its own; returns what it returns and the sizes observed."""
    sizes = []
    with ThreadPoolExecutor(MAX_BATCHES_IN_FLIGHT) as threads:

        async def play():
            batcher = QueryBatcher(answers, threads, Settings(**settings), sizes.append)
            async with asyncio.timeout(SECONDS):
                return await scene(batcher)

        return asyncio.run(play()), sizes


def asks(*queries):
    return [SearchRequest(query) for query in queries]


def test_queries_that_come_together_are_answered_together(answers):
    async def scene(batcher):
        return await asyncio.gather(*(batcher.submit(asks(query)) for query in "abc"), batcher.submit(asks("d", "e")))

    assert run(answers, scene) == ([["A"], ["B"], ["C"], ["D", "E"]], [5])
    assert answers.batches == [["a", "b", "c", "d", "e"]]


def test_a_batch_is_encoded_while_the_one_before_it_is_searched_for(answers):
    async def scene(batcher):
        answers.go_on.clear()
        first = asyncio.create_task(batcher.submit(asks("a")))
        await asyncio.to_thread(answers.searching.wait, SECONDS)
        answers.searching.clear()
        second = asyncio.create_task(batcher.submit(asks("b")))
        assert await asyncio.to_thread(answers.searching.wait, SECONDS), "the second waits for the first"
        waiting = [asyncio.create_task(batcher.submit(asks(query))) for query in "cd"]
        await asyncio.sleep(0.05)
        assert answers.batches == [["a"], ["b"]], "both threads are busy, and the others gather"
        answers.go_on.set()
        return await asyncio.gather(first, second, *waiting)

    assert run(answers, scene)[0] == [["A"], ["B"], ["C"], ["D"]]
    assert answers.batches == [["a"], ["b"], ["c", "d"]]


def test_the_next_batch_waits_for_as_many_as_there_were(answers):
    async def scene(batcher):
        await asyncio.gather(*(batcher.submit(asks(query)) for query in "abc"))
        first = asyncio.create_task(batcher.submit(asks("d")))
        await asyncio.sleep(0.01)
        return await asyncio.gather(first, *(batcher.submit(asks(query)) for query in "ef"))

    run(answers, scene, gather_ms=10_000)
    assert answers.batches == [["a", "b", "c"], ["d", "e", "f"]]


def test_it_does_not_wait_for_those_who_do_not_come(answers):
    async def scene(batcher):
        await asyncio.gather(*(batcher.submit(asks(query)) for query in "abc"))
        return await batcher.submit(asks("d"))

    assert run(answers, scene, gather_ms=5)[0] == ["D"]


def test_a_batch_has_no_more_than_max_batch(answers):
    async def scene(batcher):
        return await asyncio.gather(*(batcher.submit(asks(query)) for query in "abcde"))

    run(answers, scene, max_batch=2)
    assert answers.batches == [["a", "b"], ["c", "d"], ["e"]]


def test_more_than_max_waiting_are_turned_away(answers):
    async def scene(batcher):
        found = await asyncio.gather(*(batcher.submit(asks(query)) for query in "abc"), return_exceptions=True)
        return [type(one) for one in found]

    assert run(answers, scene, max_waiting=2)[0] == [list, list, ApiError]


def test_a_batch_that_fails_fails_alone(answers):
    async def scene(batcher):
        failed = await asyncio.gather(batcher.submit(asks("spoilt")), batcher.submit(asks("a", "b")))
        return failed, await batcher.submit(asks("c"))

    (failed, after), _ = run(answers, scene)
    assert [[str(error) for error in each] for each in failed] == [["spoilt"], ["spoilt", "spoilt"]]
    assert after == ["C"]


def test_one_who_leaves_takes_nobody_along(answers):
    async def scene(batcher):
        answers.go_on.clear()
        leaving, staying = (asyncio.create_task(batcher.submit(asks(query))) for query in "ab")
        await asyncio.to_thread(answers.searching.wait, SECONDS)
        leaving.cancel()
        answers.go_on.set()
        return await staying

    assert run(answers, scene)[0] == ["B"]
