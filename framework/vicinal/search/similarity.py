"""What Milvus calls a distance, as the distance and the similarity of a hit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from vicinal.types import Metric

__all__ = [
    "compute_milvus_distances",
    "find_similarity_range",
    "reaches_similarity",
    "to_bit_matrix",
    "to_distance_and_similarity",
]


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


def reaches_similarity(similarity: float, least: float, metric: Metric) -> bool:
    """Whether a hit is at least so similar, but for rounding.

    1 - (1 - 1/5) is less than 1/5. A text that is searched for verbatim has a cosine of 0.99998 where ``sentence`` has
    indexed it in bfloat16. Unequal Tanimotos of fingerprints with up to 1,500 bits differ by more than 1e-7.
    """
    tolerance = {"JACCARD": 1e-7, "COSINE": 1e-4}.get(metric, 1e-4 * abs(least))
    return similarity >= least - tolerance


def find_similarity_range(metric: Metric) -> tuple[float, float]:
    """The least and the greatest similarity that two items can have."""
    if metric == "IP":
        return -math.inf, math.inf
    return (-1.0 if metric == "COSINE" else 0.0), 1.0


def compute_milvus_distances(queries: Sequence[Any], stored: Sequence[Any], metric: Metric) -> Any:
    """What Milvus would return as the distance of each query to each stored vector.

    Args:
        queries: m vectors in the form that the store is searched with: floats, packed bits, or sparse bits.
        stored: n vectors in the same form.

    Returns:
        A float64 array of shape (m, n).
    """
    import numpy as np

    if metric == "JACCARD":
        return 1.0 - _compute_tanimoto(queries, stored)
    a, b = np.asarray(queries, np.float64), np.asarray(stored, np.float64)
    product = a @ b.T
    if metric == "L2":
        return np.maximum((a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * product, 0.0)
    return product if metric == "IP" else product / np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))


def _compute_tanimoto(queries: Sequence[Any], stored: Sequence[Any]) -> Any:
    import numpy as np

    if isinstance(queries[0], bytes):
        a, b = (_unpack_bits(vectors) for vectors in (queries, stored))
        common, a_bits, b_bits = a @ b.T, a.sum(1), b.sum(1)
    else:
        common = np.array([[len(query.keys() & vector.keys()) for vector in stored] for query in queries], np.float64)
        a_bits, b_bits = (np.array(list(map(len, vectors)), np.float64) for vectors in (queries, stored))
    return common / np.maximum(a_bits[:, None] + b_bits - common, 1.0)


def _unpack_bits(vectors: Sequence[bytes]) -> Any:
    import numpy as np

    packed = np.frombuffer(b"".join(vectors), np.uint8).reshape(len(vectors), -1)
    return np.unpackbits(packed, axis=1).astype(np.float64)


def to_bit_matrix(vectors: Sequence[Any], dimension: int) -> Any:
    """Packed or sparse bits as a float32 array of zeros and ones, ``(n, dimension)``."""
    import numpy as np

    if vectors and isinstance(vectors[0], bytes):
        return _unpack_bits(vectors).astype(np.float32)
    matrix = np.zeros((len(vectors), dimension), np.float32)
    for row, vector in zip(matrix, vectors, strict=True):
        row[list(vector)] = 1.0
    return matrix
