"""The figures of a fixed case by hand, and those of random ones by trec_eval with every item in its place."""

import math

import ir_measures
import numpy as np
import pytest

from vicinal import VicinalError
from vicinal.quality.estimates import estimate_means
from vicinal.quality.measures import Measures, Ranking

NAMES = ("P@1", "P@4", "recall@4", "mAP@4", "MRR@4", "nDCG@4")


def test_a_fixed_case():
    """Relevant items at places 2 and 3 of four, of three that there are."""
    values = Measures.parse(NAMES).compute([Ranking([0, 1, 1, 0], 3)])
    gain = 1 / math.log2(3) + 1 / math.log2(4)
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert values[0] == pytest.approx([0, 2 / 4, 2 / 3, (1 / 2 + 2 / 3) / 3, 1 / 2, gain / ideal])


def test_graded_relevance_counts_in_ndcg_alone():
    values = Measures.parse(NAMES).compute([Ranking([1, 0, 3], 3, missed=[2])])
    gain, ideal = 1 + 3 / math.log2(4), 3 + 2 / math.log2(3) + 1 / math.log2(4)
    assert values[0] == pytest.approx([1, 2 / 4, 2 / 3, (1 + 2 / 3) / 3, 1, gain / ideal])


def test_a_query_that_finds_nothing_has_zeros():
    assert Measures.parse(NAMES).compute([Ranking([], 5), Ranking([0, 0], 1)]).tolist() == [[0.0] * 6] * 2


def test_they_equal_trec_eval_with_all_relevant_items_named():
    """Labels of up to 400 items, of which ten places look at a few: what is left out changes nothing."""
    rng = np.random.default_rng(1)
    rankings, qrels, run = [], {}, {}
    for number in range(50):
        relevant = int(rng.integers(1, 400))
        gains = (rng.random(int(rng.integers(1, 11))) < 0.4).astype(int)
        gains[np.cumsum(gains) > relevant] = 0
        rankings.append(Ranking(gains.tolist(), relevant))
        missed = relevant - int(gains.sum())
        found = {f"{number} {place}": int(gain) for place, gain in enumerate(gains)}
        qrels[str(number)] = found | {f"{number} missed {one}": 1 for one in range(missed)}
        run[str(number)] = {name: -float(place) for place, name in enumerate(found)}
    names = ("P@5", "recall@10", "mAP@10", "MRR@10", "nDCG@10")
    expected = np.zeros((50, 5))
    columns = [ir_measures.P @ 5, ir_measures.R @ 10, ir_measures.AP @ 10, ir_measures.RR @ 10, ir_measures.nDCG @ 10]
    for found in ir_measures.iter_calc(columns, qrels, run):
        expected[int(found.query_id), columns.index(found.measure)] = found.value
    assert Measures.parse(names).compute(rankings) == pytest.approx(expected)
    assert expected.std(axis=0).min() > 0.02


def test_a_label_of_a_million_items_is_as_quick_as_one_of_ten():
    assert Measures.parse(["recall@2"]).compute([Ranking([1, 1], 1_000_000)])[0, 0] == pytest.approx(2e-6)


def test_depth_is_the_largest_cutoff_and_names_are_kept_in_order():
    measures = Measures.parse(["nDCG@20", "P@5", "nDCG@20"])
    assert (measures.names, measures.depth) == (("nDCG@20", "P@5"), 20)


@pytest.mark.parametrize("name", ["p@5", "P", "P@0", "P@05", "P@1001", "infAP@10", "recall@-1", ""])
def test_what_is_no_measure(name):
    with pytest.raises(VicinalError, match="there is no measure") as error:
        Measures.parse(["P@1", name])
    assert error.value.hint == "P@k, recall@k, mAP@k, MRR@k, nDCG@k, with k from 1 to 1,000"


def test_intervals_of_measures_hold_the_truth_in_93_to_97_of_100_draws():
    """Rankings whose hits are right with one chance each: the truth of P@10 and MRR@10 is known; 100 queries a draw."""
    chance, draws, queries = 0.3, 100, 100
    truth = [chance, sum((1 - chance) ** place * chance / (place + 1) for place in range(10))]
    right = np.random.default_rng(1).random((draws * queries, 10)) < chance
    values = Measures.parse(["P@10", "MRR@10"]).compute([Ranking(row, 10) for row in right.astype(int).tolist()])
    held = np.zeros(2)
    for draw in values.reshape(draws, queries, 2):
        estimates = estimate_means(draw)
        held += [one.low <= value <= one.high for one, value in zip(estimates, truth, strict=True)]
    assert np.all((held / draws >= 0.93) & (held / draws <= 0.97)), held / draws


def test_measures_are_not_parsed(monkeypatch):
    monkeypatch.delattr(ir_measures, "parse_measure")  # which Python 3.14 breaks in ir-measures 0.4.3
    assert Measures.parse(["P@2"]).compute([Ranking([1, 0], 1)]).tolist() == [[0.5]]
