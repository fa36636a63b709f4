"""A reindex: another generation is built beside the live one, and put in its place in one step."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from generation_helpers import MORE, QUERIES, ROWS, index_learning, stored
from vicinal import Item, Solution, VicinalError, hookimpl
from vicinal.errors import NothingIndexedError, StoreBusyError, StoreMismatchError
from vicinal.solution import reindexable
from vicinal.types import SearchRequest, item_id

pytestmark = pytest.mark.long_on_server


@pytest.fixture
def learning(workshop):
    return index_learning(workshop)


def answer(solution, query):
    return [(hit.key, hit.distance) for hit in solution.search(query, limit=20)]


def test_what_is_new_counts_after_a_reindex_and_nothing_of_the_old_one_remains(learning, workshop):
    before, learnt = answer(learning, "word7 rest1"), learning.encoder.state_hash
    workshop.write(MORE)
    report = learning.reindex()
    assert (report.new, report.rows, report.warnings) == (90, 90, [])
    assert learning.encoder.state_hash != learnt
    assert learning.metadata.fitted_state.read_hash() == learning.encoder.state_hash
    assert answer(learning, "word7 rest1") != before
    fresh = workshop.solution("fresh", encoder="{type: learner}")
    fresh.ingest()
    assert [answer(learning, query) for query in QUERIES] == [answer(fresh, query) for query in QUERIES]
    fresh.close()
    status = learning.status()
    assert (status["generation"], status["reindex"], status["items"]) == (2, None, 90)
    assert learning.check().consistent
    collections, keys = stored(learning)
    assert collections == ["vicinal_learning_v2"]
    assert keys == {"live", "g2:state", "g2:fit", "g2:ledger", "g2:meta"}
    assert learning.vectors.find_collection(learning.vectors.alias).physical == "vicinal_learning_v2"
    assert learning.ingest().unchanged == 90


def test_searches_are_answered_by_the_old_or_by_the_new_and_never_by_both(learning, workshop, manager):
    """By threads of the process that reindexes, and on servers by another process' solution that is open."""
    searched = [learning]
    if not workshop.embedded:
        searched.append(Solution.from_yaml(workshop.folder / "learning.yaml", manager=manager))
    old = {query: answer(learning, query) for query in QUERIES}
    ended, answers = threading.Event(), []

    def search(solution):
        while not ended.is_set():
            answers.extend((query, answer(solution, query)) for query in QUERIES)
            answers.append(("common", [(hit.key, hit.distance) for hit in many(solution, "common")]))
        return answers

    with ThreadPoolExecutor(4) as pool:
        searchers = [pool.submit(search, solution) for solution in searched for _ in range(2)]
        try:
            for rows in (MORE, ROWS):
                workshop.write(rows)
                learning.reindex()
                if rows == MORE:
                    new = {query: answer(learning, query) for query in QUERIES}
        finally:
            ended.set()
        for searcher in searchers:
            searcher.result(60)
    assert all(old[query] != new[query] for query in QUERIES)
    assert [query for query, found in answers if found not in (old[query], new[query])] == []
    assert {found == old[query] for query, found in answers} == {True, False}
    for solution in searched[1:]:
        assert {query: answer(solution, query) for query in QUERIES} == old
        assert solution.status()["generation"] == 3
        solution.close()


def many(solution, query):
    (found,) = solution.search_many([SearchRequest(query, 20)])
    if isinstance(found, Exception):
        raise found
    return found


def test_a_changed_encoder_and_changed_fields_are_built_beside(workshop):
    workshop.write(ROWS)
    first = workshop.solution()
    first.ingest()
    first.close()
    second = workshop.solution(encoder="{type: hashed, salt: other, dimension: 8}", extra="fields: {year: int64}")
    with pytest.raises(StoreMismatchError) as error:
        second.search("common word7 rest1")
    assert "run `vicinal reindex`" in error.value.hint
    assert second.reindex().new == 60
    assert second.search("common word7 rest1", limit=1, filter="year == 2007")[0].key == "k7"
    assert second.status()["encoder"]["signature"] == "hashed/8/other"
    assert stored(second) == (["vicinal_things_v2"], {"live", "g2:state", "g2:ledger", "g2:meta"})


class OnBatch:
    """Calls ``work`` after each batch."""

    def __init__(self, work):
        self.work = work

    @hookimpl
    def batch_written(self, new):
        if new:
            self.work()


def test_an_interrupted_one_leaves_the_old_and_the_next_one_continues(workshop):
    rows = [(f"k{number}", f"text {number}", 2000) for number in range(200)]
    workshop.write(rows)
    first = workshop.solution("things", encoder="{type: hashed}")
    first.ingest()
    first.close()
    solution = workshop.solution(
        "things", encoder="{type: hashed, salt: new, pause: 0.01}", extra="ingest: {batch_size: 20}"
    )
    solution.manager.register(watcher := OnBatch(solution.interrupt), "interrupts")
    with pytest.raises(KeyboardInterrupt):
        solution.reindex()
    solution.manager.unregister(watcher)
    status = solution.status()
    assert (status["generation"], status["items"], status["reindex"]["signature"]) == (1, 200, "hashed/16/new")
    begun = status["reindex"]["items"]
    assert 0 < begun < 200
    same = workshop.solution("things", encoder="{type: hashed}")
    if workshop.embedded:
        solution.close()
    assert same.search("text 7", limit=1)[0].key == "k7"
    assert same.check().consistent
    assert same.ingest().unchanged == 200
    same.close()
    workshop.yaml("things", encoder="{type: hashed, salt: new, pause: 0.01}", extra="ingest: {batch_size: 20}")
    workshop.write(rows[5:])
    report = solution.reindex()
    assert begun - 5 <= report.unchanged <= begun
    assert (report.rows, solution.status()["items"], solution.status()["reindex"]) == (195, 195, None)
    assert solution.check().consistent
    assert solution.search("text 7", limit=1)[0].key == "k7"


def test_what_an_interrupted_one_left_is_built_anew_when_the_encoder_has_changed_since(learning, workshop):
    workshop.write(MORE)
    learning.manager.register(watcher := OnBatch(learning.interrupt), "interrupts")
    with pytest.raises(KeyboardInterrupt):
        learning.reindex()
    learning.manager.unregister(watcher)
    assert learning.status()["reindex"]["items"] == 90, "one batch of the encoder's 256"
    workshop.write(MORE[:70])
    report = learning.reindex()
    assert (report.new, report.unchanged, report.rows) == (70, 0, 70)
    assert stored(learning) == (["vicinal_learning_v2"], {"live", "g2:state", "g2:fit", "g2:ledger", "g2:meta"})


@pytest.mark.parametrize("stage", ["unfinished", "begun", "replaced"])
def test_drop_removes_every_generation(learning, workshop, stage, monkeypatch):
    if stage == "unfinished":
        learning.manager.register(watcher := OnBatch(learning.interrupt), "interrupts")
        with pytest.raises(KeyboardInterrupt):
            learning.reindex()
        learning.manager.unregister(watcher)
    else:
        stop_before(monkeypatch, "finish_replacement" if stage == "replaced" else "note_replaced")
        with pytest.raises(Stopped):
            learning.reindex()
        monkeypatch.undo()
    assert learning.drop() == 60
    assert stored(learning) == ([], set())
    assert learning.ingest().new == 60
    assert stored(learning)[0] == ["vicinal_learning_v1"]


class Stopped(Exception):  # noqa: N818
    """The process ends here."""


def stop_before(monkeypatch, name):
    """End the process that reindexes before it calls something, as far as the stores can tell."""

    def stop(*_, **__):
        raise Stopped

    if name == "note_replaced":
        monkeypatch.setattr(reindexable, name, stop)
        return
    calls, finish = [], reindexable.finish_replacement
    monkeypatch.setattr(
        reindexable, name, lambda *given: calls.append(given) or (stop() if len(calls) > 1 else finish(*given))
    )


@pytest.mark.parametrize("after", ["the next search", "the next ingest", "the next reindex"])
def test_one_that_ends_right_after_the_swap_is_finished_by_the_next_writer(learning, workshop, after, monkeypatch):
    workshop.write(MORE)
    stop_before(monkeypatch, "finish_replacement")
    with pytest.raises(Stopped):
        learning.reindex()
    monkeypatch.undo()
    learning.close()
    again = workshop.solution("learning", encoder="{type: learner}")
    assert len(again.search("common", limit=100)) == 90
    if after == "the next ingest":
        assert again.ingest().unchanged == 90
    elif after == "the next reindex":
        assert again.reindex().new == 90
    else:
        return
    number = 3 if after == "the next reindex" else 2
    keys = {f"g{number}:{kind}" for kind in ("state", "fit", "ledger", "meta")}
    assert stored(again) == ([f"vicinal_learning_v{number}"], {"live", *keys})
    assert again.vectors.find_collection(again.vectors.alias).physical == f"vicinal_learning_v{number}"


def test_items_that_fail_are_recorded_and_too_many_of_them_leave_the_old(workshop):
    workshop.write(ROWS)
    solution = workshop.solution(extra="ingest: {max_failures: 1}")
    solution.ingest()
    workshop.write([*ROWS, ("x", "bad one", 1)])
    assert solution.reindex().failed == 1
    assert [failure.key for failure in solution.failures()] == ["x"]
    workshop.write([*ROWS, ("x", "bad one", 1), ("y", "bad two", 1)])
    with pytest.raises(VicinalError, match="2 of 62 items failed"):
        solution.reindex()
    assert (solution.status()["generation"], solution.status()["items"]) == (2, 60)
    assert [failure.key for failure in solution.failures()] == ["x", "y"]
    assert solution.search("common word7 rest1", limit=1)[0].key == "k7"


def test_a_source_that_yields_nothing_replaces_nothing(lite):
    lite.write(ROWS)
    solution = lite.solution()
    with pytest.raises(NothingIndexedError, match="nothing is indexed in 'things' yet"):
        solution.reindex()
    solution.ingest()
    lite.write([])
    with pytest.raises(VicinalError, match="nothing was replaced: the source yields no item at all"):
        solution.reindex()
    assert solution.search("common word7 rest1", limit=1)[0].key == "k7"


def test_items_that_were_added_by_hand_are_indexed_anew(workshop):
    workshop.write(ROWS)
    solution = workshop.solution(extra="fields: {year: 'int64 = 0'}")
    solution.ingest()
    solution.add(Item("mine", "a text of mine", metadata={"year": 1999}))
    solution.add(Item("also", "another text", metadata={"year": 1998}))
    workshop.write([*ROWS, ("also", "the text of the source", 2001)])
    assert solution.reindex().new == 62
    best = solution.search("a text of mine", limit=1, filter="year == 1999")[0]
    assert (best.key, best.metadata) == ("mine", {"year": 1999})
    assert solution.search("the text of the source", limit=1)[0].key == "also"
    assert solution.metadata.list_manual() == [item_id("mine")]
    assert solution.ingest(prune=True).removed == 0


def test_an_added_item_that_cannot_be_indexed_anew_is_not_lost(lite):
    lite.write(ROWS)
    solution = lite.solution("things", encoder="{type: hashed}")
    solution.ingest()
    solution.add(Item("mine", "x"))
    solution.close()
    letters = lite.solution("things", encoder="{type: letters}")
    with pytest.raises(VicinalError, match="1 items that were added by hand cannot be indexed anew: mine"):
        letters.reindex()
    assert [failure.key for failure in letters.failures()] == ["mine"]
    letters.close()
    assert lite.solution("things", encoder="{type: hashed}").search("x", limit=1)[0].key == "mine"


def test_another_run_is_refused_meanwhile(learning):
    refused = []

    def write():
        for use in (learning.ingest, learning.reindex, learning.drop, learning.build_index, learning.rollback):
            with pytest.raises(StoreBusyError, match="is being reindexed by"):
                use()
            refused.append(use)

    learning.manager.register(OnBatch(write), "writes")
    learning.reindex()
    assert len(refused) == 5


@pytest.mark.parametrize("workshop", ["server"], indirect=True)
def test_who_is_open_elsewhere_follows_at_its_next_use(learning, workshop, manager):
    with Solution.from_yaml(workshop.folder / "learning.yaml", manager=manager) as other:
        other.search("common")
        workshop.write(MORE)
        learning.reindex()
        assert other.get_record("n3").metadata["year"] == "1990"
        assert len(other.search("common", limit=100)) == 90
        assert other.encoder.state_hash == learning.encoder.state_hash
        workshop.write([*MORE, ("last", "common last", 1)])
        learning.reindex()
        assert other.ingest().unchanged == 91
        assert other.status() == learning.status()
