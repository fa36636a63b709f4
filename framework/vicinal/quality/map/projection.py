"""Two dimensions of many: by UMAP, or by PCA, with the share of each point's nearest neighbours that they keep."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import numpy as np

from vicinal.errors import DependencyError
from vicinal.types import Metric

__all__ = ["NEIGHBORS", "Method", "Points", "Projection", "Projector", "is_umap_installed", "project_vectors"]

Method = Literal["umap", "pca"]

NEIGHBORS = 10
_UMAP_NEIGHBORS = 15
_BLOCK_VALUES = 4_000_000
_TIE = 1e-5


@dataclass(frozen=True, slots=True)
class Projection:
    """Where points lie in two dimensions: ``coordinates`` is ``(n, 2)`` float32, from -1 to 1 around the centre.

    ``neighbors_kept`` is the share of the ten nearest of a point on the plane that are among its ten nearest by the
    vectors, all as far as the tenth included, as the mean of all points. Of fewer than 20 points it is that of the
    nearest half, since any plane keeps all of them; ``neighbors`` says how many.
    """

    coordinates: np.ndarray
    method: Method
    neighbors: int
    neighbors_kept: float


Projector = Callable[[np.ndarray, Metric, int, Method | None], Projection]
"""``project_vectors``, or what calls it elsewhere: vectors, metric, seed, method."""


class Points:
    """Vectors and their distances from one another: cosine for COSINE and IP, Euclidean for L2, Jaccard for bits."""

    def __init__(self, vectors: np.ndarray, metric: Metric) -> None:
        """``vectors`` is ``(n, dimension)`` float32; bits are 0.0 and 1.0."""
        self.metric: Literal["cosine", "euclidean", "jaccard"]
        self.metric = "euclidean" if metric == "L2" else "jaccard" if metric == "JACCARD" else "cosine"
        if self.metric == "cosine":
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors = vectors / np.where(lengths > 0, lengths, 1)
        self.vectors = np.ascontiguousarray(vectors, np.float32)
        self._squares = np.einsum("nd,nd->n", self.vectors, self.vectors)

    def __len__(self) -> int:
        return len(self.vectors)

    def distances_to_all(self, rows: slice) -> np.ndarray:
        """The distance of each of these points to every point, ``(rows, n)``."""
        products = self.vectors[rows] @ self.vectors.T
        return self._to_distances(products, self._squares[rows, None], self._squares[None])

    def distances_to(self, others: np.ndarray) -> np.ndarray:
        """The distance of each point to others of its own, given as ``(n, k)`` numbers of points."""
        columns = [
            np.einsum("nd,nd->n", self.vectors, self.vectors[others[:, place]]) for place in range(others.shape[1])
        ]
        return self._to_distances(np.stack(columns, axis=1), self._squares[:, None], self._squares[others])

    def _to_distances(self, products: np.ndarray, squares: np.ndarray, other_squares: np.ndarray) -> np.ndarray:
        if self.metric == "cosine":
            distances = np.maximum(1 - products, 0)
        elif self.metric == "euclidean":
            distances = np.sqrt(np.maximum(squares + other_squares - 2 * products, 0))
        else:
            distances = 1 - products / np.maximum(squares + other_squares - products, 1)
        return np.asarray(distances)

    def nearest(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest others of each point, nearest first: their numbers and distances, both ``(n, k)``.

        It compares all with all, in blocks of 16 MB.
        """
        count = len(self)
        numbers, distances = np.empty((count, k), np.int64), np.empty((count, k), np.float32)
        for start in range(0, count, step := max(1, _BLOCK_VALUES // count)):
            block = self.distances_to_all(slice(start, start + step))
            block[np.arange(len(block)), np.arange(start, start + len(block))] = np.inf
            found = np.argpartition(block, k - 1, axis=1)[:, :k]
            near = np.take_along_axis(block, found, axis=1)
            order = np.argsort(near, axis=1, kind="stable")
            numbers[start : start + len(block)] = np.take_along_axis(found, order, axis=1)
            distances[start : start + len(block)] = np.take_along_axis(near, order, axis=1)
        return numbers, distances


def project_vectors(vectors: np.ndarray, metric: Metric, seed: int = 0, method: Method | None = None) -> Projection:
    """Place vectors on a plane; the same vectors and seed always give the same places on one machine.

    Args:
        vectors: ``(n, dimension)`` float32, of at least two points; bits are 0.0 and 1.0.
        metric: what near means: cosine for COSINE and IP, Euclidean distance for L2, Jaccard's for JACCARD.
        method: by default UMAP for more than 15 points where umap-learn is installed, else PCA.

    Raises:
        DependencyError: UMAP is asked for, and umap-learn is not installed.
    """
    points = Points(vectors, metric)
    count = len(points)
    if method is None:
        method = "umap" if count > _UMAP_NEIGHBORS and is_umap_installed() else "pca"
    neighbors = points.nearest(min(_UMAP_NEIGHBORS, count) - 1)
    coordinates = _project_by_umap(points, neighbors, seed) if method == "umap" else _project_by_pca(points.vectors)
    k = min(NEIGHBORS, count // 2)
    kept = _measure_kept_neighbors(points, neighbors[1][:, k - 1 : k], coordinates, k)
    return Projection(_fit_to_unit(coordinates), method, k, kept)


def is_umap_installed() -> bool:
    """Whether umap-learn is installed; it is looked for without importing it, which takes 2.5 s."""
    return find_spec("umap") is not None


def _project_by_umap(points: Points, neighbors: tuple[np.ndarray, np.ndarray], seed: int) -> np.ndarray:
    """UMAP from the exact neighbours and from PCA's places.

    Its spectral start keeps no more neighbours (27.3% and 27.9% for 2,000 points in 40 clusters), and takes longer.
    Points on a line have no places by PCA that it can scale, so it starts them at random ones.
    """
    if not is_umap_installed():
        raise DependencyError("UMAP needs the package umap-learn", hint='pip install "vicinal[map]"')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TensorFlow is missing, and that no other points can be added
        from umap import UMAP

        # UMAP counts each point as the nearest of itself.
        numbers = np.column_stack([np.arange(len(points)), neighbors[0]])
        distances = np.column_stack([np.zeros(len(points), np.float32), neighbors[1]])
        model = UMAP(
            n_neighbors=numbers.shape[1],
            metric=points.metric,
            random_state=seed,
            n_jobs=1,  # several threads would not give the same places again
            init="pca" if _project_by_pca(points.vectors).std(axis=0).all() else "random",
            precomputed_knn=(numbers, distances),
        )
        return np.asarray(model.fit_transform(points.vectors), np.float32)


def _project_by_pca(vectors: np.ndarray) -> np.ndarray:
    """The two directions of the largest variance; the largest part of each is positive, so that none is mirrored."""
    centered = (vectors - vectors.mean(axis=0)).astype(np.float64)
    if centered.shape[1] <= len(centered):
        axes = np.linalg.eigh(centered.T @ centered)[1][:, :-3:-1]
    else:
        axes = centered.T @ np.linalg.eigh(centered @ centered.T)[1][:, :-3:-1]
        lengths = np.linalg.norm(axes, axis=0)
        axes = axes / np.where(lengths > 0, lengths, 1)
    axes = axes * np.where(np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0) < 0, -1, 1)
    coordinates = np.zeros((len(vectors), 2), np.float32)
    coordinates[:, : axes.shape[1]] = centered @ axes
    return coordinates


def _measure_kept_neighbors(points: Points, limits: np.ndarray, coordinates: np.ndarray, k: int) -> float:
    """The share of the k nearest on the plane that are no farther by the vectors than ``limits``, ``(n, 1)``."""
    on_plane, _ = Points(coordinates, "L2").nearest(k)
    return float(np.mean(points.distances_to(on_plane) <= limits + _TIE * (1 + limits)))


def _fit_to_unit(coordinates: np.ndarray) -> np.ndarray:
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    scale = float((high - low).max()) / 2 or 1.0
    return np.asarray((coordinates - (low + high) / 2) / scale, np.float32)
