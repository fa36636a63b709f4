"""Search: one query and many, filtered, reranked, before and after an ingest."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from search_helpers import ROWS, encode_texts, keys
from servers import ROOT
from vicinal import ItemError, Reranker, VicinalError, hookimpl
from vicinal.errors import FilterError, PluginError, UnknownItemError
from vicinal.stores.milvus import VectorStore
from vicinal.types import SearchRequest, item_id


@pytest.fixture
def solution(workshop):
    """Three hundred texts with a declared year."""
    workshop.write(ROWS)
    solution = workshop.solution(extra="fields: {year: int64}")
    solution.ingest()
    return solution


def test_search_equals_exact_search(solution):
    """One query and many, any limit, filters, @key: on one collection, since a server takes seconds to load one."""
    texts = [text for _, text, _ in ROWS]
    near = encode_texts(["text 7", "something else", "text 8"]) @ encode_texts(texts).T
    expected = [[f"k{number}" for number in row] for row in np.argsort(-near, axis=1)]

    result = solution.search("text 7", limit=5)
    assert keys(result) == expected[0][:5]
    assert [hit.rank for hit in result] == [1, 2, 3, 4, 5]
    assert [hit.similarity for hit in result] == pytest.approx(np.sort(near[0])[::-1][:5], abs=1e-5)
    assert [hit.distance for hit in result] == pytest.approx([1 - hit.similarity for hit in result], abs=1e-6)
    first = result[0]
    assert (first.key, first.uri, first.content, first.metadata) == ("k7", first.uri, "text 7", {"year": 2007})
    assert first.segment is None
    assert (first.similarity, first.distance) == (pytest.approx(1, abs=1e-6), pytest.approx(0, abs=1e-6))
    assert list(result.timings_ms) == ["decode", "encode", "search", "metadata", "total"]
    assert all(0 <= value <= result.timings_ms["total"] for value in result.timings_ms.values())
    assert result.to_dict("things")["hits"][0] == {
        "key": "k7", "rank": 1, "distance": first.distance, "similarity": first.similarity, "uri": first.uri,
        "metadata": {"year": 2007}, "content": "text 7", "segment": None, "score": None, "note": None,
    }  # fmt: skip
    assert (len(result), result[:2], repr(result).startswith("SearchResult([Hit(key='k7'")) == (
        5,
        result.hits[:2],
        True,
    )

    many = solution.search(["text 7", "something else", "text 8"], limit=20)
    assert [keys(hits) for hits in many] == [row[:20] for row in expected]
    assert solution.search([]) == []

    assert keys(solution.search("text 7", limit=1)) == ["k7"]
    assert keys(solution.search("text 7", limit=300)) == expected[0]
    assert keys(solution.search("text 7", limit=16_384)) == expected[0]
    for limit in (0, -1, 16_385):
        with pytest.raises(VicinalError, match=f"limit is {limit}"):
            solution.search("text 7", limit=limit)

    of_2003 = [key for key in expected[0] if int(key[1:]) % 10 == 3]
    assert keys(solution.search("text 7", limit=100, filter="year == 2003")) == of_2003
    assert (
        keys(solution.search("text 7", limit=3, filter="year in [2003, 2001] and item != 'k7'"))[0] in expected[0][1:]
    )
    assert keys(solution.search("text 7", limit=5, filter="year > 3000")) == []
    assert keys(solution.search("@k7", limit=100, filter="year == 2003")) == of_2003
    for wrong in ("year ==", "yeer == 2003", "year == 'x'"):
        with pytest.raises(FilterError) as error:
            solution.search("text 7", filter=wrong)
        assert "item, segment, year" in error.value.hint

    assert keys(solution.search("@k7", limit=5)) == expected[0][1:6]
    assert keys(solution.search("@k7", limit=300)) == expected[0][1:]
    mixed = solution.search(["@k7", "text 8", "@k8"], limit=4)
    assert [keys(hits) for hits in mixed] == [expected[0][1:5], expected[2][:4], expected[2][1:5]]
    with pytest.raises(UnknownItemError, match="no item has the key 'K7'") as error:
        solution.search(["text 7", "@K7"])
    assert error.value.hint == "write a text that begins with @ as \\@…; keys are case-sensitive"

    with pytest.raises(ItemError, match="the text says bad"):
        solution.search("a bad query")
    assert keys(solution.search(Path("text 7"), limit=1)) == ["k7"]


def test_backslash_escapes_a_text_that_begins_with_at(lite):
    lite.write([("k", "@home", 1), ("@", "text", 1), ("l", "\\@home", 1)])
    solution = lite.solution()
    solution.ingest()
    assert keys(solution.search("\\@home", limit=1)) == ["k"]
    assert keys(solution.search("@@", limit=1)) != ["@"]
    with pytest.raises(UnknownItemError):
        solution.search("@home")


# --- rerankers and observers


class Backwards(Reranker):
    """Reverses the order, and drops the nearest."""

    seen: ClassVar = []

    @property
    def candidates(self):
        return 3

    def rerank(self, query, hits):
        self.seen.append((query, keys(hits)))
        return list(reversed(hits))[:-1]


class Plugin:
    def __init__(self):
        self.searches = []

    @hookimpl
    def register_rerankers(self, rerankers):
        rerankers.add("backwards", "test_search:Backwards")

    @hookimpl
    def search_finished(self, solution, queries, hits, milliseconds):
        self.searches.append((solution, queries, hits, milliseconds))


def test_reranker_orders_more_candidates_than_the_limit(lite):
    plugin = Plugin()
    assert lite.manager.register(plugin, "backwards").status == "ok"
    lite.write(ROWS[:50])
    lite.solution("things").ingest()
    nearest = keys(lite._made[0].search("text 3", limit=6))
    lite._made[0].close()
    Backwards.seen.clear()
    solution = lite.solution("things", extra="rerank: {type: backwards}")
    result, other = solution.search(["text 3", "@k3"], limit=2)
    assert Backwards.seen == [("text 3", nearest), ("@k3", Backwards.seen[1][1])]
    assert (keys(result), [hit.rank for hit in result]) == ([nearest[5], nearest[4]], [1, 2])
    assert len(other) == 2
    assert result[0].distance > result[1].distance  # as found
    (name, queries, hits, milliseconds), *_ = plugin.searches[::-1]
    assert (name, queries, hits) == ("things", 2, 4)
    assert milliseconds == result.timings_ms["total"]


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        (lambda hits: hits.reverse(), "returned None, not a list of Hit"),
        (lambda hits: iter(hits), "returned a list_iterator, not a list of Hit"),
        (lambda hits: keys(hits), "returned a list of str, not a list of Hit"),
        (lambda hits: hits + hits[:1], "returned a hit that it was not given, or one twice"),
        (lambda hits: [replace(hits[0], key="another")], "returned a hit that it was not given, or one twice"),
    ],
)
def test_a_reranker_that_returns_something_else_is_named(lite, monkeypatch, returned, reason):
    assert lite.manager.register(Plugin(), "backwards").status == "ok"
    lite.write(ROWS[:10])
    solution = lite.solution("things", extra="rerank: {type: backwards}")
    solution.ingest()
    monkeypatch.setattr(Backwards, "rerank", lambda self, query, hits: returned(hits))
    with pytest.raises(PluginError) as error:
        solution.search("text 3", limit=2)
    assert str(error.value) == f"reranker Backwards {reason}"


def test_observers_are_not_notified_of_refused_queries(lite):
    plugin = Plugin()
    lite.manager.register(plugin, "plugin")
    lite.write(ROWS[:50])
    solution = lite.solution()
    solution.ingest()
    for query, options in (("a bad query", {}), ("@nobody", {}), ("text 1", {"filter": "no such field"})):
        with pytest.raises(VicinalError):
            solution.search(query, **options)
    assert solution.search([]) == []
    assert plugin.searches == []
    requests = [SearchRequest("text 1", 3), SearchRequest("a bad query", 3), SearchRequest("text 2", 4)]
    solution.search_many(requests)
    assert [search[:3] for search in plugin.searches] == [("things", 2, 7)]


def test_error_names_the_query_unless_it_does_already(lite):
    lite.write(ROWS[:50])
    solution = lite.solution()
    solution.ingest()
    long = "a bad query " * 1_000
    for queries, message in (
        (["text 1", "a bad query"], "a bad query: the text says bad"),
        ([Path("folder/a bad query")], "folder/a bad query: the text says bad"),
        ([long], f"{('a bad query ' * 10)[:99]}…: the text says bad"),
        (["says bad"], "the text says bad"),
    ):
        with pytest.raises(ItemError) as error:
            solution.search(queries)
        assert str(error.value) == message
    (result,) = solution.search_many([SearchRequest("a bad query")])
    assert str(result) == "the text says bad"  # a server's user knows the query, and must not read a path of it


def test_search_once_measures_the_start_up_apart_from_the_search(lite):
    lite.write(ROWS[:50])
    solution = lite.solution(encoder="{type: hashed, pause: 0.2}")
    solution.ingest()
    solution.close()
    results, startup = solution.search_once([SearchRequest("text 1", 3), SearchRequest("@k2", 3)])
    assert keys(results[0])[0] == "k1"
    assert list(startup) == ["stores", "model"]
    assert startup["stores"] > 1
    timings = results[0].timings_ms
    assert list(timings) == ["decode", "encode", "search", "metadata", "total"]
    assert (startup["model"] >= 200, timings["encode"] >= 200) == (True, True)  # each is a call of encode
    assert timings["total"] == pytest.approx(sum(list(timings.values())[:-1]), abs=150)  # without the model
    assert solution.search_once([SearchRequest("@k2", 3)])[1]["model"] < 200  # nothing to encode
    with pytest.raises(VicinalError, match="limit is 0"):
        solution.search_once([SearchRequest("text 1", 0)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query": 5}, "query is an int"),
        ({"query": ["text 1", None, 5]}, "query.2 is an int"),
        ({"query": ("text 1", "text 2")}, "query is a tuple of str"),
        ({"like": 5}, "like.0 is an int"),
        ({"like": ["@k1", None]}, "like.1 is None"),
        ({"unlike": [["@k1"]]}, "unlike.0 is a list of str"),
        ({"limit": 2.5}, "limit is 2.5"),
        ({"limit": "5"}, "limit is '5'"),
        ({"limit": None}, "limit is None"),
        ({"diversity": "0.3"}, "diversity is '0.3'"),
        ({"diversity": None}, "diversity is None"),
        ({"min_similarity": "x"}, "min_similarity is 'x'"),
        ({"min_similarity": [0.5]}, "min_similarity is [0.5]"),
        ({"filter": 5}, "filter is an int"),
        ({"item_filters": "c1ccccc1"}, "item_filters is a str"),
        ({"item_filters": {"substructure": 5}}, "item_filters is a dict"),
    ],
)
def test_values_of_another_kind_are_refused_by_name(lite, options, message):
    lite.write(ROWS[:10])
    solution = lite.solution()
    solution.ingest()
    with pytest.raises(VicinalError) as error:
        solution.search(**{"query": "text 1", **options})
    assert str(error.value) == message
    assert error.value.hint


def test_numbers_of_numpy_are_numbers(lite):
    lite.write(ROWS[:10])
    solution = lite.solution()
    solution.ingest()
    found = solution.search("text 1", np.int64(3), min_similarity=np.float32(-1), diversity=np.float64(0.5))
    assert len(found) == 3
    assert len(solution.search("text 1", np.int64(3))) == 3


# --- before, during and after an ingest


def test_search_before_the_first_ingest_is_an_error(lite):
    lite.write(ROWS)
    solution = lite.solution()
    for use in (lambda: solution.search("text 1"), lambda: solution.search("@k1"), lambda: solution.search(["a", "b"])):
        with pytest.raises(VicinalError, match="nothing is indexed in 'things' yet") as error:
            use()
        assert error.value.hint == "run `vicinal ingest` first"


def test_search_after_an_interrupted_first_ingest_builds_the_index(workshop):
    class Interrupting:
        @hookimpl
        def batch_written(self, new):
            raise KeyboardInterrupt

    workshop.write(ROWS)
    interrupting = Interrupting()
    workshop.manager.register(interrupting, "interrupting")
    solution = workshop.solution("interrupted")
    with pytest.raises(KeyboardInterrupt):
        solution.ingest()
    state = solution.metadata.state()
    assert ("index" in state) != solution.vectors.embedded  # a server has its exact index before the rows
    assert 0 < state["rows"] < 300
    workshop.manager.unregister(interrupting)
    assert keys(solution.search("text 1", limit=1)) == ["k1"]
    assert solution.vectors.describe_index()["index_type"] == "FLAT"
    assert len(solution.search("text 1", limit=300)) == state["rows"]
    assert solution.ingest().rows == 300
    assert len(solution.search("text 1", limit=300)) == 300


def test_another_process_can_search_immediately(workshop):
    workshop.write(ROWS)
    solution = workshop.solution("found")
    solution.ingest()
    path = workshop.folder / "found.yaml"
    if not workshop.embedded:
        solution.vectors._client.release_collection(solution.vectors.alias)  # as after a restart of the server
    solution.close()
    script = (
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT / 'tests' / 'helpers')!r})\n"
        "import encoders\nfrom vicinal import Solution, create_manager\n"
        "manager = create_manager()\nmanager.register(encoders, 'tests')\n"
        f"with Solution.from_yaml({str(path)!r}, manager=manager) as solution:\n"
        "    found = solution.search([f'text {number}' for number in range(300)], limit=1)\n"
        "    print(*(hits[0].key for hits in found), len(solution.search('text 1', limit=1000)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.split() == [*(f"k{number}" for number in range(300)), "300"]


def test_search_sees_the_changes_of_the_last_run(lite):
    lite.write(ROWS[:10])
    solution = lite.solution()
    solution.ingest()
    assert len(solution.search("text 1", limit=100)) == 10
    lite.write([("k1", "new text", 1), *ROWS[2:20]])
    solution.ingest(prune=True)
    assert len(solution.search("text 1", limit=100)) == 19
    assert keys(solution.search("new text", limit=1)) == ["k1"]
    solution.remove(["k1", "k5"])
    assert not {"k1", "k5"} & set(keys(solution.search("new text", limit=100)))


def test_item_deleted_since_milvus_found_it_is_left_out(lite):
    """Its vectors are still found, and its record is gone, as between the two halves of a search."""
    lite.write(ROWS[:20])
    solution = lite.solution()
    solution.ingest()
    before = solution.search("text 7", limit=20)
    solution.metadata.delete([item_id("k7")])
    after = solution.search("text 7", limit=20)
    assert keys(after) == [key for key in keys(before) if key != "k7"]
    assert [hit.rank for hit in after] == list(range(1, 20))
    assert all(hit.content is not None for hit in after)


def test_indexed_items_of_a_batch_are_fetched_in_one_call(lite, monkeypatch):
    """A Milvus server takes 0.2 s for a call that sees every write: 100 queries by key took 22 s, one by one."""
    lite.write(ROWS[:40])
    solution = lite.solution()
    solution.ingest()
    alone = [keys(solution.search(f"@k{number}", limit=3)) for number in range(30)]
    fetched = []
    fetch_rows = VectorStore.fetch_rows
    monkeypatch.setattr(VectorStore, "fetch_rows", lambda self, ids: fetched.append(len(ids)) or fetch_rows(self, ids))
    requests = [SearchRequest(f"@k{number}", 3) for number in range(30)]
    results = solution.search_many([*requests, SearchRequest("@gone"), requests[0]])
    assert [keys(result) for result in results[:30]] == alone
    assert isinstance(results[30], UnknownItemError)
    assert keys(results[31]) == alone[0]
    assert fetched == [30]
