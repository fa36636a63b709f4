"""A search result shows its hits in a notebook, each as its encoder renders it."""

from __future__ import annotations

import re

import pytest

from vicinal import Hit
from vicinal.types import SearchResult


@pytest.fixture
def things(lite):
    lite.write([("a", "some <b>words</b>", 2001), ("b", "other words", 2002)])
    solution = lite.solution(extra="fields: {year: int64}")
    solution.ingest()
    return solution


def read_text(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).strip()


def test_each_hit_has_rank_key_similarity_text_and_metadata(things):
    html = things.search("other words", limit=1)._repr_html_()
    assert read_text(html) == "other words 1. b 1.000 year 2002"


def test_texts_are_escaped(things):
    html = things.search("some <b>words</b>", limit=1)._repr_html_()
    assert "some &lt;b&gt;words&lt;/b&gt;" in html
    assert "<b>" not in html


def test_each_result_of_several_queries_is_shown(things):
    first, second = things.search(["other words", "some <b>words</b>"], limit=1)
    assert "1. b" in read_text(first._repr_html_())
    assert "1. a" in read_text(second._repr_html_())


def test_it_is_shown_after_the_solution_is_closed(things):
    result = things.search("other words", limit=1)
    things.close()
    assert "1. b" in read_text(result._repr_html_())


def test_no_hits_are_said(things):
    assert read_text(things.search("words", filter="year > 3000")._repr_html_()) == "no hits"


def test_of_many_hits_the_first_fifty_are_shown(lite):
    lite.write([(f"k{number}", f"text {number}", number) for number in range(60)])
    solution = lite.solution()
    solution.ingest()
    html = solution.search("text 7", limit=60)._repr_html_()
    assert "50. k" in html
    assert "51. k" not in html
    assert read_text(html).endswith("and 10 more")


def test_a_segment_is_shown_with_its_place_and_a_reranker_with_score_and_note(things):
    hit = Hit("b", 1, 0.5, 0.5, "", {}, "words", {"number": 3, "start": 3725.0, "end": 3726.0}).with_score(0.25, "good")
    shown = things.search("other words")
    shown.hits = [hit]
    assert read_text(shown._repr_html_()) == "words 1. b 0.500 · at 1:02:05 · score 0.25 · good"


def test_a_result_without_a_solution_is_printed_as_before():
    result = SearchResult([Hit("a", 1, 0.0, 1.0, "", {})], {})
    assert result._repr_html_() is None
    assert repr(result).startswith("SearchResult([Hit(key='a'")


@pytest.mark.parametrize(
    ("segment", "place"),
    [
        (None, ""),
        ({"number": 1, "start": 0.0, "end": 1.0}, "0:00"),
        ({"number": 1, "start": 65.9, "end": 67.0}, "1:05"),
        ({"number": 1, "start": 3725.0, "end": 3726.0}, "1:02:05"),
        ({"number": 1, "label": "bases 1 to 300", "excerpt": "GATTACA"}, "bases 1 to 300"),
    ],
)
def test_the_place_of_a_hit_is_its_label_or_its_time(segment, place):
    assert Hit("a", 1, 0.0, 1.0, "", {}, segment=segment).place == place
