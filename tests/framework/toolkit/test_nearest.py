"""Exact neighbours from blocks: what a comparison of everything with everything says, whatever the blocks."""

import numpy as np
import pytest

from vicinal.toolkit.nearest import NearestNeighbors, compute_distances, compute_recalls

IDS = np.arange(1_000) * 7 + 3


def floats(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 16)).astype(np.float32)


def bits(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.packbits(rng.random((count, 64)) < 0.3, axis=1)


def compare_all(queries: np.ndarray, vectors: np.ndarray, metric: str) -> np.ndarray:
    if metric == "JACCARD":
        a, b = (np.unpackbits(one, axis=1).astype(bool) for one in (queries, vectors))
        return 1 - (a[:, None] & b).sum(2) / np.maximum((a[:, None] | b).sum(2), 1)
    a, b = queries.astype(np.float64), vectors.astype(np.float64)
    if metric == "L2":
        return ((a[:, None] - b) ** 2).sum(2)
    if metric == "IP":
        return -(a @ b.T)
    return 1 - a @ b.T / np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))


def search(
    queries: np.ndarray, vectors: np.ndarray, metric: str, limit: int = 10, block: int = 300
) -> NearestNeighbors:
    nearest = NearestNeighbors(queries, limit, metric)
    for start in range(0, len(vectors), block):
        part = vectors[start : start + block]
        nearest.add(IDS[start : start + len(part)], part)
    return nearest


@pytest.mark.parametrize("metric", ["L2", "COSINE", "IP", "JACCARD"])
@pytest.mark.parametrize("block", [1, 7, 300, 1_000])
def test_neighbours_are_those_of_a_full_comparison(metric, block):
    make = bits if metric == "JACCARD" else floats
    queries, vectors = make(20, seed=1), make(1_000)

    nearest = search(queries, vectors, metric, block=block)

    all_distances = compare_all(queries, vectors, metric)
    order = np.lexsort((np.broadcast_to(IDS, all_distances.shape), all_distances.round(12)), axis=1)[:, :10]
    assert nearest.ids.tolist() == IDS[order].tolist()
    assert np.allclose(nearest.distances, np.take_along_axis(all_distances, order, 1), rtol=0, atol=1e-12)


def test_small_differences_of_long_vectors_are_not_lost_to_rounding():
    """Float32 rounds the squared lengths, 1.6e9, by 64: far more than the distances."""
    vectors = floats(1_000) + np.float32(10_000)

    nearest = search(vectors[:5], vectors, "L2")

    expected = np.sort(compare_all(vectors[:5], vectors, "L2"), axis=1)[:, :10]
    assert nearest.ids[:, 0].tolist() == IDS[:5].tolist()
    assert np.allclose(nearest.distances, expected)


def test_fewer_vectors_than_neighbours_leave_the_rest_empty():
    nearest = search(floats(2, seed=1), floats(3), "L2", limit=5)

    assert (nearest.ids[:, 3:] == -1).all()
    assert np.isinf(nearest.distances[:, 3:]).all()
    assert sorted(nearest.ids[0, :3].tolist()) == IDS[:3].tolist()


def test_nothing_added_is_nothing_found():
    nearest = NearestNeighbors(floats(2), 3, "IP")

    assert (nearest.ids == -1).all()


def test_a_query_is_no_neighbour_of_itself_where_it_is_excluded():
    vectors = floats(1_000)
    nearest = NearestNeighbors(vectors[:50], 3, "COSINE", exclude=IDS[:50])
    nearest.add(IDS, vectors)

    assert not (nearest.ids == IDS[:50, None]).any()
    assert (nearest.distances > 1e-6).all()


def test_a_thousand_copies_of_one_vector_are_all_equally_near():
    nearest = search(floats(3, seed=1), np.repeat(floats(1), 1_000, axis=0), "L2")

    assert (nearest.distances == nearest.distances[:, :1]).all()
    assert all(len(set(row)) == 10 for row in nearest.ids.tolist())


def test_vectors_of_zeros_have_a_cosine_of_zero():
    nearest = search(floats(1), np.zeros((4, 16), np.float32), "COSINE", limit=2)

    assert nearest.distances.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("metric", ["L2", "COSINE", "IP", "JACCARD"])
def test_distances_of_pairs_are_those_of_the_neighbours(metric):
    make = bits if metric == "JACCARD" else floats
    queries, vectors = make(20, seed=1), make(1_000)
    nearest = search(queries, vectors, metric)

    third = vectors[(nearest.ids[:, 2] - 3) // 7]

    assert np.allclose(compute_distances(queries, third, metric), nearest.distances[:, 2], rtol=0, atol=1e-12)


def test_recall_is_the_share_of_the_nearest_that_was_found():
    truth = np.array([[0.1, 0.2, 0.3, 0.4]])

    assert compute_recalls(np.array([[0.1, 0.3, 0.4, 0.5]]), truth).tolist() == [0.75]
    assert compute_recalls(np.array([[0.1, np.inf, np.inf, np.inf]]), truth).tolist() == [0.25]


def test_any_of_those_as_far_as_the_last_neighbour_counts():
    truth = np.array([[0.1, 0.2, 0.2]])

    assert compute_recalls(np.array([[0.2, 0.2, 0.2 + 1e-9]]), truth).tolist() == [1.0]
    assert compute_recalls(np.array([[0.2, 0.2, 0.2 + 1e-5]]), truth).tolist() == [2 / 3]


def test_a_query_with_fewer_neighbours_is_measured_by_those():
    truth = np.array([[0.1, np.inf], [np.inf, np.inf]])

    recalls = compute_recalls(np.array([[0.1, 0.9], [0.2, 0.3]]), truth)

    assert recalls[0] == 1.0
    assert np.isnan(recalls[1])
