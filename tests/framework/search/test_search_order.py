"""The order and the similarity of hits: by metrics, by segments, by words."""

from __future__ import annotations

import numpy as np
import pytest

from search_helpers import ROWS, encode_texts, keys
from vicinal.errors import FilterError, UnsupportedByEngineError

pytestmark = pytest.mark.long_on_server

# --- metrics


@pytest.mark.parametrize("metric", ["L2", "IP", "COSINE"])
def test_distance_and_similarity_equal_those_of_numpy(workshop, metric):
    """The vectors have different lengths, so that the three metrics differ in order, too."""
    workshop.write([(f"k{number}", f"long text {number}", 1) for number in range(200)])
    solution = workshop.solution(f"metric-{metric}", encoder="{type: lengths}", extra=f"index: {{metric: {metric}}}")
    solution.ingest()
    encode = solution.encoder.encode
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
    result = solution.search("query", limit=20)
    assert keys(result) == [f"k{number}" for number in order]
    assert [hit.distance for hit in result] == pytest.approx(distances[order], rel=1e-4, abs=1e-5)
    assert [hit.similarity for hit in result] == pytest.approx(similarities[order], rel=1e-4, abs=1e-5)
    itself = solution.search("long text 3", limit=1 if metric != "IP" else 200)
    same = next(hit for hit in itself if hit.key == "k3")
    expected = (stored[3] @ stored[3]) if metric == "IP" else 1
    assert same.similarity == pytest.approx(expected, rel=1e-4)


def test_tanimoto_is_intersection_over_union_of_bits(workshop):
    texts = ["banana", "bananas", "ananas", "cabana", "xylophone", "anab", "nana"]
    workshop.write([(text, text, 1) for text in texts])
    solution = workshop.solution("metric-jaccard", encoder="{type: letters}")
    solution.ingest()
    bits = np.unpackbits(solution.encoder.encode(texts), axis=1).astype(bool)
    tanimoto = {text: (bits[0] & row).sum() / (bits[0] | row).sum() for text, row in zip(texts, bits, strict=True)}
    expected = sorted((text for text in texts if tanimoto[text] > 0), key=lambda text: (-tanimoto[text], text))
    result = solution.search("banana")
    assert keys(result) == expected
    assert "xylophone" not in expected  # what has no bit in common is no hit
    assert [hit.similarity for hit in result] == pytest.approx([tanimoto[text] for text in expected], abs=1e-6)
    assert [hit.distance for hit in result] == pytest.approx([1 - tanimoto[text] for text in expected], abs=1e-6)
    assert keys(solution.search("@banana")) == expected[1:]


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
    solution = workshop.solution("segments", encoder="{type: words}")
    solution.ingest()
    result = solution.search("banana", limit=3)
    assert result[0].key == "both"
    assert result[0].segment == {"number": 1, "start": 1.0, "end": 2.0}
    assert result[0].similarity == pytest.approx(1, abs=1e-5)

    result = solution.search("apple", limit=33)
    assert keys(result)[:3] == ["both", "many", "one"]  # equally near, so by name
    assert len(result) == 33  # fifty segments of one item do not crowd the others out
    assert len(set(keys(result))) == 33
    assert [hit.segment["number"] for hit in result[:3]] == [0, 0, 1]
    assert [hit.rank for hit in result] == list(range(1, 34))
    assert [hit.distance for hit in result] == sorted(hit.distance for hit in result)
    best = (
        encode_texts(["apple"])
        @ encode_texts([f"w{number}" for number in range(30)] + [f"x{number}" for number in range(30)]).T
    )
    of_k = {f"k{number}": max(best[0, number], best[0, 30 + number]) for number in range(30)}
    assert [hit.similarity for hit in result[3:]] == pytest.approx(sorted(of_k.values(), reverse=True), abs=1e-5)

    both = solution.search("banana cherry", limit=2)  # a query of two segments: the mean of the best match of each
    assert keys(both) == ["both", "one"]
    banana = (encode_texts(["banana"]) @ encode_texts(["cherry", "apple"]).T).max()
    assert [hit.similarity for hit in both] == pytest.approx([1, (banana + 1) / 2], abs=1e-5)
    assert keys(solution.search("@one", limit=2)) == ["both", "many"]


# --- words and vectors


def test_hybrid_search_finds_a_rare_word(lite):
    rows = [(f"k{number:03}", f"an ordinary text about number {number}", number) for number in range(200)]
    lite.write([*rows, ("rare", "a note on the zymurgy of number 7", 5)])
    solution = lite.solution("hybrid", extra="hybrid: true\nfields: {year: int64}")
    solution.ingest()
    plain = lite.solution("plain")
    plain.ingest()
    assert "rare" not in keys(plain.search("zymurgy", limit=20))

    result = solution.search("zymurgy", limit=20)
    assert result[0].key == "rare"
    texts = {hit.key: hit.content for hit in result}
    cosines = encode_texts(["zymurgy"]) @ encode_texts(list(texts.values())).T
    assert [hit.similarity for hit in result] == pytest.approx(cosines[0], abs=1e-5)
    assert [hit.distance for hit in result] == pytest.approx(1 - cosines[0], abs=1e-5)
    assert [hit.rank for hit in result] == list(range(1, len(result) + 1))
    # The first of both lists leads; what only the vectors find follows in their order.
    assert keys(result)[1:10] == keys(plain.search("zymurgy", limit=9))

    assert keys(solution.search("zymurgy", limit=3, filter="year == 7")) == ["k007"]
    assert "rare" not in keys(solution.search("@rare", limit=10))
    assert [keys(hits)[0] for hits in solution.search(["zymurgy", "an ordinary text about number 3"], limit=1)] == [
        "rare",
        "k003",
    ]
    assert len(solution.search("zymurgy", limit=1_000)) == 201
    with pytest.raises(FilterError):
        solution.search("zymurgy", filter="nonsense ==")


def test_hybrid_hits_are_items_not_segments(lite):
    lite.write([("a", "apple banana apple", 1), ("b", "banana cherry", 1), ("c", "cherry", 1)])
    solution = lite.solution("hybrid-words", encoder="{type: words}", extra="hybrid: true")
    solution.ingest()
    result = solution.search("apple", limit=3)
    assert sorted(keys(result)) == ["a", "b", "c"]
    assert (result[0].key, result[0].similarity) == ("a", pytest.approx(1, abs=1e-5))


def test_hybrid_is_refused_by_an_engine_without_full_text_index(milvus_server, redis_url, lite):
    lite.milvus, lite.redis = milvus_server, redis_url
    lite.write(ROWS)
    solution = lite.solution("hybrid", extra="hybrid: true")
    lite._made.clear()
    with pytest.raises(UnsupportedByEngineError, match=r"Milvus 2\.3\.5 has no full-text index") as error:
        solution.ingest()
    assert "rerank: {type: keywords}" in error.value.hint
    assert solution.metadata.state() == {}
    solution.close()
