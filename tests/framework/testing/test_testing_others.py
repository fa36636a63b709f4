"""The contract of rerankers, and what the suites are made of: each check fails on something wrong."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from contract_helpers import fails, pairs, promises_of
from vicinal import Params, Reranker, Space
from vicinal.testing import RerankerContract
from vicinal.testing.checks import assert_same
from vicinal.testing.process import ask
from vicinal.toolkit.models import PackagedModel

pytestmark = pytest.mark.usefixtures("light_onnxruntime")


class ByWords(Reranker):
    """Puts the hits first that have more of the query's words."""

    class Params(Params):
        text: str = "text"
        """The metadata with the hit's text."""

    def rerank(self, query, hits):
        words = set(query.split())
        return sorted(hits, key=lambda hit: -len(words & set(hit.metadata[self.params.text].split())))


class TestByWords(RerankerContract):
    reranker_class = ByWords


class LooseParams(ByWords):
    class Params(ByWords.Params, extra="ignore"):
        pass


class HeavyReranker(ByWords):
    def __init__(self, params=None):
        import onnxruntime  # noqa: F401 - an empty module that the test lays down

        super().__init__(params)


class NoCandidates(ByWords):
    candidates = 0


class Repeats(ByWords):
    def rerank(self, query, hits):
        return [*super().rerank(query, hits), *hits]


class Invents(ByWords):
    def rerank(self, query, hits):
        return [replace(hit, key=f"{hit.key}!") for hit in super().rerank(query, hits)]


class Rescores(ByWords):
    def rerank(self, query, hits):
        return [replace(hit, similarity=1.0) for hit in super().rerank(query, hits)]


class ScoresBackwards(ByWords):
    def rerank(self, query, hits):
        return [hit.with_score(float(rank)) for rank, hit in enumerate(super().rerank(query, hits))]


class ScoresSome(ByWords):
    def rerank(self, query, hits):
        first, *others = super().rerank(query, hits) or [None]
        return [first.with_score(1.0), *others] if first else []


class SortsInPlace(ByWords):
    def rerank(self, query, hits):
        hits.reverse()
        return hits


class Alternates(ByWords):
    turn = 1

    def rerank(self, query, hits):
        self.turn = -self.turn
        return list(hits)[:: self.turn]


class NeedsHits(ByWords):
    def rerank(self, query, hits):
        return [hits[0], *hits[1:]]


class LoadsUnlisted(ByWords):
    """It loads a model that a bundle would lack."""

    def rerank(self, query, hits):
        assert PackagedModel("vicinal", "py.typed").resolve().is_file()
        return super().rerank(query, hits)


WRONG_RERANKERS = {
    "test_params_are_frozen_strict_and_described": [LooseParams],
    "test_making_one_imports_nothing_heavy": [HeavyReranker],
    "test_it_asks_for_candidates": [NoCandidates],
    "test_it_adds_no_hit": [Repeats, Invents],
    "test_it_changes_no_hit": [Rescores],
    "test_scores_rise_with_relevance": [ScoresBackwards, ScoresSome],
    "test_it_loads_no_other_models_than_it_lists": [LoadsUnlisted],
    "test_it_leaves_the_given_list_as_it_is": [SortsInPlace],
    "test_the_order_is_deterministic": [Alternates],
    "test_no_hits_stay_no_hits": [NeedsHits],
}


def test_every_test_of_the_reranker_contract_can_fail():
    assert set(WRONG_RERANKERS) == promises_of(RerankerContract)


@pytest.mark.parametrize(("test", "wrong"), pairs(WRONG_RERANKERS))
def test_a_wrong_reranker_fails_exactly_its_test(test, wrong):
    contract = type("Contract", (TestByWords,), {"reranker_class": wrong})
    assert {name for name in promises_of(contract) if fails(getattr(contract(), name))} == {test}


@pytest.mark.parametrize(("metric", "same"), [("COSINE", True), ("L2", False), ("IP", False)])
def test_length_counts_where_the_metric_sees_it(metric, same):
    vectors = np.array([[3.0, 4.0]], np.float32)
    try:
        assert_same(Space(2, metric=metric), vectors, 2 * vectors, 1e-4, "twice as long")
    except AssertionError as error:
        assert not same
        assert "twice as long: row 0 is 0.25 away" in str(error)
    else:
        assert same


def test_one_bit_counts():
    bits = np.array([[1, 2]], np.uint8)
    assert_same(Space(16, "binary", "JACCARD"), bits, bits.copy(), 0.0, "the same bits")
    with pytest.raises(AssertionError, match="row 0 is inf away"):
        assert_same(Space(16, "binary", "JACCARD"), bits, bits ^ 1, 0.5, "other bits")


def test_without_pytest_it_says_what_to_install():
    code = "import sys; sys.modules['pytest'] = None; import vicinal.testing"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'ImportError: vicinal.testing needs pytest: pip install "pytest>=8.4"' in done.stderr


def test_nothing_else_of_the_framework_imports_pytest():
    code = "import sys; from vicinal import create_manager; create_manager(); print('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_class_whose_module_cannot_be_imported_by_name_is_imported_from_its_file(tmp_path, monkeypatch):
    folder = tmp_path / "not on the path"
    folder.mkdir()
    (folder / "hidden.py").write_text("class Hidden: pass\ndef call(): return __name__\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(folder)
        import hidden  # type: ignore[import-not-found]

    try:
        answer = ask(hidden.call, hidden.Hidden)
    finally:
        del sys.modules["hidden"]
    assert (answer.value, answer.heavy) == ("hidden", ())
