"""Long values in parts: none is lost, none comes twice."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.toolkit.slices import iter_slices


@pytest.mark.parametrize(
    ("values", "size", "slices"),
    [
        ([1, 2, 3, 4, 5], 2, [[1, 2], [3, 4], [5]]),
        ([1, 2, 3, 4], 2, [[1, 2], [3, 4]]),
        ([1], 9, [[1]]),
        (b"abc", 2, [b"ab", b"c"]),
        ([], 3, []),
    ],
)
def test_the_last_slice_may_have_fewer(values, size, slices):
    assert list(iter_slices(values, size)) == slices


def test_rows_of_an_array_are_views():
    rows = np.arange(6).reshape(3, 2)
    first, last = iter_slices(rows, 2)
    assert (first.tolist(), last.tolist()) == ([[0, 1], [2, 3]], [[4, 5]])
    assert first.base is rows.base
