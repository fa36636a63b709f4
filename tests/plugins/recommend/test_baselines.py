"""The simple models against their formulas, written out densely."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from vicinal import VicinalError
from vicinal_recommend.evaluation.baselines import (
    MAX_EASE_ITEMS,
    fit_ease,
    fit_item_cosine,
    fit_popularity,
    rank_unseen,
)

USERS = np.array([3, 0, 17])


@pytest.fixture
def training():
    rng = np.random.default_rng(0)
    dense = (rng.random((40, 25)) < 0.2) * rng.integers(1, 6, (40, 25))
    dense[:, 7] = 0  # nobody touched it
    return csr_matrix(dense.astype(np.float32))


def test_popularity_counts_users_not_weights(training):
    expected = (training.toarray() > 0).sum(axis=0)
    assert fit_popularity(training)(USERS).tolist() == [expected.tolist()] * 3


def test_item_cosine(training):
    pattern = (training.toarray() > 0).astype(float)
    lengths = np.maximum(np.linalg.norm(pattern, axis=0), 1e-9)
    expected = pattern[USERS] @ (pattern.T @ pattern / np.outer(lengths, lengths))
    assert fit_item_cosine(training)(USERS) == pytest.approx(expected, abs=1e-5)


def test_ease(training):
    """Steck's equation 8, and what it stands for: the least squares of each item by the others with lambda 100."""
    pattern = (training.toarray() > 0).astype(float)
    weights = np.zeros((25, 25))
    for item in range(25):
        others = np.delete(np.arange(25), item)
        x = pattern[:, others]
        weights[others, item] = np.linalg.solve(x.T @ x + 100 * np.eye(24), x.T @ pattern[:, item])
    assert fit_ease(training)(USERS) == pytest.approx(pattern[USERS] @ weights, abs=1e-5)


def test_ease_is_refused_where_its_matrix_is_too_large():
    with pytest.raises(VicinalError, match="EASE inverts a matrix of items by items: 4 GiB for 20,001 items"):
        fit_ease(csr_matrix((2, MAX_EASE_ITEMS + 1), dtype=np.float32))


class TestRanking:
    def test_best_first_without_what_was_touched(self):
        scores = np.array([[0.1, 0.9, 0.5, 0.7], [4.0, 3.0, 2.0, 1.0]])
        seen = csr_matrix(np.array([[0, 1, 0, 0], [0, 0, 0, 0]]))
        assert rank_unseen(scores, seen, 2).tolist() == [[3, 2], [0, 1]]

    def test_fewer_items_than_are_wanted(self):
        seen = csr_matrix(np.array([[1, 0, 1]]))
        assert rank_unseen(np.array([[1.0, 2.0, 3.0]]), seen, 5).tolist() == [[1, -1, -1, -1, -1]]

    def test_the_smaller_number_comes_first_of_equal_scores(self):
        assert rank_unseen(np.zeros((1, 4)), csr_matrix((1, 4)), 3).tolist() == [[0, 1, 2]]

    def test_it_equals_a_full_sort(self, training):
        scores = fit_item_cosine(training)(USERS)
        seen = training[USERS]
        masked = np.where(seen.toarray() > 0, -np.inf, scores)
        expected = np.argsort(-masked, axis=1, kind="stable")[:, :10]
        assert rank_unseen(scores, seen, 10).tolist() == expected.tolist()

    def test_given_scores_stay_as_they_are(self):
        scores = np.ones((1, 3), np.float32)
        rank_unseen(scores, csr_matrix(np.array([[1, 0, 0]])), 1)
        assert scores.tolist() == [[1, 1, 1]]
