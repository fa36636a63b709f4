"""Arithmetic on vectors; numpy is imported when a function needs it, and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["l2_normalize", "min_cosine"]


def l2_normalize(vectors: np.ndarray) -> np.ndarray:
    """Scale each row of ``(n, dimension)`` to length 1; a row of zeros stays as it is."""
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    normalized: np.ndarray = vectors / np.where(lengths == 0.0, np.float32(1.0), lengths)
    return normalized


def min_cosine(vectors: np.ndarray, others: np.ndarray) -> float:
    """Return the least cosine of a row and the same row of ``others``; of a row of zeros it is 0."""
    return float((l2_normalize(vectors) * l2_normalize(others)).sum(axis=1).min())
