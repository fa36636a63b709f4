"""What stands behind an evaluation's figures: labels, confusions and the worst queries, computed again directly."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from test_searches import compute_figures, rank_others

from search_helpers import ROWS, encode_texts
from vicinal import evaluate
from vicinal.quality.evaluation.search_details import Confusions

NDCG = 5
"""The place of nDCG@10 in what `compute_figures` returns."""


@pytest.fixture
def years(lite):
    """Sixty texts in ten groups of six, indexed."""
    lite.write(ROWS[:60])
    solution = lite.solution(extra="fields: {year: int64}")
    solution.ingest()
    return solution


@pytest.fixture
def order():
    return rank_others([text for _, text, _ in ROWS[:60]])


@pytest.fixture
def values(order):
    """The nDCG@10 of each text."""
    year = np.array([year for _, _, year in ROWS[:60]])
    return [compute_figures((year[row] == year[number]).tolist(), 5)[NDCG] for number, row in enumerate(order)]


def test_labels_have_the_mean_of_their_queries_lowest_first(years, values):
    details = evaluate(years, labels="year", index_recall=False).details
    assert details.measure == "nDCG@10"
    means = {str(2000 + year): np.mean([values[number] for number in range(year, 60, 10)]) for year in range(10)}
    assert {one.label: one.estimate.value for one in details.labels} == pytest.approx(means)
    assert [one.label for one in details.labels] == sorted(means, key=means.get)
    assert {one.queries for one in details.labels} == {6}
    assert all(one.estimate.low <= one.estimate.value <= one.estimate.high for one in details.labels)


def test_the_distribution_counts_every_query(years, values):
    details = evaluate(years, labels="year", index_recall=False).details
    expected = Counter(min(int(value * 20), 19) for value in values)
    assert details.distribution == [expected[part] for part in range(20)]


def test_confusions_are_those_of_the_first_hits(years, order):
    confusions = evaluate(years, labels="year", index_recall=False).details.confusions
    expected = Counter((str(ROWS[number][2]), str(ROWS[row[0]][2])) for number, row in enumerate(order))
    assert dict(confusions.counts) == expected
    rows, columns, counts = confusions.build_matrix()
    assert rows == columns == [str(year) for year in range(2000, 2010)]
    assert counts == [[expected[row, column] for column in columns] for row in rows]
    pairs = confusions.list_pairs()
    assert pairs[0][2] == max(count for pair, count in expected.items() if pair[0] != pair[1])
    assert all(label != found for label, found, _ in pairs)


def test_the_worst_queries_show_what_was_found_and_what_was_not(years, values, order):
    details = evaluate(years, labels="year", index_recall=False).details
    near = encode_texts([text for _, text, _ in ROWS[:60]])
    near = near @ near.T
    year = [row[2] for row in ROWS[:60]]

    def rank(number):
        wrong = next(other for other in order[number][:10] if year[other] != year[number])
        return round(values[number], 9), -round(float(near[number, wrong]), 5)

    numbers = [int(one.query.removeprefix("@k")) for one in details.worst]
    assert list(map(rank, numbers)) == sorted(rank(number) for number in range(60) if values[number] < 1)[:20]
    for number, one in zip(numbers, details.worst, strict=True):
        assert one.value == pytest.approx(values[number])
        assert (one.label, one.relevant) == (str(year[number]), 5)
        assert [hit.hit.key for hit in one.hits] == [f"k{other}" for other in order[number][:5]]
        assert [hit.gain for hit in one.hits] == [int(year[other] == year[number]) for other in order[number][:5]]
        assert [hit.label for hit in one.hits] == [str(year[other]) for other in order[number][:5]]
        found = {f"k{other}" for other in order[number][:10]}
        assert len(one.missed) == min(3, 5 - sum(year[other] == year[number] for other in order[number][:10]))
        assert all(year[int(key[1:])] == year[number] and key not in found for key in one.missed)


def test_judged_queries_have_no_labels_and_miss_the_most_relevant_first(years, lite, order):
    found = [f"k{other}" for other in order[3]]
    lines = [f"@k3,{found[20]},1", f"@k3,{found[30]},3", f"@k3,{found[40]},2", "@k3,gone,9", f"@k4,k{order[4][0]},1"]
    (lite.folder / "pairs.csv").write_text("\n".join(lines) + "\n")
    details = evaluate(years, qrels=lite.folder / "pairs.csv", index_recall=False).details
    assert (details.labels, details.confusions) == ([], None)
    (worst,) = details.worst
    assert (worst.query, worst.value, worst.relevant, worst.label) == ("@k3", 0.0, 4, None)
    assert worst.missed == ["gone", found[30], found[40]]
    assert [(hit.hit.key, hit.gain, hit.label) for hit in worst.hits] == [(key, 0, None) for key in found[:5]]


def test_items_without_a_label_are_confusions_with_none(lite):
    lines = ["key,text,group", *(f"k{number},text {number},{'' if number % 3 else 'g'}" for number in range(30))]
    lines += [f"k{number},text {number},h" for number in range(30, 33)]
    (lite.folder / "items.csv").write_text("\n".join(lines) + "\n")
    solution = lite.solution()
    solution.ingest()
    confusions = evaluate(solution, labels="group", index_recall=False).details.confusions
    assert confusions.counts["g", None] > 0
    rows, columns, counts = confusions.build_matrix()
    assert (rows, columns) == (["g", "h"], ["g", "h", None])
    assert sum(map(sum, counts)) == 13


def test_of_many_labels_those_in_the_most_confusions_are_shown():
    counts = {(f"label {number:03}", f"label {number:03}"): 5 for number in range(200)}
    counts |= {("label 150", "label 007"): 9, ("label 090", None): 1}
    confusions = Confusions(counts)
    rows, columns, matrix = confusions.build_matrix()
    assert len(rows) == 25
    assert columns == [*rows, None]
    assert {"label 007", "label 090", "label 150"} <= set(rows)
    assert matrix[rows.index("label 150")][columns.index("label 007")] == 9
    assert confusions.list_pairs() == [("label 150", "label 007", 9), ("label 090", None, 1)]
    assert len(str(confusions.to_dict())) < 10_000


def test_the_figures_are_computed_over_each_labels_own_queries(years):
    """The means of the labels, weighted by their queries, are the figure itself."""
    report = evaluate(years, labels="year", sample=25, index_recall=False)
    sums = defaultdict(float)
    for one in report.details.labels:
        sums["value"] += one.estimate.value * one.queries
        sums["queries"] += one.queries
    assert sums["queries"] == 25
    assert sums["value"] / 25 == pytest.approx(report.metrics["nDCG@10"].value)
