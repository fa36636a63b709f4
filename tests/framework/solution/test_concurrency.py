"""One solution in several threads: searches during a run, items added by hand, a cancelled run."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vicinal import Item, ItemError, hookimpl
from vicinal.errors import FilterError, NothingIndexedError, StoreBusyError, UnknownItemError
from vicinal.solution.rwlock import ReadWriteLock
from vicinal.types import SearchRequest, item_id

pytestmark = pytest.mark.long_on_server

ROWS = [(f"k{number}", f"text {number}", 2000 + number % 10) for number in range(200)]
YEAR = "fields: {year: 'int64 = 0'}"


@pytest.fixture
def solution(workshop):
    workshop.write(ROWS)
    solution = workshop.solution(extra=YEAR)
    solution.ingest()
    return solution


class OnBatch:
    """Calls ``work`` once, when the first batch is written."""

    def __init__(self, work):
        self.work = work

    @hookimpl
    def batch_written(self, new):
        if new and (work := self.work):
            self.work = None
            work()


def test_requests_of_several_users_are_answered_together_and_fail_alone(solution):
    requests = [
        SearchRequest("text 7", 3),
        SearchRequest("bad query", 3),
        SearchRequest("spoil query", 3),
        SearchRequest("@nobody", 3),
        SearchRequest("text 8", 5, "year > 2007"),
        SearchRequest("text 9", 3, "no such year"),
        SearchRequest("@k7", 1),
    ]
    answers = solution.search_many(requests)
    alone = [solution.search("text 7", 3), solution.search("text 8", 5, "year > 2007"), solution.search("@k7", 1)]
    assert [[hit.key for hit in answers[n]] for n in (0, 4, 6)] == [[hit.key for hit in one] for one in alone]
    assert [type(answers[n]) for n in (1, 2, 3, 5)] == [ItemError, ItemError, UnknownItemError, FilterError]
    assert solution.search_many([]) == []


def test_requests_share_one_encode_and_one_search_per_filter(solution, monkeypatch):
    encoded, searched = [], []
    encode, search = solution.encoder.encode, solution.vectors.search
    monkeypatch.setattr(solution.encoder, "encode", lambda samples: encoded.append(len(samples)) or encode(samples))
    monkeypatch.setattr(
        solution.vectors, "search", lambda vectors, *a, **k: searched.append(len(vectors)) or search(vectors, *a, **k)
    )
    solution.search_many([SearchRequest(f"text {n}", 3, "year > 2003" if n % 2 else "") for n in range(8)])
    assert encoded == [8]
    assert sorted(searched) == [4, 4]


def test_searches_continue_during_a_run_and_see_its_items(workshop, solution):
    workshop.write([*ROWS, *((f"n{number}", f"new {number}", 1) for number in range(2_000))])
    ended = threading.Event()
    searches = 0

    def search_once():
        nonlocal searches
        while not ended.is_set():
            assert [hit.key for hit in solution.search("text 7", limit=1)] == ["k7"]
            searches += 1
        return searches

    with ThreadPoolExecutor(2) as pool:
        searchers = [pool.submit(search_once) for _ in range(2)]
        try:
            report = solution.ingest(encoder=solution.new_encoder())
        finally:
            ended.set()
        assert sum(searcher.result(60) for searcher in searchers) > 1
    assert (report.new, report.rows) == (2_000, 2_200)
    assert [hit.key for hit in solution.search("new 1999", limit=1)] == ["n1999"]


def test_thread_safe_encoder_serves_searches_while_a_run_encodes(workshop, solution, monkeypatch):
    workshop.write([*ROWS, ("new", "new", 1)])
    monkeypatch.setattr(type(solution.encoder), "encode_is_thread_safe", True)
    encoding, searched, encode = threading.Event(), threading.Event(), solution.encoder.encode

    def slow(samples):
        if list(samples) == ["new"]:
            encoding.set()
            assert searched.wait(60), "the search waits for the run"
        return encode(samples)

    monkeypatch.setattr(solution.encoder, "encode", slow)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(solution.ingest)
        assert encoding.wait(60)
        assert [hit.key for hit in solution.search("text 7", limit=1)] == ["k7"]
        searched.set()
        assert run.result(60).new == 1


def test_encoder_is_called_by_one_thread_at_a_time(solution, monkeypatch):
    busy, encode = threading.Lock(), solution.encoder.encode

    def alone(samples):
        assert busy.acquire(blocking=False), "two threads are in encode"
        try:
            return encode(samples)
        finally:
            busy.release()

    monkeypatch.setattr(solution.encoder, "encode", alone)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: solution.search(f"text {n}", limit=1)[0].key, range(60)))
    assert found == [f"k{n}" for n in range(60)]


def test_first_run_is_searchable_at_once_on_a_server_and_at_its_end_on_milvus_lite(workshop):
    workshop.write(ROWS)
    solution = workshop.solution()
    with pytest.raises(NothingIndexedError, match="nothing is indexed"):
        solution.search("text 7")
    answers = []

    def search_once():
        try:
            solution.search("text 7")
            answers.append("searched")
        except NothingIndexedError as error:
            assert "being indexed for the first time" in str(error)
            answers.append("refused")

    solution.manager.register(OnBatch(search_once), "searches")
    solution.ingest()
    assert answers == ["refused" if solution.vectors.embedded else "searched"]
    assert solution.search("text 7", limit=1)[0].key == "k7"


def test_interrupt_from_another_thread_ends_the_run_and_the_next_one_continues(workshop):
    workshop.write(ROWS)
    solution = workshop.solution(extra="ingest: {batch_size: 20}")
    assert solution.interrupt() is False
    solution.manager.register(OnBatch(solution.interrupt), "calls it off")
    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt):
        pool.submit(solution.ingest).result()
    done = solution.status()["items"]
    assert 0 < done < 200
    assert solution.search("text 1", limit=1)
    assert solution.ingest().new == 200 - done


def test_added_item_is_found_and_survives_prune(solution):
    assert solution.add(Item("mine", "a text of mine", metadata={"year": 1999})) == "new"
    assert solution.add(Item("mine", "a text of mine", metadata={"year": 1999})) == "unchanged"
    assert solution.add(Item("mine", "another text of mine", metadata={"year": 1999})) == "updated"
    assert solution.ingest(prune=True).removed == 0
    best = solution.search("another text of mine", limit=1)[0]
    assert (best.key, best.metadata) == ("mine", {"year": 1999})
    assert solution.check().consistent
    assert solution.remove(["mine"]) == 1
    assert solution.metadata.are_manual([item_id("mine")]) == [False]


def test_added_item_that_the_source_yields_later_belongs_to_the_source(workshop, solution):
    solution.add(Item("mine", "a text of mine"))
    workshop.write([*ROWS, ("mine", "the text of the source", 2001)])
    assert solution.ingest(prune=True).updated == 1
    workshop.write(ROWS)
    assert solution.ingest(prune=True).removed == 1


def test_add_works_before_the_first_ingest(workshop):
    solution = workshop.solution()
    assert solution.add(Item("mine", "a text of mine")) == "new"
    assert [hit.key for hit in solution.search("a text of mine")] == ["mine"]


def test_item_that_cannot_be_added_changes_nothing(solution):
    for content in ("bad text", "crash text", "spoil text"):
        with pytest.raises(ItemError):
            solution.add(Item("k1", content))
    with pytest.raises(ItemError, match="field 'year' is not an int64"):
        solution.add(Item("k1", "text", metadata={"year": "soon"}))
    with pytest.raises(ItemError, match="key is empty"):
        solution.add(Item("", "text"))
    assert solution.failures() == []
    assert solution.search("text 1", limit=1)[0].key == "k1"
    assert solution.check().consistent


def test_add_is_refused_during_a_run(solution, workshop):
    workshop.write([*ROWS, ("n", "new", 1)])
    refused = []

    def add():
        with pytest.raises(StoreBusyError):
            solution.add(Item("mine", "a text of mine"))
        refused.append(True)

    solution.manager.register(OnBatch(add), "adds")
    solution.ingest()
    assert refused == [True]


def test_every_item_is_on_exactly_one_page(solution):
    for limit, max_read in ((7, 20_000), (50, 20_000), (50, 10)):
        keys, after = [], -1
        while after is not None:
            records, after = solution.metadata.list_records(limit, after, max_read=max_read)
            assert len(records) <= limit
            keys += [record.key for record in records]
        assert sorted(keys) == sorted(key for key, *_ in ROWS)
    records, after = solution.metadata.list_records(50, prefix="k19")
    assert (sorted(record.key for record in records), after) == (["k19", *(f"k19{n}" for n in range(10))], None)


def test_read_write_lock_admits_many_readers_or_one_writer():
    lock = ReadWriteLock()
    inside, leave, closed = threading.Barrier(3), threading.Event(), threading.Event()

    def go_through():
        with lock.read():
            inside.wait(10)
            leave.wait(10)

    def close():
        with lock.write(), lock.write(), lock.read():
            closed.set()

    with ThreadPoolExecutor(3) as pool:
        passing = [pool.submit(go_through) for _ in range(2)]
        inside.wait(10)
        closing = pool.submit(close)
        assert not closed.wait(0.05)
        leave.set()
        for one in (*passing, closing):
            one.result(10)
        assert closed.is_set()
