"""Dynamic batching: which queries share a batch, and what runs concurrently."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest

from vicinal.server.api_errors import ApiError
from vicinal.server.batching import MAX_BATCHES_IN_FLIGHT, QueryBatcher
from vicinal.server.settings import Settings
from vicinal.types import SearchRequest

SECONDS = 30


class Search:
    """Stands for the search of a batch: records the queries, and blocks until it may continue."""

    def __init__(self):
        self.batches = []
        self.searching = threading.Event()
        self.may_continue = threading.Event()
        self.may_continue.set()

    def __call__(self, requests, on_encoded):
        queries = [request.query for request in requests]
        self.batches.append(queries)
        if "broken" in queries:
            raise ValueError("broken")
        on_encoded()
        self.searching.set()
        assert self.may_continue.wait(SECONDS)
        return [query.upper() for query in queries]


@pytest.fixture
def search():
    return Search()


def run(search, scenario, report=lambda _: None, **settings):
    """Run a scenario with a batcher on an event loop of its own; return its result and the sizes of the batches."""
    sizes = []
    with ThreadPoolExecutor(MAX_BATCHES_IN_FLIGHT) as executor:

        async def run_scenario():
            batcher = QueryBatcher(search, executor, Settings(**settings), sizes.append, report)
            async with asyncio.timeout(SECONDS):
                return await scenario(batcher)

        return asyncio.run(run_scenario()), sizes


def requests(*queries):
    return [SearchRequest(query) for query in queries]


def test_queries_that_arrive_together_share_a_batch(search):
    async def scenario(batcher):
        return await asyncio.gather(
            *(batcher.submit(requests(query)) for query in "abc"), batcher.submit(requests("d", "e"))
        )

    assert run(search, scenario) == ([["A"], ["B"], ["C"], ["D", "E"]], [5])
    assert search.batches == [["a", "b", "c", "d", "e"]]


def test_batch_is_encoded_while_the_previous_one_is_searched(search):
    async def scenario(batcher):
        search.may_continue.clear()
        first = asyncio.create_task(batcher.submit(requests("a")))
        await asyncio.to_thread(search.searching.wait, SECONDS)
        search.searching.clear()
        second = asyncio.create_task(batcher.submit(requests("b")))
        assert await asyncio.to_thread(search.searching.wait, SECONDS), "the second waits for the first"
        waiting = [asyncio.create_task(batcher.submit(requests(query))) for query in "cd"]
        await asyncio.sleep(0.05)
        assert search.batches == [["a"], ["b"]], "both threads are busy, and the others are queued"
        search.may_continue.set()
        return await asyncio.gather(first, second, *waiting)

    assert run(search, scenario)[0] == [["A"], ["B"], ["C"], ["D"]]
    assert search.batches == [["a"], ["b"], ["c", "d"]]


def test_next_batch_waits_for_as_many_queries_as_the_last(search):
    async def scenario(batcher):
        await asyncio.gather(*(batcher.submit(requests(query)) for query in "abc"))
        first = asyncio.create_task(batcher.submit(requests("d")))
        await asyncio.sleep(0.01)
        return await asyncio.gather(first, *(batcher.submit(requests(query)) for query in "ef"))

    run(search, scenario, max_batch_delay_ms=10_000)
    assert search.batches == [["a", "b", "c"], ["d", "e", "f"]]


def test_batch_starts_after_the_maximum_delay(search):
    async def scenario(batcher):
        await asyncio.gather(*(batcher.submit(requests(query)) for query in "abc"))
        return await batcher.submit(requests("d"))

    assert run(search, scenario, max_batch_delay_ms=5)[0] == ["D"]


def test_batch_has_at_most_max_batch_queries(search):
    async def scenario(batcher):
        return await asyncio.gather(*(batcher.submit(requests(query)) for query in "abcde"))

    run(search, scenario, max_batch=2)
    assert search.batches == [["a", "b"], ["c", "d"], ["e"]]


def test_queries_beyond_the_queue_limit_are_refused(search):
    async def scenario(batcher):
        found = await asyncio.gather(*(batcher.submit(requests(query)) for query in "abc"), return_exceptions=True)
        return [type(one) for one in found]

    assert run(search, scenario, max_queued_queries=2)[0] == [list, list, ApiError]


def test_failed_batch_does_not_affect_the_next(search):
    async def scenario(batcher):
        failed = await asyncio.gather(batcher.submit(requests("broken")), batcher.submit(requests("a", "b")))
        return failed, await batcher.submit(requests("c"))

    (failed, after), _ = run(search, scenario)
    message = "internal server error"
    assert [[error.error for error in errors] for errors in failed] == [[message], [message, message]]
    assert after == ["C"]


def test_unexpected_error_of_a_batch_is_logged_once(search, caplog):
    async def scenario(batcher):
        await asyncio.gather(*(batcher.submit(requests(query)) for query in ("broken", "a", "b")))

    run(search, scenario)
    assert [str(record.exc_info[1]) for record in caplog.records] == ["broken"]


def test_disconnected_client_does_not_cancel_batch(search):
    async def scenario(batcher):
        search.may_continue.clear()
        disconnected, connected = (asyncio.create_task(batcher.submit(requests(query))) for query in "ab")
        await asyncio.to_thread(search.searching.wait, SECONDS)
        disconnected.cancel()
        search.may_continue.set()
        return await connected

    assert run(search, scenario)[0] == ["B"]


CALLER: ContextVar[str] = ContextVar("caller")


def test_each_request_of_a_batch_is_reported_in_its_own_context(search):
    """So that the spans and the log lines of a search belong to the trace of who asked."""
    reported = []

    async def submit(batcher, caller, *queries):
        CALLER.set(caller)
        return await batcher.submit(requests(*queries))

    async def scenario(batcher):
        return await asyncio.gather(submit(batcher, "one", "a", "b"), submit(batcher, "other", "c"))

    results, sizes = run(search, scenario, lambda results: reported.append((CALLER.get(), results)))
    assert (results, sizes) == ([["A", "B"], ["C"]], [3])
    assert reported == [("one", ["A", "B"]), ("other", ["C"])]
