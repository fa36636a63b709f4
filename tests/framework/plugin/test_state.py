"""What an encoder has learnt, as bytes: arrays alone, and a mistake in them is an error that says what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.errors import PluginError
from vicinal.plugin.state import hash_state, pack_state, unpack_state


def test_arrays_of_numbers_booleans_and_texts_come_back_as_they_were():
    state = {"words": np.array(["a", "ß"]), "counts": np.array([[1.5], [2]], np.float32), "kept": np.array([True])}
    back = unpack_state(pack_state(state))
    assert {name: (array.dtype, array.tolist()) for name, array in back.items()} == {
        name: (array.dtype, array.tolist()) for name, array in state.items()
    }
    assert hash_state(back) == hash_state(state)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (None, "fit returned None, not arrays by name"),
        (np.zeros(3), "fit returned a ndarray, not arrays by name"),
        ([np.zeros(3)], "fit returned a list of ndarray, not arrays by name"),
        ({"a": [1, 2]}, "fit returned 'a' as a list of int"),
        ({"a": np.array([{}], object)}, "fit returned 'a' as an array of object"),
    ],
)
def test_what_is_no_state_is_refused(state, reason):
    with pytest.raises(PluginError) as error:
        pack_state(state)
    assert str(error.value) == reason
    assert error.value.hint
