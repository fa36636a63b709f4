"""Arithmetic on vectors."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.toolkit.vectors import l2_normalize, min_cosine


def test_l2_normalize_scales_rows_and_leaves_zeros():
    normalized = l2_normalize(np.array([[3, 4], [0, 0], [-2, 0]], np.float32))
    assert normalized.tolist() == pytest.approx(np.array([[0.6, 0.8], [0, 0], [-1, 0]]))
    assert normalized.dtype == np.float32
    assert l2_normalize(np.zeros((0, 5), np.float32)).shape == (0, 5)


def test_min_cosine_is_that_of_the_worst_row():
    one, other = np.array([[1, 0], [2, 0]], np.float32), np.array([[5, 0], [1, 1]], np.float32)
    assert min_cosine(one, other) == pytest.approx(0.5**0.5)
    assert min_cosine(one[:1], np.zeros((1, 2), np.float32)) == 0
