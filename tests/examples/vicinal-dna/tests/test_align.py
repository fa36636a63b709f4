"""The reranker keeps every promise that vicinal relies on, and counts the bases that agree."""

import pytest
from vicinal import Hit
from vicinal.testing import RerankerContract

from vicinal_dna.align import Align, count_matches


def make_hits(*contents: str) -> list[Hit]:
    return [Hit(str(rank), rank, 0.1, 0.9, "", {}, content=text) for rank, text in enumerate(contents, 1)]


class TestAlign(RerankerContract):
    reranker_class = Align
    query = "GATTACA"
    hits = make_hits("CCCCCCCCC", "GATTTCA", "AAGATTACAAA")


def test_the_better_alignment_comes_first_with_its_identity() -> None:
    found = Align().rerank("GATTACA", make_hits("CCCCCCCCC", "ccGATTTCAcc", "AAGATTACAAA"))
    assert [(hit.key, hit.score, hit.note) for hit in found] == [
        ("3", 1.0, "7 of 7 bases, forward strand"),
        ("2", 6 / 7, "6 of 7 bases, forward strand"),
        ("1", 1 / 7, "1 of 7 bases, reverse strand"),
    ]


def test_the_other_strand_is_tried_unless_it_is_switched_off() -> None:
    (hit,) = Align().rerank("GATTACA", make_hits("TGTAATC"))
    assert (hit.score, hit.note) == (1.0, "7 of 7 bases, reverse strand")
    (hit,) = Align(Align.Params(strands="forward")).rerank("GATTACA", make_hits("TGTAATC"))
    assert hit.score == 2 / 7


def test_a_long_sequence_is_aligned_by_its_excerpt() -> None:
    hit = Hit("x", 1, 0.1, 0.9, "", {}, content="C" * 3000, segment={"excerpt": "GATTACA…"})
    assert [found.score for found in Align().rerank("GATTACA", [hit])] == [1.0]


def test_what_is_not_dna_scores_nothing() -> None:
    (hit,) = Align().rerank("GATTACA", make_hits("no sequence"))
    assert (hit.score, hit.note) == (0.0, "nothing to align")
    hits = make_hits("GATTACA")
    assert list(Align().rerank("no sequence", hits)) == hits


@pytest.mark.parametrize(
    ("first", "second", "matches"), [("A", "A", 1), ("ACGT", "CGTA", 3), ("NN", "NN", 0), ("A", "C", 0)]
)
def test_agreeing_bases_are_counted_at_the_best_offset(first: str, second: str, matches: int) -> None:
    assert count_matches(first, second) == matches
