"""Folding in: the vector of a user from what the user has had to do with, without fitting the model anew.

The model (Hu, Koren and Volinsky 2008) has a vector y for each item. A user's vector x minimises

    sum over all items i of c_i (p_i - x·y_i)²  +  regularization |x|²

where an item of the history has the preference p = 1 and the confidence c = alpha · weight, and any other one p = 0 and
c = 1. With the Gram matrix G, the sum of y yᵀ over all items, that is one small system of equations for a user,

    (G + regularization · I + sum of (c_i - 1) y_i y_iᵀ) x = sum of c_i p_i y_i

with sums over the history alone. An example that is not liked has the preference p = -1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["FoldIn"]


@dataclass(frozen=True, slots=True)
class FoldIn:
    """Folds histories into a model of f factors."""

    gram: np.ndarray
    """``(f, f)``, the Gram matrix of the vectors of all items."""
    regularization: float

    def solve(
        self, vectors: np.ndarray, confidences: np.ndarray, preferences: np.ndarray, prior: np.ndarray | None = None
    ) -> np.ndarray:
        """The vector of a user, ``(f,)`` float64.

        Args:
            vectors: ``(n, f)``, of the items that the user has had to do with.
            confidences: ``(n,)``.
            preferences: ``(n,)``, 1 for what is liked and -1 for what is not.
            prior: ``(f,)``, the vector of the user as known before, from which the items draw away; zeros without it.
        """
        vectors = vectors.astype(np.float64)
        base = self.gram + self.regularization * np.eye(len(self.gram))
        left = base + (vectors.T * (confidences - 1.0)) @ vectors
        right = (confidences * preferences) @ vectors
        return np.linalg.solve(left, right if prior is None else right + base @ prior)
