"""Places on a plane: deterministic, and the share of neighbours that they keep is what a count of all pairs says."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from vicinal import DependencyError
from vicinal.quality.map.projection import Points, project_vectors


def clustered(count=120, dimension=24, clusters=8, seed=3):
    random = np.random.default_rng(seed)
    centers = random.standard_normal((clusters, dimension))
    noise = 0.4 * random.standard_normal((count, dimension))
    return (centers[np.arange(count) % clusters] + noise).astype(np.float32)


def fingerprints(count=80, bits=128):
    return (np.random.default_rng(5).random((count, bits)) < 0.2).astype(np.float32)


def distance(a, b, metric):
    """The distance of two vectors, in the plainest way."""
    a, b = a.astype(float), b.astype(float)
    if metric == "L2":
        return float(np.sqrt(((a - b) ** 2).sum()))
    if metric == "JACCARD":
        return 1 - float(np.minimum(a, b).sum() / np.maximum(a, b).sum())
    return 1 - float(a @ b / np.sqrt((a @ a) * (b @ b)))


def count_kept(vectors, metric, coordinates, k):
    """The share of each point's k nearest on the plane that are as near by the vectors as its k-th nearest is."""
    kept = 0
    for one in range(len(vectors)):
        others = [other for other in range(len(vectors)) if other != one]
        by_vector = {other: distance(vectors[one], vectors[other], metric) for other in others}
        on_plane = sorted(others, key=lambda other: distance(coordinates[one], coordinates[other], "L2"))[:k]
        limit = sorted(by_vector.values())[k - 1]
        kept += sum(by_vector[other] <= limit + 1e-5 * (1 + limit) for other in on_plane)
    return kept / (k * len(vectors))


@pytest.mark.parametrize("metric", ["COSINE", "IP", "L2", "JACCARD"])
def test_the_share_of_neighbours_kept_is_that_of_all_pairs(metric):
    vectors = fingerprints() if metric == "JACCARD" else clustered() * np.linspace(0.5, 2, 120)[:, None]
    placed = project_vectors(vectors.astype(np.float32), metric, method="pca")
    assert placed.neighbors == 10
    assert placed.neighbors_kept == pytest.approx(count_kept(vectors, metric, placed.coordinates, 10), abs=0.002)
    assert 0.1 < placed.neighbors_kept < 0.9


@pytest.mark.long
def test_umap_keeps_more_neighbours_than_pca_and_says_the_true_share():
    vectors = clustered(240, clusters=24)
    by_pca, by_umap = (project_vectors(vectors, "COSINE", method=method) for method in ("pca", "umap"))
    assert by_umap.neighbors_kept == pytest.approx(count_kept(vectors, "COSINE", by_umap.coordinates, 10), abs=0.002)
    assert by_umap.neighbors_kept > by_pca.neighbors_kept + 0.1


@pytest.mark.parametrize(("metric", "vectors"), [("L2", clustered()), ("JACCARD", fingerprints())])
def test_the_same_seed_gives_the_same_places(metric, vectors):
    first, again, other = (project_vectors(vectors, metric, seed, "umap").coordinates for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_pca_finds_the_plane_that_points_lie_in():
    random = np.random.default_rng(0)
    plane = random.standard_normal((50, 2)) * (3, 1)
    basis = np.linalg.qr(random.standard_normal((30, 2)))[0]
    for count in (50, 20):  # more points than dimensions, and fewer
        placed = project_vectors((plane[:count] @ basis.T).astype(np.float32), "L2", method="pca")
        assert placed.neighbors_kept == 1.0
        assert (
            np.corrcoef(
                Points(plane[:count].astype(np.float32), "L2").distances_to_all(slice(None)).ravel(),
                Points(placed.coordinates, "L2").distances_to_all(slice(None)).ravel(),
            )[0, 1]
            > 0.9999
        )


def test_places_fill_the_square_from_minus_1_to_1():
    placed = project_vectors(clustered() * 1000 + 500, "L2", method="pca").coordinates
    assert placed.shape == (120, 2)
    assert placed.dtype == np.float32
    assert np.abs(placed).max() == pytest.approx(1)
    assert (placed.max(axis=0) + placed.min(axis=0)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(("count", "neighbors"), [(2, 1), (3, 1), (8, 4), (15, 7), (20, 10)])
def test_few_points_are_placed_and_the_nearest_half_is_counted(count, neighbors):
    placed = project_vectors(clustered(count), "COSINE", method=None if count < 16 else "pca")
    assert placed.method == "pca"
    assert placed.neighbors == neighbors
    assert placed.neighbors_kept == pytest.approx(count_kept(clustered(count), "COSINE", placed.coordinates, neighbors))


def test_equal_points_and_empty_vectors_have_a_place():
    placed = project_vectors(np.zeros((30, 4), np.float32), "COSINE", method="pca")
    assert np.array_equal(placed.coordinates, np.zeros((30, 2)))
    assert placed.neighbors_kept == 1.0
    line = np.repeat(np.eye(8, dtype=np.float32)[:2], 15, axis=0)
    for vectors in (np.ones((30, 8), np.float32), line):
        assert np.isfinite(project_vectors(vectors, "JACCARD", method="umap").coordinates).all()


def test_umap_is_the_method_where_it_is_installed():
    assert project_vectors(clustered(40), "COSINE").method == "umap"


def test_pca_is_the_method_where_umap_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    assert project_vectors(clustered(40), "COSINE").method == "pca"
    with pytest.raises(DependencyError, match="UMAP needs the package umap-learn") as error:
        project_vectors(clustered(40), "COSINE", method="umap")
    assert error.value.hint == 'pip install "vicinal[map]"'
