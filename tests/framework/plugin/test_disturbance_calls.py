"""What an encoder says of disturbed items is checked, and its mistakes are errors that name it."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tiny_encoders import TinyTypos
from vicinal import Disturbance, ItemError
from vicinal.errors import PluginError
from vicinal.plugin.disturbance_calls import disturb_content, list_disturbances, make_generator, to_query

TYPOS = TinyTypos().list_disturbances()[0]


class Given(TinyTypos):
    given = ()

    def list_disturbances(self):
        return self.given


def make(given):
    return type("Given", (Given,), {"given": given})()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "encoder Given: list_disturbances returned None, not a list of Disturbance"),
        ("typos", "encoder Given: list_disturbances returned a str, not a list of Disturbance"),
        ([TYPOS, SimpleNamespace(name="x")], "returned a list of Disturbance, SimpleNamespace, not a list"),
        ([TYPOS, TYPOS], "encoder Given: a disturbance is called 'mistyped'"),
        ([replace(TYPOS, name="Mistyped texts")], "encoder Given: a disturbance is called 'Mistyped texts'"),
    ],
)
def test_what_is_no_list_of_disturbances_is_refused(given, message):
    with pytest.raises(PluginError, match=re.escape(message)):
        list_disturbances(make(given))


def test_an_encoder_has_none_by_default():
    assert list_disturbances(make([])) == []
    assert [disturbance.name for disturbance in list_disturbances(TinyTypos())] == ["mistyped"]


def test_a_query_depends_on_the_seed_the_item_and_the_disturbance_alone():
    text = "a text of many characters"
    query = disturb_content(TinyTypos(), TYPOS, text, make_generator(0, "k1", "mistyped"))
    assert query == disturb_content(TinyTypos(), TYPOS, text, make_generator(0, "k1", "mistyped"))
    assert len(query) == len(text) - 1
    others = [(1, "k1", "mistyped"), (0, "k2", "mistyped"), (0, "k1", "other")]
    assert len({make_generator(*one).integers(2**63) for one in [(0, "k1", "mistyped"), *others]}) == 4


@pytest.mark.parametrize("returned", [7, ["a"], np.zeros(3)])
def test_what_is_no_query_is_refused(returned):
    disturbance = replace(TYPOS, apply=lambda *_: returned)
    with pytest.raises(PluginError, match="encoder TinyTypos, disturbance 'mistyped': apply returned") as caught:
        disturb_content(TinyTypos(), disturbance, "text", make_generator(0, "k", "mistyped"))
    assert caught.value.hint == "return a text, the bytes of a file, or None"


def test_an_item_that_cannot_be_read_stays_an_item_error():
    def refuse(content, _):
        raise ItemError(f"no {content}")

    with pytest.raises(ItemError, match="no text"):
        disturb_content(TinyTypos(), Disturbance("x", "x", refuse), "text", make_generator(0, "k", "x"))


def test_bytes_are_written_to_a_file_and_a_text_is_never_a_key(tmp_path):
    path = tmp_path / "query.bin"
    assert to_query(b"abc", path) == path
    assert path.read_bytes() == b"abc"
    assert to_query("a text", path) == "a text"
    assert to_query("@home", path) == "\\@home"
