"""What is near: ordered, measured, filtered, grouped by item."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from encoders import Hashed
from vicinal import BadItem, Reranker, VicinalError, hookimpl
from vicinal.errors import FilterError, UnknownItem, UnsupportedByEngine

ROWS = [(f"k{number}", f"text {number}", 2000 + number % 10) for number in range(300)]


@pytest.fixture
def things(workshop):
    """Three hundred texts with a declared year."""
    workshop.write(ROWS)
    things = workshop.solution(extra="fields: {year: int64}")
    things.ingest()
    return things


def vectors_of(texts, **params):
    return Hashed(Hashed.Params(**params)).encode(texts)


def keys(hits):
    return [hit.key for hit in hits]


def test_a_search_answers_what_comparing_with_everything_answers(things):
    """One query and many, any limit, filters, @key: on one collection, since a server takes seconds to load one."""
    texts = [text for _, text, _ in ROWS]
    near = vectors_of(["text 7", "something else", "text 8"]) @ vectors_of(texts).T
    expected = [[f"k{number}" for number in row] for row in np.argsort(-near, axis=1)]

    result = things.search("text 7", limit=5)
    assert keys(result) == expected[0][:5]
    assert [hit.rank for hit in result] == [1, 2, 3, 4, 5]
    assert [hit.similarity for hit in result] == pytest.approx(np.sort(near[0])[::-1][:5], abs=1e-5)
    assert [hit.distance for hit in result] == pytest.approx([1 - hit.similarity for hit in result], abs=1e-6)
    first = result[0]
    assert (first.key, first.uri, first.content, first.metadata) == ("k7", first.uri, "text 7", {"year": "2007"})
    assert first.segment is None
    assert (first.similarity, first.distance) == (pytest.approx(1, abs=1e-6), pytest.approx(0, abs=1e-6))
    assert list(result.timings_ms) == ["decode", "encode", "search", "metadata", "total"]
    assert all(0 <= value <= result.timings_ms["total"] for value in result.timings_ms.values())
    assert result.to_dict("things")["hits"][0] == {
        "key": "k7", "rank": 1, "distance": first.distance, "similarity": first.similarity, "uri": first.uri,
        "metadata": {"year": "2007"}, "content": "text 7", "segment": None,
    }  # fmt: skip
    assert (len(result), result[:2], repr(result).startswith("SearchResult([Hit(key='k7'")) == (
        5,
        result.hits[:2],
        True,
    )

    many = things.search(["text 7", "something else", "text 8"], limit=20)
    assert [keys(hits) for hits in many] == [row[:20] for row in expected]
    assert things.search([]) == []

    assert keys(things.search("text 7", limit=1)) == ["k7"]
    assert keys(things.search("text 7", limit=300)) == expected[0]
    assert keys(things.search("text 7", limit=16_384)) == expected[0]
    for limit in (0, -1, 16_385):
        with pytest.raises(VicinalError, match=f"limit is {limit}"):
            things.search("text 7", limit=limit)

    of_2003 = [key for key in expected[0] if int(key[1:]) % 10 == 3]
    assert keys(things.search("text 7", limit=100, filter="year == 2003")) == of_2003
    assert keys(things.search("text 7", limit=3, filter="year in [2003, 2001] and item != 'k7'"))[0] in expected[0][1:]
    assert keys(things.search("text 7", limit=5, filter="year > 3000")) == []
    assert keys(things.search("@k7", limit=100, filter="year == 2003")) == of_2003
    for wrong in ("year ==", "yeer == 2003", "year == 'x'"):
        with pytest.raises(FilterError) as error:
            things.search("text 7", filter=wrong)
        assert "item, segment, year" in error.value.hint

    assert keys(things.search("@k7", limit=5)) == expected[0][1:6]
    assert keys(things.search("@k7", limit=300)) == expected[0][1:]
    mixed = things.search(["@k7", "text 8", "@k8"], limit=4)
    assert [keys(hits) for hits in mixed] == [expected[0][1:5], expected[2][:4], expected[2][1:5]]
    with pytest.raises(UnknownItem, match="no item has the key 'K7'") as error:
        things.search(["text 7", "@K7"])
    assert error.value.hint == "write a text that begins with @ as \\@…; keys are case-sensitive"

    with pytest.raises(BadItem, match="the text says bad"):
        things.search("a bad query")
    assert keys(things.search(Path("text 7"), limit=1)) == ["k7"]


def test_a_text_that_begins_with_at_is_written_with_a_backslash(lite):
    lite.write([("k", "@home", 1), ("@", "text", 1), ("l", "\\@home", 1)])
    things = lite.solution()
    things.ingest()
    assert keys(things.search("\\@home", limit=1)) == ["k"]
    assert keys(things.search("@@", limit=1)) != ["@"]
    with pytest.raises(UnknownItem):
        things.search("@home")


# --- metrics


@pytest.mark.parametrize("metric", ["L2", "IP", "COSINE"])
def test_distance_and_similarity_are_what_numpy_says(workshop, metric):
    """The vectors have different lengths, so that the three metrics differ in order, too."""
    workshop.write([(f"k{number}", f"long text {number}", 1) for number in range(200)])
    things = workshop.solution(f"metric-{metric}", encoder="{type: lengths}", extra=f"index: {{metric: {metric}}}")
    things.ingest()
    encode = things.encoder.encode
    stored, query = (
        encode([f"long text {number}" for number in range(200)]).astype(float),
        encode(["query"])[0].astype(float),
    )
    if metric == "L2":
        distances = ((stored - query) ** 2).sum(axis=1)
        similarities = 1 / (1 + distances)
    elif metric == "IP":
        similarities = stored @ query
        distances = -similarities
    else:
        similarities = stored @ query / np.linalg.norm(stored, axis=1) / np.linalg.norm(query)
        distances = 1 - similarities
    order = np.argsort(distances)[:20]
    result = things.search("query", limit=20)
    assert keys(result) == [f"k{number}" for number in order]
    assert [hit.distance for hit in result] == pytest.approx(distances[order], rel=1e-4, abs=1e-5)
    assert [hit.similarity for hit in result] == pytest.approx(similarities[order], rel=1e-4, abs=1e-5)
    itself = things.search("long text 3", limit=1 if metric != "IP" else 200)
    same = next(hit for hit in itself if hit.key == "k3")
    expected = (stored[3] @ stored[3]) if metric == "IP" else 1
    assert same.similarity == pytest.approx(expected, rel=1e-4)


def test_tanimoto_is_the_share_of_bits_that_both_have(workshop):
    texts = ["banana", "bananas", "ananas", "cabana", "xylophone", "anab", "nana"]
    workshop.write([(text, text, 1) for text in texts])
    things = workshop.solution("metric-jaccard", encoder="{type: letters}")
    things.ingest()
    bits = np.unpackbits(things.encoder.encode(texts), axis=1).astype(bool)
    tanimoto = {text: (bits[0] & row).sum() / (bits[0] | row).sum() for text, row in zip(texts, bits, strict=True)}
    expected = sorted((text for text in texts if tanimoto[text] > 0), key=lambda text: (-tanimoto[text], text))
    result = things.search("banana")
    assert keys(result) == expected
    assert "xylophone" not in expected  # what has no bit in common is no hit
    assert [hit.similarity for hit in result] == pytest.approx([tanimoto[text] for text in expected], abs=1e-6)
    assert [hit.distance for hit in result] == pytest.approx([1 - tanimoto[text] for text in expected], abs=1e-6)
    assert keys(things.search("@banana")) == expected[1:]


# --- items of several segments


def test_hits_are_items_each_with_its_nearest_segment(workshop):
    workshop.write(
        [
            ("both", "apple banana cherry", 1),
            ("one", "cherry apple", 1),
            ("many", " ".join(["apple"] * 50), 1),
            *((f"k{number}", f"w{number} x{number}", 1) for number in range(30)),
        ]
    )
    things = workshop.solution("segments", encoder="{type: words}")
    things.ingest()
    result = things.search("banana", limit=3)
    assert result[0].key == "both"
    assert result[0].segment == {"number": 1, "start": 1.0, "end": 2.0}
    assert result[0].similarity == pytest.approx(1, abs=1e-5)

    result = things.search("apple", limit=33)
    assert keys(result)[:3] == ["both", "many", "one"]  # equally near, so by name
    assert len(result) == 33  # fifty segments of one item do not crowd the others out
    assert len(set(keys(result))) == 33
    assert [hit.segment["number"] for hit in result[:3]] == [0, 0, 1]
    assert [hit.rank for hit in result] == list(range(1, 34))
    assert [hit.distance for hit in result] == sorted(hit.distance for hit in result)
    best = (
        vectors_of(["apple"])
        @ vectors_of([f"w{number}" for number in range(30)] + [f"x{number}" for number in range(30)]).T
    )
    of_k = {f"k{number}": max(best[0, number], best[0, 30 + number]) for number in range(30)}
    assert [hit.similarity for hit in result[3:]] == pytest.approx(sorted(of_k.values(), reverse=True), abs=1e-5)

    both = things.search("banana cherry", limit=2)  # a query of two segments: an item is as near as its nearest
    assert keys(both) == ["both", "one"]
    assert [hit.similarity for hit in both] == pytest.approx([1, 1], abs=1e-5)
    assert keys(things.search("@one", limit=2)) == ["both", "many"]


# --- words and vectors


def test_hybrid_finds_a_rare_word_that_the_vector_does_not(lite):
    rows = [(f"k{number:03}", f"an ordinary text about number {number}", number) for number in range(200)]
    lite.write([*rows, ("rare", "a note on the zymurgy of number 7", 5)])
    things = lite.solution("hybrid", extra="hybrid: true\nfields: {year: int64}")
    things.ingest()
    plain = lite.solution("plain")
    plain.ingest()
    assert "rare" not in keys(plain.search("zymurgy", limit=20))

    result = things.search("zymurgy", limit=20)
    assert result[0].key == "rare"
    texts = {hit.key: hit.content for hit in result}
    cosines = vectors_of(["zymurgy"]) @ vectors_of(list(texts.values())).T
    assert [hit.similarity for hit in result] == pytest.approx(cosines[0], abs=1e-5)
    assert [hit.distance for hit in result] == pytest.approx(1 - cosines[0], abs=1e-5)
    assert [hit.rank for hit in result] == list(range(1, len(result) + 1))
    # The first of both lists leads; what only the vectors find follows in their order.
    assert keys(result)[1:10] == keys(plain.search("zymurgy", limit=9))

    assert keys(things.search("zymurgy", limit=3, filter="year == 7")) == ["k007"]
    assert "rare" not in keys(things.search("@rare", limit=10))
    assert [keys(hits)[0] for hits in things.search(["zymurgy", "an ordinary text about number 3"], limit=1)] == [
        "rare",
        "k003",
    ]
    assert len(things.search("zymurgy", limit=1_000)) == 201
    with pytest.raises(FilterError):
        things.search("zymurgy", filter="nonsense ==")


def test_hybrid_hits_are_items_too(lite):
    lite.write([("a", "apple banana apple", 1), ("b", "banana cherry", 1), ("c", "cherry", 1)])
    things = lite.solution("hybrid-words", encoder="{type: words}", extra="hybrid: true")
    things.ingest()
    result = things.search("apple", limit=3)
    assert sorted(keys(result)) == ["a", "b", "c"]
    assert (result[0].key, result[0].similarity) == ("a", pytest.approx(1, abs=1e-5))


def test_hybrid_is_refused_where_the_engine_knows_no_words(milvus_server, redis_url, lite):
    lite.milvus, lite.redis = milvus_server, redis_url
    lite.write(ROWS)
    things = lite.solution("hybrid", extra="hybrid: true")
    lite._made.clear()
    with pytest.raises(UnsupportedByEngine, match=r"Milvus 2\.3\.5 has no full-text index") as error:
        things.ingest()
    assert "rerank: {type: keywords}" in error.value.hint
    assert things.metadata.state() == {}
    things.close()


# --- rerankers and observers


class Backwards(Reranker):
    """Turns the order round, and drops the nearest."""

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


def test_a_reranker_orders_more_candidates_than_are_wanted(lite):
    plugin = Plugin()
    assert lite.manager.register(plugin, "backwards").status == "ok"
    lite.write(ROWS[:50])
    lite.solution("things").ingest()
    nearest = keys(lite._made[0].search("text 3", limit=6))
    lite._made[0].close()
    Backwards.seen.clear()
    things = lite.solution("things", extra="rerank: {type: backwards}")
    result, other = things.search(["text 3", "@k3"], limit=2)
    assert Backwards.seen == [("text 3", nearest), ("@k3", Backwards.seen[1][1])]
    assert (keys(result), [hit.rank for hit in result]) == ([nearest[5], nearest[4]], [1, 2])
    assert len(other) == 2
    assert result[0].distance > result[1].distance  # as found
    (name, queries, hits, milliseconds), *_ = plugin.searches[::-1]
    assert (name, queries, hits) == ("things", 2, 4)
    assert milliseconds == result.timings_ms["total"]


# --- before, during and after an ingest


def test_a_search_before_anything_is_indexed_says_so(lite):
    lite.write(ROWS)
    things = lite.solution()
    for use in (lambda: things.search("text 1"), lambda: things.search("@k1"), lambda: things.search(["a", "b"])):
        with pytest.raises(VicinalError, match="nothing is indexed in 'things' yet") as error:
            use()
        assert error.value.hint == "run `vicinal ingest` first"


def test_a_search_after_an_interrupted_first_ingest_builds_the_index(workshop):
    class Interrupted(Exception):
        pass

    class Interrupting:
        @hookimpl
        def batch_written(self, new):
            raise Interrupted

    workshop.write(ROWS)
    interrupting = Interrupting()
    workshop.manager.register(interrupting, "interrupting")
    things = workshop.solution("interrupted")
    with pytest.raises(Interrupted):
        things.ingest()
    state = things.metadata.state()
    assert ("index" in state) != things.vectors.embedded  # a server has its exact index before the rows
    assert 0 < state["rows"] < 300
    workshop.manager.unregister(interrupting)
    assert keys(things.search("text 1", limit=1)) == ["k1"]
    assert things.vectors.index_in_use()["index_type"] == "FLAT"
    assert len(things.search("text 1", limit=300)) == state["rows"]
    assert things.ingest().rows == 300
    assert len(things.search("text 1", limit=300)) == 300


def test_another_process_finds_everything_at_once(workshop):
    workshop.write(ROWS)
    things = workshop.solution("found")
    things.ingest()
    path = workshop.folder / "found.yaml"
    if not workshop.embedded:
        things.vectors._client.release_collection(things.vectors.alias)  # as after a restart of the server
    things.close()
    script = (
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent.parent)!r})\n"
        "import encoders\nfrom vicinal import Solution, create_manager\n"
        "manager = create_manager()\nmanager.register(encoders, 'tests')\n"
        f"with Solution.from_yaml({str(path)!r}, manager=manager) as things:\n"
        "    found = things.search([f'text {number}' for number in range(300)], limit=1)\n"
        "    print(*(hits[0].key for hits in found), len(things.search('text 1', limit=1000)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.split() == [*(f"k{number}" for number in range(300)), "300"]


def test_a_search_sees_what_the_last_run_changed(lite):
    lite.write(ROWS[:10])
    things = lite.solution()
    things.ingest()
    assert len(things.search("text 1", limit=100)) == 10
    lite.write([("k1", "new text", 1), *ROWS[2:20]])
    things.ingest(prune=True)
    assert len(things.search("text 1", limit=100)) == 19
    assert keys(things.search("new text", limit=1)) == ["k1"]
    things.remove(["k1", "k5"])
    assert not {"k1", "k5"} & set(keys(things.search("new text", limit=100)))
