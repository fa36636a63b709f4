"""What an encoder makes of examples: the default's formula, and wrong results that name the encoder."""

import numpy as np
import pytest

from encoders import Hashed
from vicinal.errors import PluginError
from vicinal.plugin.example_calls import combine_examples, list_excluded_keys, to_query_vectors

VECTORS = np.random.default_rng(1).standard_normal((5, 16)).astype(np.float32)


def test_examples_are_combined_as_rocchio_says():
    liked, unliked = VECTORS[:3], VECTORS[3:]
    expected = liked.mean(0) + (liked.mean(0) - unliked.mean(0))
    assert combine_examples(Hashed(), liked, unliked) == pytest.approx(expected)
    assert combine_examples(Hashed(), liked, VECTORS[:0]) == pytest.approx(liked.mean(0))
    assert combine_examples(Hashed(), liked[:1], VECTORS[:0]) == pytest.approx(liked[0])


def test_an_item_is_searched_by_its_own_vector_and_leaves_nothing_out():
    assert to_query_vectors(Hashed(), VECTORS) is VECTORS
    assert list_excluded_keys(Hashed(), "text") == ()


class Doubling(Hashed):
    def to_query_vector(self, stored):
        return stored.astype(np.float64) * 2


def test_what_an_encoder_overrides_is_float32():
    queries = to_query_vectors(Doubling(), VECTORS)
    assert queries.dtype == np.float32
    assert queries == pytest.approx(2 * VECTORS)


class Odd(Hashed):
    returned: object

    def to_query_vector(self, stored):
        return self.returned

    def combine_examples(self, liked, unliked):
        return self.returned

    def list_excluded_keys(self, query):
        return self.returned


@pytest.mark.parametrize(
    ("returned", "what"),
    [
        (None, "object of shape ()"),
        (VECTORS, "float32 of shape (5, 16)"),
        (VECTORS[0, :8], "float32 of shape (8,)"),
        (np.ones(16, int), "int64 of shape (16,)"),
    ],
)
def test_something_else_than_a_vector_names_the_encoder(monkeypatch, returned, what):
    monkeypatch.setattr(Odd, "returned", returned, raising=False)
    for method, call in (
        ("combine_examples", lambda: combine_examples(Odd(), VECTORS, VECTORS)),
        ("to_query_vector", lambda: to_query_vectors(Odd(), VECTORS)),
    ):
        with pytest.raises(PluginError) as error:
            call()
        assert str(error.value) == f"encoder Odd: {method} returned {what}, not float32 of shape (16,)"


@pytest.mark.parametrize(("returned", "what"), [(None, "None"), ("k1", "a str"), ([1], "a list of int")])
def test_something_else_than_keys_names_the_encoder(monkeypatch, returned, what):
    monkeypatch.setattr(Odd, "returned", returned, raising=False)
    with pytest.raises(PluginError) as error:
        list_excluded_keys(Odd(), "text")
    assert str(error.value) == f"encoder Odd: list_excluded_keys returned {what}, not a list of keys"
