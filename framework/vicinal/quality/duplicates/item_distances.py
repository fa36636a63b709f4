"""How far items are from each other: distances of vectors, and for items of several segments the mean of best matches.

Distances rise from 0 for equal vectors: 1 - cosine, the squared Euclidean distance, 1 - Tanimoto.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vicinal.quality.duplicates.stored_vectors import StoredVectors
from vicinal.toolkit.vectors import l2_normalize
from vicinal.types import Metric

__all__ = ["ItemDistances", "ItemMetric", "choose_item_metric", "to_distance", "to_similarity"]

ItemMetric = Literal["COSINE", "L2", "JACCARD"]

_NUMBERS_PER_PART = 4_000_000
_ROUNDING = 2e-5
"""How much single precision may move a distance, as a share of the squared lengths."""


def choose_item_metric(metric: Metric) -> ItemMetric:
    """What two items are compared by: under IP their cosine, since an inner product does not tell equal items."""
    return "COSINE" if metric == "IP" else metric


def to_similarity(distance: float, metric: ItemMetric) -> float:
    """The similarity of two items at this distance, as a hit has it."""
    return 1.0 / (1.0 + distance) if metric == "L2" else 1.0 - distance


def to_distance(similarity: float, metric: ItemMetric) -> float:
    """The distance at which two items have this similarity."""
    return 1.0 / similarity - 1.0 if metric == "L2" else 1.0 - similarity


@dataclass(frozen=True, slots=True)
class ItemDistances:
    """Computes distances of items from stored vectors: quickly in single precision, exactly in double.

    The distance of two items is the mean, over the segments of the one that has fewer, of each one's best match among
    those of the other; of items with equally many it is the greater of both means.
    """

    stored: StoredVectors
    metric: ItemMetric

    def compute_block(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, float]:
        """Distances of some items to others, ``(len(first), len(second))``, and by how much they may be wrong."""
        a, b = (self._read_vectors(items, np.float32) for items in (first, second))
        margin = 1.0
        if self.metric == "L2":
            margin = sum(float(np.einsum("ij,ij->i", part, part).max(initial=0.0)) for part in (a, b))
        return self._compute_distances(a, first, b, second), _ROUNDING * margin

    def compute_near(self, item: int, others: np.ndarray, limit: float) -> np.ndarray:
        """The exact distance of an item to each of the others; infinite for those beyond the limit."""
        distances = np.full(len(others), np.inf)
        step = max(1, _NUMBERS_PER_PART // self.stored.space.dimension)
        for start in range(0, len(others), step):
            part = others[start : start + step]
            block, margin = self.compute_block(np.array([item]), part)
            near = np.flatnonzero(block[0] <= limit + margin)
            exact = self.compute_pairs(np.full(len(near), item), part[near])
            distances[start + near] = np.where(exact <= limit, exact, np.inf)
        return distances

    def compute_pairs(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The exact distance of each of the items ``first`` to the same one of ``second``, float64."""
        counts = self.stored.counts
        if (counts[first] == 1).all() and (counts[second] == 1).all():
            return self.compute_row_pairs(self.stored.starts[first], self.stored.starts[second])
        distances = np.empty(len(first))
        for place, pair in enumerate(zip(first, second, strict=True)):
            one, other = (np.array([item]) for item in pair)
            a, b = (self._read_vectors(items, np.float64) for items in (one, other))
            distances[place] = self._compute_distances(a, one, b, other)[0, 0]
        return distances

    def compute_row_pairs(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The exact distance of each of the rows ``first`` to the same one of ``second``, float64."""
        step = max(1, _NUMBERS_PER_PART // self.stored.space.dimension)
        parts = [
            _compute_pairs(
                self._read_rows(first[start : start + step], np.float64),
                self._read_rows(second[start : start + step], np.float64),
                self.metric,
            )
            for start in range(0, len(first), step)
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def _read_vectors(self, items: np.ndarray, dtype: type) -> np.ndarray:
        starts, counts = self.stored.starts[items], self.stored.counts[items]
        ends = np.cumsum(counts)
        rows = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)
        return self._read_rows(rows, dtype)

    def _read_rows(self, rows: np.ndarray, dtype: type) -> np.ndarray:
        vectors: np.ndarray = self.stored.read(rows).astype(dtype, copy=False)
        return l2_normalize(vectors) if self.metric == "COSINE" else vectors

    def _compute_distances(self, a: np.ndarray, first: np.ndarray, b: np.ndarray, second: np.ndarray) -> np.ndarray:
        distances = _compute_block(a, b, self.metric)
        counts = self.stored.counts[first], self.stored.counts[second]
        return _combine_segments(distances, *counts)


def _combine_segments(distances: np.ndarray, counts_a: np.ndarray, counts_b: np.ndarray) -> np.ndarray:
    """The distances of items, from those of all their segments: ``(sum of counts_a, sum of counts_b)``."""
    if len(counts_a) == len(distances) and len(counts_b) == distances.shape[1]:
        return distances
    starts_a, starts_b = (np.cumsum(counts) - counts for counts in (counts_a, counts_b))
    counts_a = counts_a[:, None]
    nearest_b = np.minimum.reduceat(distances, starts_b, axis=1)
    nearest_a = np.minimum.reduceat(distances, starts_a, axis=0)
    from_a = np.add.reduceat(nearest_b, starts_a, axis=0) / counts_a
    from_b = np.add.reduceat(nearest_a, starts_b, axis=1) / counts_b
    both = np.maximum(from_a, from_b)
    combined: np.ndarray = np.where(counts_a < counts_b, from_a, np.where(counts_a > counts_b, from_b, both))
    return combined


def _compute_block(a: np.ndarray, b: np.ndarray, metric: ItemMetric) -> np.ndarray:
    """Distances of each of m vectors to each of n, ``(m, n)``; for COSINE they are of length 1."""
    product = a @ b.T
    if metric == "COSINE":
        distances: np.ndarray = np.subtract(1.0, product, out=product)
        return distances
    return _to_distances(product, (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1), metric)


def _compute_pairs(a: np.ndarray, b: np.ndarray, metric: ItemMetric) -> np.ndarray:
    """The distance of each of n vectors to the same one of the others, ``(n,)``."""
    if metric == "L2":
        distances: np.ndarray = np.square(a - b).sum(axis=1)
        return distances
    return _to_distances(np.einsum("ij,ij->i", a, b), (a * a).sum(axis=1) + (b * b).sum(axis=1), metric)


def _to_distances(product: np.ndarray, squares: np.ndarray, metric: ItemMetric) -> np.ndarray:
    """Distances from inner products and the sums of both squared lengths, which are those of set bits for bits."""
    if metric == "COSINE":
        distances: np.ndarray = 1.0 - product
    elif metric == "L2":
        distances = np.maximum(squares - 2.0 * product, 0.0)
    else:
        distances = 1.0 - product / np.maximum(squares - product, 1.0)
    return distances
