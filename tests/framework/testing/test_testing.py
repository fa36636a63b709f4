"""The contract of encoders: what is right passes it, and each of its tests fails on something that is wrong."""

from typing import ClassVar

import pytest

from tiny_encoders import Tiny, TinyBits, TinyLabels, TinyLearner, TinyNames, TinyTypos, TinyVocabulary, TinyWords
from vicinal import Item
from vicinal.testing import EncoderContract
from wrong_encoders import ACROSS, WRONG
from wrong_queries import OtherQuery
from wrong_vectors import FailsElsewhere

pytestmark = pytest.mark.usefixtures("light_onnxruntime")


class TestTiny(EncoderContract):
    encoder_class = Tiny
    params: ClassVar = {"dimension": 24}
    good = ("apple", "banana split", "cherry", Item("d", "date"))
    bad = ("", None, 7, Item("x", ""))
    variants = ({"dimension": 8}, {"dimension": 32}, {"dimension": 24})


class TestTinyBits(TestTiny):
    encoder_class = TinyBits


class TestTinyWords(TestTiny):
    encoder_class = TinyWords


class TestTinyLabels(TestTiny):
    encoder_class = TinyLabels


class TestTinyNames(TestTiny):
    encoder_class = TinyNames


class TestTinyTypos(TestTiny):
    encoder_class = TinyTypos


class TestTinyLearner(TestTiny):
    encoder_class = TinyLearner


class TestTinyVocabulary(TestTiny):
    """What it is asked has words that no good content has: it is tested with those that it could have learnt."""

    encoder_class = TinyVocabulary


class TestTinyMadeByHand(TestTiny):
    """``make_encoder`` and what a fixture sets are used instead of the class's attributes."""

    encoder_class = None

    def make_encoder(self, params=None):
        return Tiny(Tiny.Params(**(params or {"dimension": self.dimension})))

    @pytest.fixture(autouse=True)
    def files(self, tmp_path):
        self.dimension = 40
        self.good = [str(tmp_path / name) for name in ("a", "b", "c")]


def failing(contract: type, tests: set[str]) -> set[str]:
    """The tests of a contract that fail; each gets a class of its own, so that none sees another's encoder."""
    failed = set()
    for name in tests:
        fresh = type(contract.__name__, (contract,), {})
        try:
            getattr(fresh(), name)()
        except (Exception, pytest.fail.Exception):
            failed.add(name)
        if "_made" in vars(fresh):
            del fresh._made  # or it would live until the next garbage collection, and FirstOneWins with it
    return failed


def test_every_test_of_the_contract_can_fail():
    assert set(WRONG) == {name for name in dir(EncoderContract) if name.startswith("test_")}


@pytest.mark.parametrize(("test", "wrong"), [(test, wrong) for test, all_wrong in WRONG.items() for wrong in all_wrong])
def test_a_wrong_encoder_fails_exactly_its_test(test, wrong):
    contract = type("Contract", (TestTiny,), {"encoder_class": wrong})
    assert failing(contract, set(WRONG) if test in ACROSS else set(WRONG) - ACROSS) == {test}


def test_a_missing_promise_fails():
    class Few(TestTiny):
        good = ("one", "two")
        bad = ()

    with pytest.raises(AssertionError, match="three or more contents"):
        Few().test_decode_gives_segments()
    with pytest.raises(AssertionError, match="must be refused"):
        Few().test_bad_input_raises_item_error()


def test_a_query_may_differ_where_it_is_meant_to():
    class Asymmetric(TestTiny):
        encoder_class = OtherQuery
        query_differs = True

    assert failing(Asymmetric, set(WRONG) - ACROSS) == set()


def test_an_encoder_that_a_fresh_process_cannot_import_is_named():
    class Local(Tiny):
        pass

    class OfLocal(TestTiny):
        encoder_class = Local

    with pytest.raises(pytest.fail.Exception, match="define it at the top of a module"):
        OfLocal().test_signature_is_stable_across_processes()


def test_what_a_fresh_process_says_when_it_fails_is_shown():
    class OfFailing(TestTiny):
        encoder_class = FailsElsewhere

    with pytest.raises(pytest.fail.Exception, match="ValueError: only at home"):
        OfFailing().test_vectors_are_stable_across_processes()
