"""The contract of rerankers as a test class: inherit it and make the reranker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from vicinal.plugin.reranker import Reranker
from vicinal.testing.bundled_models import bundle_models
from vicinal.testing.checks import assert_described, assert_frozen, assert_strict
from vicinal.testing.process import ask
from vicinal.types import Hit

__all__ = ["RerankerContract"]

TEXTS = ("a red apple on a table", "how to grow apples", "the night sky", "a table of prices")


def _make_hit(number: int, text: str) -> Hit:
    similarity = 0.9 - number / 10
    return Hit(f"hit-{number}", number, similarity, similarity, "", {"text": text}, content=text)


class RerankerContract:
    """Every test that a reranker must pass. A subclass gives ``reranker_class`` (or ``make_reranker``)."""

    reranker_class: ClassVar[type[Reranker]]
    """The class under test; or override ``make_reranker``."""
    params: ClassVar[dict[str, Any]] = {}
    """The keys of its YAML block, beside ``type``."""
    query: ClassVar[Any] = "grow an apple tree"
    """What was searched for."""
    hits: ClassVar[Sequence[Hit]] = tuple(_make_hit(number, text) for number, text in enumerate(TEXTS))
    """Candidates as a search finds them, best first; three or more."""

    def make_reranker(self) -> Reranker:
        """Make a fresh reranker."""
        return self.reranker_class(self.reranker_class.Params.model_validate(self.params))

    def test_params_are_frozen_strict_and_described(self) -> None:
        params = type(self.make_reranker()).Params
        assert_frozen(params)
        assert_strict(params)
        assert_described(params)

    def test_making_one_imports_nothing_heavy(self) -> None:
        reranker = self.make_reranker()
        answer = ask(partial(_make_reranker, type(reranker), reranker.params), type(reranker))
        assert not answer.heavy, f"import {', '.join(answer.heavy)} where it works: in rerank"

    def test_it_asks_for_candidates(self) -> None:
        candidates = self.make_reranker().candidates
        assert isinstance(candidates, int)
        assert candidates >= 1

    def test_it_adds_no_hit(self) -> None:
        keys = [hit.key for hit in self._rerank_hits()]
        assert set(keys) <= {hit.key for hit in self.hits}
        assert len(set(keys)) == len(keys), "a hit is there twice"

    def test_it_changes_no_hit(self) -> None:
        before = {hit.key: hit for hit in self.hits}
        for hit in self._rerank_hits():
            if hit.key in before:
                as_found = replace(hit, rank=before[hit.key].rank, score=None, note=None)
                assert as_found == before[hit.key], "similarity and distance stay as found"

    def test_scores_rise_with_relevance(self) -> None:
        scores = [hit.score for hit in self._rerank_hits()]
        if any(score is not None for score in scores):
            assert None not in scores, "give every hit a score, or none"
            assert scores == sorted(scores, key=lambda score: -(score or 0.0)), f"best first, but {scores}"

    def test_it_leaves_the_given_list_as_it_is(self) -> None:
        given = list(self.hits)
        self.make_reranker().rerank(self.query, given)
        assert given == list(self.hits)

    def test_the_order_is_deterministic(self) -> None:
        reranker = self.make_reranker()
        first = [hit.key for hit in reranker.rerank(self.query, list(self.hits))]
        assert [hit.key for hit in reranker.rerank(self.query, list(self.hits))] == first
        assert [hit.key for hit in self._rerank_hits()] == first

    def test_no_hits_stay_no_hits(self) -> None:
        assert list(self.make_reranker().rerank(self.query, [])) == []

    def test_it_loads_no_other_models_than_it_lists(self) -> None:
        """With those that it lists in a bundle, and no others, it reranks."""
        with bundle_models(self.make_reranker().list_models()):
            self._rerank_hits()

    def _rerank_hits(self) -> Sequence[Hit]:
        assert len(self.hits) >= 3, "give three or more candidates, as `hits`"
        return self.make_reranker().rerank(self.query, list(self.hits))


def _make_reranker(reranker_class: type[Reranker], params: Any) -> None:
    reranker_class(params)
