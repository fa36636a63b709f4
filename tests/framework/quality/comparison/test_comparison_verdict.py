"""The sentence that a comparison ends with."""

from __future__ import annotations

from itertools import combinations

import pytest

from vicinal.quality.comparison.report import ComparedSolution, Comparison, PairedTest
from vicinal.quality.comparison.size import VectorSize
from vicinal.quality.comparison.speed import Speed
from vicinal.quality.comparison.verdict import describe_comparison
from vicinal.quality.estimates import Estimate, adjust_by_holm


def describe(values, ps=(), *, sizes=(1,) * 5, speeds=(), equal=0, queries=400):
    """The verdict on A, B, …: by their figures, the p of each pair, bytes, and milliseconds of (search, encode)."""
    names = "ABCDE"[: len(values)]
    timings = [Speed(100, search, search * 1.2, encode, 100, 1000 / encode) for search, encode in speeds]
    compared = [
        ComparedSolution(
            name, name, f"encoder {name}", 500, {"mAP@10": Estimate(value, value, value)},
            VectorSize(8, "float", 1.0, size, "FLAT", size), None, speed,
        )
        for name, value, size, speed in zip(names, values, sizes, timings or [None] * len(values), strict=False)
    ]  # fmt: skip
    pairs = [
        PairedTest(a.name, b.name, Estimate(0.4, 0.3, 0.5), equal, _estimate_difference(a, b), p, adjusted)
        for (a, b), p, adjusted in zip(combinations(compared, 2), ps, adjust_by_holm(ps), strict=True)
    ]
    return describe_comparison(Comparison("folder", "mAP@10", 10, queries, 500, compared, pairs))


def _estimate_difference(first, second):
    difference = second.metrics["mAP@10"].value - first.metrics["mAP@10"].value
    return Estimate(difference, difference - 0.02, difference + 0.02)


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (
            {"values": (0.52, 0.61), "ps": [0.0002], "sizes": (4, 1)},
            "B is better: mAP@10 0.61 against 0.52 (p = 0.0002), and its vectors are a quarter of the size",
        ),
        (
            {"values": (0.61, 0.52), "ps": [0.03], "sizes": (3, 2)},
            "A is better: mAP@10 0.61 against 0.52 (p = 0.03), but its vectors are 1.5 times the size",
        ),
        (
            {"values": (0.6111, 0.6122), "ps": [0.001], "sizes": (1, 2), "speeds": ((2, 5), (1, 50))},
            "B is better: mAP@10 0.612 against 0.611 (p = 0.001), and it searches 2 times as fast,"
            " but its vectors are twice the size, and it encodes 10 times as slowly",
        ),
        (
            {"values": (0.61, 0.6), "ps": [0.38]},
            "no difference that 400 queries could show: mAP@10 0.61 and 0.60"
            " (difference -0.010, 95% interval -0.030 to +0.010, p = 0.38)",
        ),
        (
            {"values": (0.61, 0.6), "ps": [0.38], "sizes": (8, 1), "speeds": ((1, 5), (1.1, 5.1))},
            "no difference that 400 queries could show: mAP@10 0.61 and 0.60"
            " (difference -0.010, 95% interval -0.030 to +0.010, p = 0.38); B's vectors are an eighth of the size",
        ),
        (
            {"values": (0.5, 0.5), "ps": [1.0], "equal": 400},
            "no difference: both find the same for each of 400 queries",
        ),
        (
            {"values": (0.5, 0.5, 0.5), "ps": [1.0] * 3, "equal": 400},
            "no difference: all find the same for each of 400 queries",
        ),
        (
            {"values": (0.52, 0.61, 0.55), "ps": [0.0001, 0.2, 0.02]},
            "B is best: mAP@10 0.61, against C (0.55) and A (0.52), p ≤ 0.04 by Holm",
        ),
        (
            {"values": (0.52, 0.61, 0.60), "ps": [0.0001, 0.0002, 0.4]},
            "B (mAP@10 0.61) is better than A (0.52), p = 0.0003 by Holm;"
            " between it and C (0.60) 400 queries could show no difference",
        ),
        (
            {"values": (0.60, 0.61, 0.62), "ps": [0.3, 0.03, 0.4]},
            "no difference that 400 queries could show: mAP@10 from 0.60 (A) to 0.62 (C)",
        ),
    ],
)  # fmt: skip
def test_the_verdict_says_what_the_figures_show(given, verdict):
    assert describe(**given) == verdict


def test_one_of_three_that_are_all_alike_by_holm_is_not_called_better():
    """A p of 0.03 alone would be called a difference; of three tests it is not."""
    assert describe((0.60, 0.62), [0.03]).startswith("B is better")
    assert describe((0.60, 0.62, 0.61), [0.03, 0.5, 0.5]).startswith("no difference")
