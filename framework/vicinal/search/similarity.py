"""What Milvus calls a distance, as the distance and the similarity of a hit."""

from __future__ import annotations

from typing import Any

from vicinal.types import Metric

__all__ = ["milvus_distance", "to_distance_and_similarity"]


def to_distance_and_similarity(milvus_distance: float, metric: Metric) -> tuple[float, float]:
    """Distance and similarity of a hit from what Milvus returns as its distance.

    The distance is 1 - cosine, 1 - Tanimoto, the squared Euclidean distance, or minus the inner product; see ``Hit``
    for the similarity.
    """
    if metric == "L2":
        return milvus_distance, 1.0 / (1.0 + max(milvus_distance, 0.0))
    if metric == "JACCARD":
        return milvus_distance, 1.0 - milvus_distance
    if metric == "COSINE":
        return 1.0 - min(milvus_distance, 1.0), min(milvus_distance, 1.0)
    return -milvus_distance, milvus_distance


def milvus_distance(query: Any, stored: Any, metric: Metric) -> float:
    """What Milvus would return as the distance of two float vectors."""
    import numpy as np

    a, b = np.asarray(query, np.float32), np.asarray(stored, np.float32)
    if metric == "L2":
        return float(((a - b) ** 2).sum())
    product = float(a @ b)
    return product if metric == "IP" else product / float(np.linalg.norm(a) * np.linalg.norm(b))
