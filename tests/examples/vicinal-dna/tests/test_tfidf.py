"""The encoder keeps every promise that vicinal relies on, and learns which words mean something."""

from typing import ClassVar

import numpy as np
import pytest
from vicinal import Item, ItemError
from vicinal.testing import EncoderContract

from vicinal_dna.tfidf import TfIdf

TEXTS = (
    "a hormone of the pancreas",
    "the hormone insulin",
    "insulin lowers sugar in the blood",
    "a toxin of the scorpion",
    "the venom of a scorpion",
    "venom of the bee",
)


class TestTfIdf(EncoderContract):
    encoder_class = TfIdf
    params: ClassVar = {"dimension": 4}
    good = TEXTS
    bad = ("", " ", "!?", None)
    variants = ({"dimension": 3}, {"dimension": 4, "max_words": 5})


def make_fitted(**params: int) -> TfIdf:
    encoder = TfIdf(TfIdf.Params(**params))
    encoder.restore(encoder.fit([Item(str(number), text) for number, text in enumerate(TEXTS)]))
    return encoder


def encode(encoder: TfIdf, text: str) -> np.ndarray:
    return encoder.encode([encoder.decode(Item("x", text))[0].sample])[0]


def test_words_that_stand_together_are_near_though_none_is_shared() -> None:
    encoder = make_fitted(dimension=2)
    scorpion, bee, pancreas = (encode(encoder, word) for word in ("scorpion", "bee", "pancreas"))
    assert float(scorpion @ bee) > 0.9
    assert float(pancreas @ bee) < 0.5


def test_the_directions_are_those_of_the_singular_value_decomposition() -> None:
    encoder = make_fitted(dimension=4)
    everything = make_fitted(dimension=1024)
    weights = np.stack([everything.encode([text])[0] @ everything.state["directions"].T for text in TEXTS])
    singular = np.linalg.svd(weights, full_matrices=False)[2][:4]
    assert np.abs(np.sum(singular.T * encoder.state["directions"], axis=0)) == pytest.approx(np.ones(4), abs=1e-4)


def test_two_fits_agree() -> None:
    first, second = make_fitted(dimension=4).state, make_fitted(dimension=4).state
    assert {name: array.tolist() for name, array in first.items()} == {
        name: array.tolist() for name, array in second.items()
    }


def test_the_most_frequent_words_are_learnt() -> None:
    assert make_fitted(max_words=3).state["words"].tolist() == ["a", "of", "the"]


def test_a_text_of_unknown_words_is_refused() -> None:
    with pytest.raises(ItemError, match="none of its words was learnt") as raised:
        make_fitted().decode(Item("x", "zebra"))
    assert raised.value.hint == "`vicinal reindex` learns the words of all items anew"


def test_items_without_words_teach_nothing() -> None:
    with pytest.raises(ItemError, match="no words"):
        TfIdf().fit([Item("x", "?!")])
