"""A query of several segments ranks items by the mean of each one's best match, exact on both engines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders import Labelled
from search_helpers import keys
from vicinal.search.mean_match import rank_by_mean_match
from vicinal.search.similarity import compute_milvus_distances
from vicinal.stores.milvus import Candidate

pytestmark = pytest.mark.long_on_server

WORDS = [f"w{number}" for number in range(40)]


def make_texts(count, seed=1):
    rng = np.random.default_rng(seed)
    return {f"t{number:03}": " ".join(["intro", *rng.choice(WORDS, rng.integers(1, 9))]) for number in range(count)}


def encode_words(text):
    return Labelled().encode(text.split()).astype(np.float64)


def mean_matches(query, texts, metric):
    """What a search should find, computed over all items: distance by key, best first."""
    means = {}
    for key, text in texts.items():
        a, b = encode_words(query), encode_words(text)
        if metric == "L2":
            distances = ((a[:, None] - b[None]) ** 2).sum(-1)
        else:
            distances = (
                -(a @ b.T) if metric == "IP" else 1 - (a @ b.T) / np.outer(*(np.linalg.norm(x, axis=1) for x in (a, b)))
            )
        means[key] = distances.min(axis=1).mean()
    return dict(sorted(means.items(), key=lambda pair: (round(pair[1], 5), pair[0])))


@pytest.mark.parametrize(
    "metric", ["COSINE", pytest.param("L2", marks=pytest.mark.long), pytest.param("IP", marks=pytest.mark.long)]
)
def test_items_are_ranked_by_the_mean_of_the_best_matches(workshop, metric):
    texts = make_texts(200)
    workshop.write([(key, text, 1) for key, text in texts.items()])
    things = workshop.solution("mean", encoder="{type: labelled}", extra=f"index: {{type: FLAT, metric: {metric}}}")
    things.ingest()
    for query in ("intro w1 w2 w3", "intro w7 intro w9 w9 unheard", "w5 w5"):
        expected = list(mean_matches(query, texts, metric).items())[:20]
        hits = things.search(query, limit=20)
        assert [hit.distance for hit in hits] == pytest.approx([distance for _, distance in expected], abs=1e-4)
        for hit in hits:
            assert hit.distance == pytest.approx(
                mean_matches(query, {hit.key: texts[hit.key]}, metric)[hit.key], abs=1e-4
            )


def test_a_segment_that_all_share_does_not_decide(workshop):
    workshop.write([("a", "intro fish chips", 1), ("b", "intro house garden", 1), ("c", "intro sun sea", 1)])
    things = workshop.solution("shared", encoder="{type: labelled}")
    things.ingest()
    assert keys(things.search("intro sun sea", limit=1)) == ["c"]
    [(first, second, _)] = [things.search("intro sun", limit=3)]
    assert (first.key, first.similarity) == ("c", pytest.approx(1.0, abs=1e-5))
    assert second.similarity < 0.9


def test_by_choice_the_best_match_decides(lite):
    lite.write([("a", "intro fish chips", 1), ("b", "intro house garden", 1), ("c", "intro sun sea", 1)])
    things = lite.solution("shared", encoder="{type: labelled}", extra="match: best")
    things.ingest()
    assert [hit.similarity for hit in things.search("intro sun sea")] == pytest.approx([1.0] * 3, abs=1e-5)


def test_an_indexed_item_of_several_segments_is_ranked_so_too(workshop):
    workshop.write([("a", "intro sun fish", 1), ("b", "intro house garden", 1), ("c", "intro sun sea", 1)])
    things = workshop.solution("indexed", encoder="{type: labelled}")
    things.ingest()
    hits = things.search("@c")
    assert keys(hits) == ["a", "b"]
    texts = {"a": "intro sun fish", "b": "intro house garden"}
    expected = mean_matches("intro sun sea", texts, "COSINE")
    assert [hit.distance for hit in hits] == pytest.approx(list(expected.values()), abs=1e-4)


def test_a_long_query_is_searched_with_evenly_spaced_segments(lite):
    """Segments after the 64th once counted for nothing."""
    lite.write([("first", "start", 1), ("last", "end", 1)])
    things = lite.solution("long", encoder="{type: labelled}")
    things.ingest()
    [first, _] = things.search("start " * 50 + "end " * 150)
    assert first.key == "last"


def test_a_missing_match_is_computed_only_while_it_can_matter():
    """Every segment finds the first item; of the others only those that could still be among the best are computed."""
    lists = [
        [Candidate("both", 0, 0.95), *(Candidate(f"x{number:03}", 0, 0.5) for number in range(100))],
        [Candidate("both", 1, 0.9), Candidate("y", 0, 0.4)],
    ]
    asked = []
    ranked = rank_by_mean_match(
        lists, 1, "COSINE", lambda keys: asked.extend(keys) or {key: [0.5, 0.1] for key in keys}
    )
    assert [(hit.item, hit.distance) for hit in ranked] == [("both", pytest.approx(0.925))]
    assert len(asked) <= 15


@given(
    bits=st.lists(st.sets(st.integers(0, 31), max_size=8), min_size=2, max_size=6),
    query=st.sets(st.integers(0, 31), max_size=8),
)
def test_tanimoto_is_the_same_of_packed_and_of_sparse_bits(bits, query):
    def pack(numbers):
        return np.packbits([number in numbers for number in range(32)]).tobytes()

    def scale(numbers):
        return dict.fromkeys(numbers, 1 / max(len(numbers), 1) ** 0.5)

    expected = [1 - len(query & stored) / max(len(query | stored), 1) for stored in bits]
    packed = compute_milvus_distances([pack(query)], [pack(stored) for stored in bits], "JACCARD")
    sparse = compute_milvus_distances([scale(query)], [scale(stored) for stored in bits], "JACCARD")
    assert packed.tolist() == sparse.tolist() == [pytest.approx(expected)]
