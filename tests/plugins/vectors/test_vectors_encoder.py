"""The encoder ``vectors``: what it takes for a vector, and what it says of everything else."""

from __future__ import annotations

import re
from typing import ClassVar

import numpy as np
import pytest
from pydantic import ValidationError

from vicinal import Item, ItemError, PluginError, Rendering
from vicinal.plugin.encoder_calls import decode_items
from vicinal.testing import EncoderContract
from vicinal_vectors.encoder import Vectors

BITS = [1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]


def make_encoder(**params):
    return Vectors(Vectors.Params(**{"dimension": 3, **params}))


def make_items(*contents):
    return [Item(f"k{number}", content) for number, content in enumerate(contents)]


def read(encoder, content):
    return encoder.encode([segment.sample for segment in encoder.decode(Item("k", content))]).tolist()


def ask(encoder, query):
    return encoder.encode([segment.sample for segment in encoder.decode_query(query)]).tolist()


class TestFloats(EncoderContract):
    encoder_class = Vectors
    params: ClassVar = {"dimension": 3}
    good = ("[1, 2, 3]", "0.5, -1, 2e-3", [3, 0.25, 1], np.array([1, 2, 9], np.float32), np.array([4, 5, 6], ">f8"))
    bad = ("", "[1, 2]", "[1, 2, null]", "a sentence", "[[1, 2, 3]]", [1, 2, "3"], np.full(3, np.nan), 17, None, [])
    variants = ({"dimension": 4}, {"dimension": 3, "model": "another"})


class TestBits(EncoderContract):
    encoder_class = Vectors
    params: ClassVar = {"dimension": 16, "metric": "JACCARD"}
    good = (BITS, "[255, 0]", np.array([1, 2], np.uint8), np.array(BITS, bool), b"\x01\x03")
    bad = ("[1]", [0] * 16, [2] * 16, [256, 0], [0.5, 1], [-1, 0], b"\x01", "words")


def test_numbers_are_taken_as_they_are():
    encoder = make_encoder()
    for content in ([1, 2.5, -3], (1, 2.5, -3), "[1, 2.5, -3]", "1 2.5 -3", np.array([1, 2.5, -3], np.float16)):
        assert read(encoder, content) == [[1, 2.5, -3]]
        assert ask(encoder, content) == [[1, 2.5, -3]] if isinstance(content, str) else True
    assert ask(encoder, "text:[1, 2.5, -3]") == [[1, 2.5, -3]]


def test_bits_are_packed():
    encoder = make_encoder(dimension=16, metric="JACCARD")
    assert read(encoder, BITS) == read(encoder, [129, 192]) == read(encoder, b"\x81\xc0") == [[129, 192]]
    assert ask(encoder, "[0, 0]") == [[0, 0]], "a query without bits finds nothing, and is no error"


def test_a_query_may_be_a_file(tmp_path):
    encoder, path = make_encoder(), tmp_path / "q.npy"
    for array in (np.array([1.0, 2, 3]), np.array([[1, 2, 3]], np.int8)):
        np.save(path, array)
        assert ask(encoder, path) == ask(encoder, str(path)) == [[1, 2, 3]]
    assert read(encoder, path) == [[1, 2, 3]], "an item, of the source `folder`"


def test_what_a_server_passes_on_is_never_read_as_a_file(tmp_path):
    np.save(tmp_path / "q.npy", np.ones(3))
    with pytest.raises(ItemError, match="is no vector"):
        make_encoder().decode_query(f"text:{tmp_path}/q.npy")
    with pytest.raises(ItemError, match="is no vector"):
        make_encoder().decode(Item("k", f"{tmp_path}/q.npy"))


class Trap:
    def __reduce__(self):
        return print, ("unpickled",)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.array([Trap()]), "is not a .npy file of numbers: Object arrays cannot be loaded"),
        (np.ones((2, 3)), "has the shape (2, 3), and one vector (dimension,)"),
        (np.array(["a"]), "it is an array of <U1 in the shape (1,)"),
        (np.array([1j, 2, 3]), "complex128"),
        (np.ones(4), "it has 4 numbers, and `dimension` is 3"),
        (np.array([1, np.inf, 2]), "its number 2 is inf"),
        (np.zeros(3), "it is all zeros"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, array, reason, capsys):
    np.save(tmp_path / "q.npy", array, allow_pickle=True)
    with pytest.raises(ItemError, match=re.escape(reason)):
        make_encoder().decode_query(tmp_path / "q.npy")
    assert capsys.readouterr().out == ""


def test_files_that_are_missing_or_broken(tmp_path):
    (tmp_path / "text.npy").write_text("0.1, 0.2")
    (tmp_path / "empty.npy").touch()
    np.savez(tmp_path / "several.npz", np.ones(3))
    (tmp_path / "several.npz").rename(tmp_path / "several.npy")
    for name, reason in (
        ("none.npy", "there is no file"),
        ("text.npy", "is not a .npy file of numbers"),
        ("empty.npy", "is not a .npy file of numbers"),
        ("several.npy", "is a .npz file of several arrays"),
    ):
        with pytest.raises(ItemError, match=re.escape(reason)):
            make_encoder().decode_query(str(tmp_path / name))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([1, 2], "it has 2 numbers, and `dimension` is 3"),
        ("[1, 2, 3, 4]", "it has 4 numbers"),
        ([1, 2, None], "its number 3 is None"),
        ([1, "2", 3], "its number 2 is a str"),
        ([1, True, 3], "its number 2 is a bool"),
        ({"x": 1}, "it is a dict, not a list of numbers"),
        ("7", "it has 1 numbers"),
        ([1, float("-inf"), 3], "its number 2 is -inf"),
        ([1, 1e300, 3], "its number 2 is inf"),
        ([1e30, 0, 0], "it is too long for float32"),
        (np.ones((3, 1)), "in the shape (3, 1)"),
        (np.array([1, 2, 3], object), "it is an array of object"),
    ],
)
def test_odd_items_are_refused_with_the_reason(content, reason):
    items = make_items([1, 2, 3], content, [3, 2, 1])
    first, odd, last = decode_items(make_encoder(), items)
    assert [len(first), len(last)] == [1, 1]
    assert reason in str(odd)


def test_zeros_are_a_vector_under_l2():
    assert read(make_encoder(metric="L2"), [0, 0, 0]) == [[0, 0, 0]]
    for metric in ("COSINE", "IP"):
        with pytest.raises(ItemError, match="all zeros, which have no direction"):
            make_encoder(metric=metric).decode(Item("k", [0, 0, 0]))


def test_arrays_are_checked_together_as_they_are_alone():
    """One that is odd does not spoil the others; whatever its kind, each gets the answer that it gets alone."""
    rng = np.random.default_rng(0)
    rows = list(rng.standard_normal((50, 3)).astype(np.float32))
    for odd in (None, np.full(3, np.nan, np.float32), np.zeros(3), np.ones(4), np.full(3, 1e30)):
        contents = rows if odd is None else [*rows[:20], odd, *rows[20:]]
        together = make_encoder().decode_many(make_items(*contents))
        alone = [make_encoder().decode_many([item])[0] for item in make_items(*contents)]
        for one, other in zip(together, alone, strict=True):
            if isinstance(one, ItemError):
                assert str(one) == str(other)
            else:
                assert np.array_equal(one[0].sample, other[0].sample)
        assert sum(isinstance(one, ItemError) for one in together) == (odd is not None)


def test_a_wrong_dimension_in_the_config_ends_the_run():
    """A million failures of one reason help nobody; a single odd vector among good ones is a failure of its own."""
    items = make_items(*np.ones((150, 5), np.float32))
    with pytest.raises(PluginError, match="the first 100 vectors have 5 numbers, and `dimension` is 3") as error:
        decode_items(make_encoder(), items)
    assert error.value.hint == "set `dimension: 5` in the encoder's block"
    answers = decode_items(make_encoder(), [Item("good", [1, 2, 3]), *items])
    assert sum(isinstance(one, ItemError) for one in answers) == 150


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"dimension": 1}, "greater than or equal to 2"),
        ({"dimension": 32_769}, "dimension is at most 32,768, unless vectors are bits"),
        ({"dimension": 12, "metric": "JACCARD"}, "a multiple of 8"),
        ({"metric": "MANHATTAN"}, "'COSINE', 'IP', 'L2' or 'JACCARD'"),
        ({"dimensions": 3}, "Extra inputs"),
    ],
)
def test_parameters_that_make_no_sense(params, reason):
    with pytest.raises(ValidationError, match=re.escape(reason)):
        make_encoder(**params)


def test_an_item_is_shown_by_what_people_call_it():
    encoder = make_encoder()
    assert encoder.render(Item("k", np.ones(3), metadata={"title": "Boat", "name": "b"})) == Rendering("text", "Boat")
    assert encoder.render(Item("k", np.ones(3), metadata={"title": 3})) == Rendering("text", "")
    assert len(encoder.render(Item("k", "[" + "1, " * 500 + "1]")).value) <= 200
