"""How much of the interactions a factorization explains: what tells whether it has learnt anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["compute_explained_share"]

_ROWS = 200_000


def compute_explained_share(confidences: csr_matrix, users: np.ndarray, items: np.ndarray) -> float:
    """1 - the squared error that factors leave, in relation to that of factors of zeros, both weighted by confidence.

    With scores s = x·y, the error is the sum of c (1 - s)² over the interactions and of s² over all other pairs of a
    user and an item. Zeros leave the sum of c.

    Args:
        confidences: users by items.
        users: ``(users, f)``.
        items: ``(items, f)``.
    """
    coordinates = confidences.tocoo(copy=False)
    of_interactions = 0.0
    for start in range(0, confidences.nnz, _ROWS):
        rows = slice(start, start + _ROWS)
        scores = np.einsum("nf,nf->n", users[coordinates.row[rows]], items[coordinates.col[rows]]).astype(np.float64)
        of_interactions += float((coordinates.data[rows] * (1 - scores) ** 2 - scores**2).sum())
    grams = [factors.T @ factors for factors in (users.astype(np.float64), items.astype(np.float64))]
    error = of_interactions + float((grams[0] * grams[1]).sum())  # the sum of all s², of all users and items
    return 1 - error / float(confidences.data.sum(dtype=np.float64))
