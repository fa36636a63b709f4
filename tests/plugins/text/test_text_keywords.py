"""The reranker ``keywords``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vicinal import Hit
from vicinal.testing import RerankerContract
from vicinal_text.keywords import KeywordReranker, score_bm25


class TestKeywordReranker(RerankerContract):
    reranker_class = KeywordReranker


def make_hits(*texts, **metadata):
    return [Hit(text, rank, 0.1 * rank, 1 - 0.1 * rank, "", metadata, text) for rank, text in enumerate(texts, 1)]


def rerank_keys(query, found, **params):
    return [hit.key for hit in KeywordReranker(KeywordReranker.Params(**params)).rerank(query, found)]


def test_bm25_by_hand():
    """n = 3, mean length 7 / 3; idf(red) = ln(1 + 1.5 / 2.5), idf(apple) = ln(1 + 2.5 / 1.5)."""
    scores = score_bm25(["red", "apple"], [["green", "pear"], ["red", "apple", "pie"], ["red", "car"]])
    assert scores == pytest.approx([0.0, 1.298992, 0.499177], abs=1e-5)


def test_fusion_by_hand():
    """Ranks by vectors 1, 2, 3 and by words none, 2, 1: 1/61, 1/62 + 1/62 = 0.032258, and 1/63 + 1/61 = 0.032266."""
    found = make_hits("green pear", "red car", "red apple pie")
    assert rerank_keys("red apple", found) == ["red apple pie", "red car", "green pear"]
    assert rerank_keys("red apple", found, weight=0) == ["green pear", "red car", "red apple pie"]


def test_words_match_without_case_in_any_script():
    assert rerank_keys("STRASSE", make_hits("a road", "die Straße")) == ["die Straße", "a road"]
    assert rerank_keys("cafe\u0301", make_hits("tea", "Café")) == ["Café", "tea"]
    assert rerank_keys("首都", make_hits("a city", "東京は日本の首都です"), weight=1)[0] == "東京は日本の首都です"


def test_metadata_counts_only_when_enabled():
    first, second = make_hits("a", "b")
    found = [replace(first, metadata={"answer": "pear"}), replace(second, metadata={"answer": "apple", "year": 1})]
    assert rerank_keys("apple", found) == ["a", "b"]
    assert rerank_keys("apple", found, metadata=True) == ["b", "a"]


@pytest.mark.parametrize("query", ["@red-apple", Path("red apple"), "", "?!"])
def test_queries_without_words_keep_the_order(query):
    assert rerank_keys(query, make_hits("a pear", "red apple")) == ["a pear", "red apple"]
