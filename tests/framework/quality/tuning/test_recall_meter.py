"""How many queries it takes, and what counts as found."""

import numpy as np
import pytest

from vicinal.quality.tuning.queries import QuerySet
from vicinal.quality.tuning.recall_meter import RecallMeter
from vicinal.quality.tuning.truth import Truth
from vicinal.stores.layout import Candidate
from vicinal.toolkit.nearest import NearestNeighbors
from vicinal.types import item_id

LIMIT = 5


@pytest.fixture(scope="module")
def truth():
    """The neighbours of 4,000 queries among 50 vectors."""
    rng = np.random.default_rng(0)
    queries, stored = rng.standard_normal((4_000, 4)), rng.standard_normal((50, 4))
    nearest = NearestNeighbors(queries, 2 * LIMIT + 10, "L2")
    nearest.add(np.array([item_id(f"k{number}") for number in range(50)]), stored)
    asked = QuerySet("log", list(range(4_000)), queries, None)
    return Truth(None, asked, LIMIT, "L2", nearest.ids, nearest.distances, 50)


def find_with_loss(truth, share):
    """A search that misses the last neighbour of so many queries, evenly spread."""
    keys = {item_id(f"k{number}"): f"k{number}" for number in range(50)}

    def search(numbers, limit, filter):
        lost = [int(number * share) != int((number + 1) * share) for number in numbers]
        return [
            [Candidate(keys[id_], 0, 0.0) for id_ in truth.ids[number, : limit - is_lost]]
            for number, is_lost in zip(numbers, lost, strict=True)
        ]

    return search


@pytest.mark.parametrize(
    ("share", "target", "queries"),
    [(0.0, 0.95, 500), (1.0, 0.95, 500), (0.25, 0.9, 500), (0.25, 0.95, 4_000), (0.25, 0.945, 2_000)],
)
def test_more_queries_are_asked_while_the_interval_holds_the_target(truth, share, target, queries):
    """Of five neighbours one is missed by a share of the queries."""
    measured = RecallMeter({"": truth}, 0, 4_000).measure(find_with_loss(truth, share), target)

    assert measured.queries == queries
    assert measured.worst.value == pytest.approx(1 - share / LIMIT, abs=0.002)
    assert measured.worst.low - 1e-9 <= 1 - share / LIMIT <= measured.worst.high + 1e-9


def test_only_the_queries_of_a_half_are_asked(truth):
    asked = []

    def search(numbers, limit, filter):
        asked.extend(numbers)
        return find_with_loss(truth, 0.25)(numbers, limit, filter)

    RecallMeter({"": truth}, 2_000, 4_000).measure(search, 0.95)

    assert asked == list(range(2_000, 4_000))


def test_a_filter_where_it_is_lost_ends_the_measurement(truth):
    meter = RecallMeter({"": truth, "year > 1": truth}, 0, 4_000)

    measured = meter.measure(find_with_loss(truth, 1.0), 0.95)

    assert list(measured.recalls) == [""]
    assert list(meter.measure(find_with_loss(truth, 0.0), 0.95).recalls) == ["", "year > 1"]


def test_one_miss_among_many_queries_is_a_loss(truth):
    meter = RecallMeter({"": truth}, 0, 4_000)

    assert not meter.finds_a_loss(find_with_loss(truth, 0.0))
    assert meter.finds_a_loss(find_with_loss(truth, 1 / 3_000))
