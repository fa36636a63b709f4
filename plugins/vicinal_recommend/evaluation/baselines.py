"""The simple models that a recommender has to beat: popularity, cosine between items, and EASE.

Each is fitted to a matrix of users by items of which only the pattern counts, and returns a function that scores all
items for some of the users: the numbers of users, of shape (n,), to scores of shape (n, items).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from vicinal import VicinalError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["BASELINES", "MAX_EASE_ITEMS", "ScoreItems", "fit_ease", "fit_item_cosine", "fit_popularity", "rank_unseen"]

ScoreItems: TypeAlias = "Callable[[np.ndarray], np.ndarray]"
MAX_EASE_ITEMS = 20_000
_EASE_LAMBDA = 100.0


def fit_popularity(training: csr_matrix) -> ScoreItems:
    """An item's score is how many users touched it, the same for everybody."""
    counts = np.bincount(training.indices, minlength=training.shape[1]).astype(np.float32)
    return lambda users: np.broadcast_to(counts, (len(users), len(counts)))


def fit_item_cosine(training: csr_matrix) -> ScoreItems:
    """An item's score is the sum of its cosines to the items that the user touched, cosine of their sets of users.

    The matrix of items by items is never made: with columns scaled to length 1 it is ``N' N``, and a user's row times
    ``N'``, then times ``N``, is as much work as the data are large.
    """
    from scipy.sparse import diags_array

    pattern = _to_pattern(training)
    lengths = np.sqrt(np.asarray(pattern.sum(axis=0)).ravel())
    scaled = (pattern @ diags_array(1 / np.maximum(lengths, 1))).tocsr()
    columns = scaled.T.tocsr()

    def score(users: np.ndarray) -> np.ndarray:
        shared = (scaled @ pattern[users].T).toarray()
        scores: np.ndarray = (columns @ shared).T
        return scores

    return score


def fit_ease(training: csr_matrix) -> ScoreItems:
    """Each item as the best linear combination of the others, by ridge regression (Steck 2019), lambda 100.

    Raises:
        VicinalError: there are more than 20,000 items, of which the dense inverse does not fit an ordinary memory.
    """
    if (items := training.shape[1]) > MAX_EASE_ITEMS:
        size = 3 * 4 * items**2 / 2**30
        raise VicinalError(f"EASE inverts a matrix of items by items: {size:,.0f} GiB for {items:,} items")
    pattern = _to_pattern(training)
    inverse = np.linalg.inv((pattern.T @ pattern).toarray() + _EASE_LAMBDA * np.eye(items, dtype=np.float32))
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return lambda users: pattern[users] @ weights


BASELINES: dict[str, Callable[[csr_matrix], ScoreItems]] = {
    "popularity": fit_popularity,
    "item cosine": fit_item_cosine,
    "EASE": fit_ease,
}


def rank_unseen(scores: np.ndarray, seen: csr_matrix, limit: int) -> np.ndarray:
    """The items of highest score that each user has not touched, best first; -1 where no more is left.

    Args:
        scores: shape (n, items).
        seen: the rows of these users.

    Returns:
        Shape (n, limit). Of equal scores the item of the smaller number comes first.
    """
    scores = np.array(scores, np.float32)
    scores[np.repeat(np.arange(len(scores)), np.diff(seen.indptr)), seen.indices] = -np.inf
    width = min(limit, scores.shape[1])
    last = -np.partition(-scores, width - 1, axis=1)[:, width - 1 : width]
    above, tied = scores > last, scores == last
    chosen = above | (tied & (np.cumsum(tied, axis=1) <= width - above.sum(axis=1, keepdims=True)))
    top = np.nonzero(chosen)[1].reshape(len(scores), width)
    best = np.take_along_axis(scores, top, axis=1)
    order = np.argsort(-best, axis=1, kind="stable")
    ranked = np.where(np.isneginf(best), -1, top)
    found = np.full((len(scores), limit), -1, np.int64)
    found[:, :width] = np.take_along_axis(ranked, order, axis=1)
    return found


def _to_pattern(training: csr_matrix) -> csr_matrix:
    pattern = training.astype(np.float32, copy=True)
    pattern.data[:] = 1
    return pattern
