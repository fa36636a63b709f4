"""Milvus Lite's L2 distances: the same to the last bit, in little memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from milvus_lite.search import distance

from vicinal.stores.milvus_lite_scan import compute_l2_in_blocks

compute_l2_in_blocks()


@pytest.mark.parametrize(
    ("rows", "dimension"), [(1, 128), (3, 7), (1_000, 1), (8_191, 128), (513, 2_048), (70, 65_536)]
)
def test_distances_are_those_of_milvus_lite_to_the_last_bit(rows, dimension):
    rng = np.random.default_rng(7)
    vectors = rng.standard_normal((rows, dimension)).astype(np.float32) * 3
    queries = rng.standard_normal((4, dimension)).astype(np.float32)
    theirs = distance.l2_distance.__wrapped__
    assert np.array_equal(distance.l2_distance(queries, vectors), theirs(queries, vectors))
    assert np.array_equal(distance.l2_distance(queries[0], vectors), theirs(queries[0], vectors))


def test_no_rows_have_no_distances():
    none = np.zeros((0, 8), np.float32)
    assert distance.l2_distance(np.zeros((3, 8), np.float32), none).shape == (3, 0)
    assert distance.l2_distance(np.zeros(8, np.float32), none).shape == (0,)


def test_it_is_set_once():
    before = distance.l2_distance
    compute_l2_in_blocks()
    assert distance.l2_distance is before


def test_the_differences_of_all_rows_are_never_held_at_once():
    vectors, queries = np.ones((20_000, 256), np.float32), np.zeros((50, 256), np.float32)
    tracemalloc.start()
    try:
        distance.compute_distances(queries, vectors, "L2")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000, "of 50 x 20,000 distances 4 MB, of all differences 1,024 MB"
