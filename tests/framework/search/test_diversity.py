"""``diversity`` and ``min_similarity``, against brute force."""

from fractions import Fraction

import numpy as np
import pytest
from test_examples import WORDY, count_bits, find_tanimotos

from search_helpers import ROWS, encode_texts, keys
from vicinal import VicinalError, hookimpl
from vicinal.plugin.reranker import Reranker
from vicinal.search.similarity import reaches_similarity

pytestmark = pytest.mark.long_on_server

TEXTS = [text for _, text, _ in ROWS]


def select_by_brute_force(relevances, similarities, limit, diversity):
    """Maximal marginal relevance, as the paper writes it: (n,) and (n, n) to numbers."""
    selected = []
    for _ in range(min(limit, len(relevances))):
        scores = {
            number: (1 - diversity) * relevances[number]
            - diversity * max((similarities[number, other] for other in selected), default=0)
            for number in range(len(relevances))
            if number not in selected
        }
        selected.append(max(scores, key=scores.get))
    return selected


def compare(vectors, metric):
    if metric == "L2":
        return 1 / (1 + ((vectors[:, None] - vectors[None]) ** 2).sum(axis=2))
    if metric == "COSINE":
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ vectors.T


@pytest.mark.parametrize("metric", ["COSINE", "IP", "L2"])
def test_diverse_hits_equal_maximal_marginal_relevance(workshop, metric):
    workshop.write(ROWS)
    solution = workshop.solution(encoder="{type: lengths}", extra=f"index: {{metric: {metric}, type: FLAT}}")
    solution.ingest()
    for limit in (5, 20):
        pool = solution.search("text 7", limit=max(50, 5 * limit))
        vectors = solution.encoder.encode([TEXTS[int(key[1:])] for key in keys(pool)]).astype(np.float64)
        for diversity in (0.1, 0.5, 0.9, 1.0):
            found = solution.search("text 7", limit=limit, diversity=diversity)
            numbers = select_by_brute_force(
                [hit.similarity for hit in pool], compare(vectors, metric), limit, diversity
            )
            assert keys(found) == [pool[number].key for number in numbers]
            assert [hit.rank for hit in found] == list(range(1, limit + 1))
            assert [hit.similarity for hit in found] == pytest.approx([pool[one].similarity for one in numbers])
        assert keys(solution.search("text 7", limit=limit, diversity=0)) == keys(pool)[:limit]


def test_diverse_hits_of_bits_equal_maximal_marginal_relevance(workshop):
    workshop.write(WORDY)
    solution = workshop.solution(encoder="{type: letters}")
    solution.ingest()
    pool = solution.search("apple pear", limit=50)
    bits = count_bits([WORDY[int(key[1:])][1] for key in keys(pool)])
    for diversity in (0.3, 0.7):
        found = solution.search("apple pear", limit=10, diversity=diversity)
        numbers = select_by_brute_force([hit.similarity for hit in pool], find_tanimotos(bits, bits), 10, diversity)
        assert [hit.similarity for hit in found] == pytest.approx([pool[number].similarity for number in numbers])
        chosen = np.ix_(numbers, numbers)
        assert find_tanimotos(bits, bits)[chosen].mean() < find_tanimotos(bits, bits)[:10, :10].mean()


def test_items_of_several_segments_differ_by_those_that_were_found(lite):
    lite.write([("a", "x y", 1), ("b", "x z", 1), ("c", "x", 1), ("d", "w", 1)])
    solution = lite.solution(encoder="{type: labelled}")
    solution.ingest()
    assert set(keys(solution.search("x", limit=3))) == {"a", "b", "c"}  # all by the same x
    first, second = solution.search("x", limit=2, diversity=0.9)
    assert (first.key in "abc", second.key) == (True, "d")


def test_fewer_items_than_are_wanted(lite):
    lite.write(ROWS[:7])
    solution = lite.solution()
    solution.ingest()
    assert sorted(keys(solution.search("text 3", limit=20, diversity=0.5))) == [f"k{number}" for number in range(7)]
    assert keys(solution.search("text 3", limit=20, diversity=0.5, min_similarity=0.99)) == ["k3"]
    assert keys(solution.search("text 3", min_similarity=0.99, diversity=0.5, filter="item == 'k1'")) == []


# --- min_similarity


@pytest.mark.parametrize("encoder", ["hashed", "letters", "labelled"])
def test_hits_of_a_lower_similarity_are_left_out(workshop, encoder):
    workshop.write(WORDY)
    solution = workshop.solution(encoder=f"{{type: {encoder}}}")
    solution.ingest()
    for limit in (4, 240):
        everything = solution.search("apple pear", limit=limit)
        for number in (0, 3, 100)[: 2 + (limit == 240)]:
            least = everything[number].similarity
            found = solution.search("apple pear", limit=limit, min_similarity=least)
            assert keys(found) == [hit.key for hit in everything if hit.similarity >= least - 1e-4]
            assert [hit.rank for hit in found] == list(range(1, len(found) + 1))


@pytest.mark.parametrize("limit", [3, 240])
def test_a_hit_of_just_that_tanimoto_is_none_of_a_lower_one(workshop, limit):
    """Against exact fractions: of 20 bits an item has 1 to 20, and up to 11 others."""
    pairs = [(common, others) for common in range(1, 21) for others in range(12)]
    bits = np.zeros((240, 256), np.uint8)
    for row, (common, others) in zip(bits, pairs, strict=True):
        row[20 - common : 20 + others] = 1
    workshop.write([(f"k{row}", np.packbits(row_bits).tobytes().hex(), 1) for row, row_bits in enumerate(bits)])
    solution = workshop.solution(encoder="{type: bits, bits: 256}")
    solution.ingest()
    query = np.packbits([1] * 20 + [0] * 236).tobytes().hex()
    fractions = [Fraction(common, 20 + others) for common, others in pairs]
    assert len(set(fractions)) > 100
    for least in sorted(set(fractions))[::7]:
        found = solution.search(query, limit=limit, min_similarity=float(least))
        expected = sorted((one for one in fractions if one >= least), reverse=True)[:limit]
        assert [hit.similarity for hit in found] == pytest.approx([float(one) for one in expected], abs=1e-6)


@pytest.mark.parametrize("metric", ["COSINE", "L2"])
def test_a_text_that_is_searched_for_verbatim_is_as_similar_as_can_be(workshop, metric):
    workshop.write(ROWS)
    solution = workshop.solution(encoder=f"{{type: hashed, metric: {metric}}}")
    solution.ingest()
    found = solution.search(TEXTS, min_similarity=1.0)
    assert [keys(result) for result in found] == [[key] for key, _, _ in ROWS]


def test_a_threshold_forgives_rounding_and_no_more():
    """Of bfloat16 in a cosine, of float32 in a Tanimoto; an inner product and L2 have no scale but their own."""
    assert reaches_similarity(0.99998, 1.0, "COSINE")
    assert not reaches_similarity(0.9998, 1.0, "COSINE")
    assert reaches_similarity(1 - float(np.float32(0.8)), 0.2, "JACCARD")
    assert not reaches_similarity(1 / 5 - 1 / 1_500**2, 0.2, "JACCARD")
    assert reaches_similarity(-3.0001, -3.0, "IP")
    assert not reaches_similarity(0.00099, 0.001, "IP")
    assert not reaches_similarity(0.00099, 0.001, "L2")


def test_hits_of_a_search_for_words_are_left_out_as_well(lite):
    lite.write(ROWS)
    solution = lite.solution(extra="hybrid: true")
    solution.ingest()
    near = encode_texts(TEXTS) @ encode_texts(["text 7"])[0]
    found = solution.search("text 7", limit=10, min_similarity=0.4)
    assert 1 < len(found) == min(10, (near >= 0.4).sum())
    assert all(hit.similarity >= 0.4 for hit in found)


@pytest.mark.parametrize(
    ("encoder", "value", "hint"),
    [
        ("{type: hashed}", 1.1, "similarities are -1 to 1 here (COSINE)"),
        ("{type: hashed}", -2, "similarities are -1 to 1 here (COSINE)"),
        ("{type: hashed}", np.nan, "similarities are -1 to 1 here (COSINE)"),
        ("{type: letters}", -0.1, "similarities are 0 to 1 here (JACCARD)"),
        ("{type: hashed, metric: L2}", 2, "similarities are 0 to 1 here (L2)"),
        ("{type: hashed, metric: IP}", np.inf, "it must be a finite number"),
    ],
)
def test_a_similarity_that_no_item_can_have_is_refused(lite, encoder, value, hint):
    lite.write(ROWS[:10])
    solution = lite.solution(encoder=encoder)
    solution.ingest()
    with pytest.raises(VicinalError) as error:
        solution.search("text 1", min_similarity=value)
    assert (str(error.value), error.value.hint) == (f"min_similarity is {value}", hint)


def test_a_diversity_out_of_range_is_refused(lite):
    lite.write(ROWS[:10])
    solution = lite.solution()
    solution.ingest()
    for value in (1.5, -0.5, np.nan):
        with pytest.raises(VicinalError) as error:
            solution.search("text 1", diversity=value)
        assert (str(error.value), error.value.hint) == (f"diversity is {value}", "a diversity is 0 to 1")


def test_any_number_is_an_inner_product(lite):
    lite.write(ROWS[:10])
    solution = lite.solution(encoder="{type: hashed, metric: IP}")
    solution.ingest()
    assert len(solution.search("text 1", min_similarity=-5)) == 10
    assert keys(solution.search("text 1", min_similarity=5)) == []


# --- with a reranker


class LastFirst(Reranker):
    """The hits in the opposite order, with scores."""

    def rerank(self, query, hits):
        return [hit.with_score(100 + number) for number, hit in enumerate(reversed(hits))]


class Plugin:
    @hookimpl
    def register_rerankers(self, rerankers):
        rerankers.add("last-first", "test_diversity:LastFirst")


def test_a_reranker_s_order_is_what_relevance_falls_by(lite):
    lite.manager.register(Plugin(), "last-first")
    lite.write(ROWS)
    solution = lite.solution("plain")
    solution.ingest()
    pool = solution.search("text 7", limit=50)
    solution.close()
    solution = lite.solution("things", extra="rerank: {type: last-first}")
    solution.ingest()
    reranked = pool[::-1]
    vectors = encode_texts([TEXTS[int(hit.key[1:])] for hit in reranked]).astype(np.float64)
    numbers = select_by_brute_force([hit.similarity for hit in pool], vectors @ vectors.T, 10, 0.4)
    found = solution.search("text 7", limit=10, diversity=0.4)
    assert keys(found) == [reranked[number].key for number in numbers]
    assert [hit.score for hit in found] == [100 + number for number in numbers]


def test_without_a_query_there_is_nothing_to_rerank_by(lite):
    lite.manager.register(Plugin(), "last-first")
    lite.write(ROWS)
    solution = lite.solution(extra="rerank: {type: last-first}")
    solution.ingest()
    found = solution.search(like=["@k1", "@k2"], limit=5)
    assert [hit.similarity for hit in found] == sorted((hit.similarity for hit in found), reverse=True)
    assert [hit.score for hit in found] == [None] * 5
    assert solution.search("text 7", like=["@k1"], limit=5)[0].score == 100
