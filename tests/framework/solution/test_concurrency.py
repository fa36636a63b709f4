"""One solution under several threads: searches during a run, items added by hand, a run that is called off."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vicinal import Item, ItemError, hookimpl
from vicinal.errors import FilterError, NothingIndexedError, StoreBusyError, UnknownItemError
from vicinal.solution.rwlock import ReadWriteLock
from vicinal.types import SearchRequest

ROWS = [(f"k{number}", f"text {number}", 2000 + number % 10) for number in range(200)]
YEAR = "fields: {year: 'int64 = 0'}"


@pytest.fixture
def things(workshop):
    workshop.write(ROWS)
    things = workshop.solution(extra=YEAR)
    things.ingest()
    return things


class OnBatch:
    """Does something once, when the first batch is written."""

    def __init__(self, work):
        self.work = work

    @hookimpl
    def batch_written(self, new):
        if new and (work := self.work):
            self.work = None
            work()


def test_queries_of_several_users_are_answered_together_and_fail_alone(things):
    asks = [
        SearchRequest("text 7", 3),
        SearchRequest("bad query", 3),
        SearchRequest("spoil query", 3),
        SearchRequest("@nobody", 3),
        SearchRequest("text 8", 5, "year > 2007"),
        SearchRequest("text 9", 3, "no such year"),
        SearchRequest("@k7", 1),
    ]
    answers = things.search_many(asks)
    alone = [things.search("text 7", 3), things.search("text 8", 5, "year > 2007"), things.search("@k7", 1)]
    assert [[hit.key for hit in answers[n]] for n in (0, 4, 6)] == [[hit.key for hit in one] for one in alone]
    assert [type(answers[n]) for n in (1, 2, 3, 5)] == [ItemError, ItemError, UnknownItemError, FilterError]
    assert things.search_many([]) == []


def test_answers_come_from_one_encode_and_one_search_for_those_alike(things, monkeypatch):
    encoded, searched = [], []
    encode, search = things.encoder.encode, things.vectors.search
    monkeypatch.setattr(things.encoder, "encode", lambda samples: encoded.append(len(samples)) or encode(samples))
    monkeypatch.setattr(
        things.vectors, "search", lambda vectors, *a, **k: searched.append(len(vectors)) or search(vectors, *a, **k)
    )
    things.search_many([SearchRequest(f"text {n}", 3, "year > 2003" if n % 2 else "") for n in range(8)])
    assert encoded == [8]
    assert sorted(searched) == [4, 4]


def test_searches_go_on_while_a_run_writes_and_see_what_it_wrote(workshop, things):
    workshop.write([*ROWS, *((f"n{number}", f"new {number}", 1) for number in range(2_000))])
    ended = threading.Event()
    asked = 0

    def ask():
        nonlocal asked
        while not ended.is_set():
            assert [hit.key for hit in things.search("text 7", limit=1)] == ["k7"]
            asked += 1
        return asked

    with ThreadPoolExecutor(2) as pool:
        askers = [pool.submit(ask) for _ in range(2)]
        try:
            report = things.ingest(encoder=things.new_encoder())
        finally:
            ended.set()
        assert sum(asker.result(60) for asker in askers) > 1
    assert (report.new, report.rows) == (2_000, 2_200)
    assert [hit.key for hit in things.search("new 1999", limit=1)] == ["n1999"]


def test_a_concurrent_encoder_is_called_by_searches_while_a_run_encodes(workshop, things, monkeypatch):
    workshop.write([*ROWS, ("new", "new", 1)])
    monkeypatch.setattr(type(things.encoder), "encode_is_thread_safe", True)
    encoding, asked, encode = threading.Event(), threading.Event(), things.encoder.encode

    def slow(samples):
        if list(samples) == ["new"]:
            encoding.set()
            assert asked.wait(60), "the search waits for the run"
        return encode(samples)

    monkeypatch.setattr(things.encoder, "encode", slow)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(things.ingest)
        assert encoding.wait(60)
        assert [hit.key for hit in things.search("text 7", limit=1)] == ["k7"]
        asked.set()
        assert run.result(60).new == 1


def test_the_encoder_is_called_by_one_thread_at_a_time(things, monkeypatch):
    busy, encode = threading.Lock(), things.encoder.encode

    def alone(samples):
        assert busy.acquire(blocking=False), "two threads are in encode"
        try:
            return encode(samples)
        finally:
            busy.release()

    monkeypatch.setattr(things.encoder, "encode", alone)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: things.search(f"text {n}", limit=1)[0].key, range(60)))
    assert found == [f"k{n}" for n in range(60)]


def test_a_first_run_is_searched_on_a_server_while_it_goes_on_and_on_an_embedded_engine_when_it_has_ended(workshop):
    workshop.write(ROWS)
    things = workshop.solution()
    with pytest.raises(NothingIndexedError, match="nothing is indexed"):
        things.search("text 7")
    answers = []

    def ask():
        try:
            things.search("text 7")
            answers.append("searched")
        except NothingIndexedError as error:
            assert "being indexed for the first time" in str(error)
            answers.append("refused")

    things.manager.register(OnBatch(ask), "asks")
    things.ingest()
    assert answers == ["refused" if things.vectors.embedded else "searched"]
    assert things.search("text 7", limit=1)[0].key == "k7"


def test_another_thread_calls_a_run_off_and_the_next_one_goes_on(workshop):
    workshop.write(ROWS)
    things = workshop.solution(extra="ingest: {batch_size: 20}")
    assert things.interrupt() is False
    things.manager.register(OnBatch(things.interrupt), "calls it off")
    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt):
        pool.submit(things.ingest).result()
    done = things.status()["items"]
    assert 0 < done < 200
    assert things.search("text 1", limit=1)
    assert things.ingest().new == 200 - done


def test_an_item_added_by_hand_is_found_and_stays_when_the_source_is_pruned(things):
    assert things.add(Item("mine", "a text of mine", metadata={"year": 1999})) == "new"
    assert things.add(Item("mine", "a text of mine", metadata={"year": 1999})) == "unchanged"
    assert things.add(Item("mine", "another text of mine", metadata={"year": 1999})) == "updated"
    assert things.ingest(prune=True).removed == 0
    best = things.search("another text of mine", limit=1)[0]
    assert (best.key, best.metadata) == ("mine", {"year": 1999})
    assert things.check().consistent
    assert things.remove(["mine"]) == 1
    assert things.metadata.manual_ids() == set()


def test_an_item_that_the_source_comes_to_have_is_the_sources(workshop, things):
    things.add(Item("mine", "a text of mine"))
    workshop.write([*ROWS, ("mine", "the text of the source", 2001)])
    assert things.ingest(prune=True).updated == 1
    workshop.write(ROWS)
    assert things.ingest(prune=True).removed == 1


def test_the_first_item_of_a_solution_may_be_added_by_hand(workshop):
    things = workshop.solution()
    assert things.add(Item("mine", "a text of mine")) == "new"
    assert [hit.key for hit in things.search("a text of mine")] == ["mine"]


def test_an_item_that_cannot_be_added_leaves_nothing_behind(things):
    for content in ("bad text", "crash text", "spoil text"):
        with pytest.raises(ItemError):
            things.add(Item("k1", content))
    with pytest.raises(ItemError, match="field 'year' is not an int64"):
        things.add(Item("k1", "text", metadata={"year": "soon"}))
    with pytest.raises(ItemError, match="key is empty"):
        things.add(Item("", "text"))
    assert things.failures() == []
    assert things.search("text 1", limit=1)[0].key == "k1"
    assert things.check().consistent


def test_nothing_is_added_while_a_run_writes(things, workshop):
    workshop.write([*ROWS, ("n", "new", 1)])
    refused = []

    def add():
        with pytest.raises(StoreBusyError):
            things.add(Item("mine", "a text of mine"))
        refused.append(True)

    things.manager.register(OnBatch(add), "adds")
    things.ingest()
    assert refused == [True]


def test_every_item_is_on_one_page_and_only_there(things):
    for limit, look in ((7, 20_000), (50, 20_000), (50, 10)):
        keys, after = [], -1
        while after is not None:
            records, after = things.metadata.page(limit, after, look=look)
            assert len(records) <= limit
            keys += [record.key for record in records]
        assert sorted(keys) == sorted(key for key, *_ in ROWS)
    records, after = things.metadata.page(50, prefix="k19")
    assert (sorted(record.key for record in records), after) == (["k19", *(f"k19{n}" for n in range(10))], None)


def test_a_gate_lets_many_pass_and_closes_when_they_are_through():
    gate = ReadWriteLock()
    inside, leave, closed = threading.Barrier(3), threading.Event(), threading.Event()

    def go_through():
        with gate.read():
            inside.wait(10)
            leave.wait(10)

    def close():
        with gate.write(), gate.write(), gate.read():
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
