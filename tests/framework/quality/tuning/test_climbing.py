"""Which build parameters tuning tries: those that may make a search quicker."""

from __future__ import annotations

import pytest

from vicinal.quality.estimates import Estimate
from vicinal.quality.tuning.latency import Latency
from vicinal.quality.tuning.report import FrontierPoint
from vicinal.quality.tuning.tuning import _climb_parameter, _Measured
from vicinal.quality.tuning.variants import reorder_more
from vicinal.stores.milvus_engine import Index


def list_tried(start, milliseconds, least):
    """The values of M that are tried, in turn, beginning with ``start``."""
    tried = []

    def try_index(index):
        edges = index.params["M"]
        tried.append(edges)
        recall = Estimate(0.96, 0.95, 0.97)
        point = FrontierPoint(
            "HNSW",
            index.params,
            {"ef": 40},
            {"": recall},
            {"": Latency(milliseconds[edges], 9.0)},
            1,
            1.0,
            500,
            "confirmed",
        )
        return _Measured(index, point, least)

    first = try_index(Index("HNSW", "L2", "HNSW", "L2", {"M": start}, {}))
    _climb_parameter(first, try_index, {f"HNSW {first.point.params}"})
    return tried


@pytest.mark.parametrize(
    ("start", "milliseconds", "least", "tried"),
    [
        (16, {4: 5.0, 8: 3.0, 16: 2.0, 32: 1.5, 64: 1.6}, 1.0, [16, 8, 32, 64]),  # on to the quicker side
        (16, {4: 1.1, 8: 1.5, 16: 2.0, 32: 3.0}, 1.1, [16, 8, 4]),  # as quick as it gets: no more
        (16, {8: 3.0, 16: 2.0, 32: 3.0}, 1.0, [16, 8, 32]),
        (16, {16: 2.0}, 1.9, [16]),  # the engine's call takes 1.9 ms, whatever the index
    ],
)
def test_half_and_twice_as_many_edges_are_tried_while_there_is_something_to_gain(start, milliseconds, least, tried):
    assert list_tried(start, milliseconds, least) == tried


def test_more_candidates_are_looked_at_again_up_to_64_a_neighbour():
    index = Index("SCANN", "L2", "SCANN", "L2", {"nlist": 64}, {"reorder_k": 40, "nprobe": 8})
    once = reorder_more(index, 10)
    twice = reorder_more(once, 10)
    assert (once.search, twice.search) == ({"reorder_k": 160, "nprobe": 8}, {"reorder_k": 640, "nprobe": 8})
    assert reorder_more(twice, 10) is None
    refined = Index("HNSW_PQ", "L2", "HNSW_PQ", "L2", {}, {"refine_k": 16})
    assert (reorder_more(refined, 100).search, reorder_more(reorder_more(refined, 100), 100)) == (
        {"refine_k": 64},
        None,
    )
    assert reorder_more(Index("HNSW", "L2", "HNSW", "L2", {}, {}), 10) is None
