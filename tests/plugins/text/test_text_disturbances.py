"""What happens to texts before somebody searches with them."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal import ItemError
from vicinal_text.disturbances import DISTURBANCES

TEXT = "Which index should I choose for a million vectors of images? It has to answer quickly."
BY_NAME = {disturbance.name: disturbance.apply for disturbance in DISTURBANCES}


def disturb(name, text, seed=0):
    return BY_NAME[name](text, np.random.default_rng(seed))


def test_a_fifth_of_the_words_is_dropped_and_the_others_keep_their_order():
    kept = disturb("words-dropped", TEXT).split()
    assert len(TEXT.split()) == 16
    assert len(kept) == 13
    words = iter(TEXT.split())
    assert all(word in words for word in kept)
    assert len({disturb("words-dropped", TEXT, seed) for seed in range(5)}) > 1
    assert disturb("words-dropped", "two words") in ("two", "words")
    assert disturb("words-dropped", "word") is None


def test_letters_are_swapped_in_a_fifth_of_the_longer_words():
    pairs = list(zip(TEXT.split(), disturb("mistyped", TEXT).split(), strict=True))
    wrong = [(old, new) for old, new in pairs if old != new]
    assert len(wrong) == 2
    for old, new in wrong:
        assert (sorted(old), old[0]) == (sorted(new), new[0])
        assert sum(one != other for one, other in zip(old, new, strict=True)) == 2


@pytest.mark.parametrize("text", ["a to be", "oooo", "", "我们"])
def test_a_text_without_longer_words_is_not_mistyped(text):
    assert disturb("mistyped", text) is None


def test_mistyping_keeps_the_spaces():
    assert len(disturb("mistyped", "one  thing\nand another")) == len("one  thing\nand another")


def test_capitals():
    assert disturb("capitals", "Which index?") == "WHICH INDEX?"
    assert disturb("capitals", "東京") is None
    assert disturb("capitals", "FAQ 17") is None


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (TEXT, "Which index should I choose for a million vectors of images?"),
        ("One sentence, with no other.", None),
        ("Dr. Jekyll and Mr. Hyde. A novel.", "Dr. Jekyll and Mr."),
        ("东京是日本的首都，人口众多。大阪是第二大城市。", "东京是日本的首都，人口众多。"),
        ("A title of a chapter\n\nIts text", "A title of a chapter"),
    ],
)
def test_the_first_sentence_has_ten_characters_and_another_one_behind_it(text, first):
    assert disturb("first-sentence", text) == first


def test_what_is_no_text_is_refused():
    for name in BY_NAME:
        with pytest.raises(ItemError, match="the content must be a text, not int"):
            disturb(name, 7)
