"""ALS as it is evaluated: each user is folded in from the history in the training part, as a search does it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal_recommend.evaluation.baselines import ScoreItems
from vicinal_recommend.fold_in import FoldIn

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["list_trials", "scale_weights", "score_users"]

_REGULARIZATIONS, _ALPHAS, _FACTORS = (2.0, 5.0, 20.0, 60.0), (1.0, 3.0, 10.0), (32, 128)


def scale_weights(training: csr_matrix) -> csr_matrix:
    """The same interactions with weights of mean 1, as ``fit`` makes them."""
    scaled = training.copy()
    scaled.data /= scaled.data.mean()
    return scaled


def score_users(factors: np.ndarray, weights: csr_matrix, regularization: float, alpha: float) -> ScoreItems:
    """An item's score is its inner product with the folded-in user.

    Items of which nothing is in the training part score least: an index has no vector of them.

    Args:
        factors: ``(items, f)``, what the items' vectors are.
        weights: users by items, the histories.
        regularization: as the model was fitted with; so is ``alpha``.
    """
    exact = factors.astype(np.float64)
    fold_in = FoldIn(exact.T @ exact, regularization)
    is_cold = np.bincount(weights.indices, minlength=weights.shape[1]) == 0

    def score(users: np.ndarray) -> np.ndarray:
        folded = np.empty((len(users), factors.shape[1]), np.float32)
        for row, user in enumerate(users.tolist()):
            history = weights[user]
            confidences = alpha * history.data.astype(np.float64)
            folded[row] = fold_in.solve(factors[history.indices], confidences, np.ones(history.nnz))
        scores: np.ndarray = folded @ factors.T
        scores[:, is_cold] = -np.inf
        return scores

    return score


def list_trials(factors: int, regularization: float, alpha: float) -> Iterator[Mapping[str, Any]]:
    """Thirteen other choices: less and more regularization with less and more alpha, and of factors."""
    for trial in product(_REGULARIZATIONS, _ALPHAS):
        if trial != (regularization, alpha):
            yield {"regularization": trial[0], "alpha": trial[1]}
    yield from ({"factors": number} for number in _FACTORS if number != factors)
