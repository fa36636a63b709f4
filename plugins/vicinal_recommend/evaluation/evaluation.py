"""The evaluation of a recommender: its model beside simple ones, over all items that a user has not touched yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal import Evaluation, HeldOut
from vicinal_recommend.evaluation.baselines import BASELINES, ScoreItems, rank_unseen
from vicinal_recommend.evaluation.splits import SPLITS, Log, choose_held_back, find_relevant, to_matrix

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["RecommenderEvaluation"]


@dataclass(frozen=True, slots=True)
class _Training:
    """What models learn from, users by items, and the numbers of the users who are asked for, in the queries' order."""

    matrix: csr_matrix
    users: np.ndarray


class RecommenderEvaluation(Evaluation):
    """Holds interactions back, and ranks for each user all items that are not in what is left of the history."""

    splits = SPLITS

    def __init__(
        self,
        log: Log,
        users: Sequence[str],
        items: int,
        name: str,
        fit: Callable[[csr_matrix, Mapping[str, Any]], ScoreItems],
        grid: Sequence[Mapping[str, Any]] = (),
        others: Mapping[str, Callable[[csr_matrix], ScoreItems]] = BASELINES,
        read_note: Callable[[], str] = str,
    ) -> None:
        """
        Args:
            log: all interactions.
            users: the names of all users, by number.
            items: how many items there are.
            name: what the model is called.
            fit: fits it to users by items, with some of its parameters changed.
            grid: the changes to try.
            others: the models that it has to beat, by name.
            read_note: what the last ``fit`` noticed.
        """
        self._log, self._users, self._items, self._fit, self._others = log, users, items, fit, others
        self.models = (name, *others)
        self.grid = grid
        self._read_note = read_note

    @property
    def fit_note(self) -> str:
        return self._read_note()

    def with_others(self, others: Mapping[str, Callable[[csr_matrix], ScoreItems]]) -> RecommenderEvaluation:
        """The same evaluation beside other models."""
        return RecommenderEvaluation(
            self._log, self._users, self._items, self.models[0], self._fit, self.grid, others, self._read_note
        )

    def split(self, name: str, *, validation: bool = False, seed: int = 0) -> HeldOut:
        """Hold interactions back; users of whom nothing is held back, or nothing new, are not asked for."""
        log = self._log
        for _ in range(1 + validation):
            mask = choose_held_back(log, name, seed)
            log, held_back = log.select(~mask), log.select(mask)
        matrix = to_matrix(log, len(self._users), self._items)
        users, relevant = find_relevant(held_back, matrix)
        queries = [f"user:{self._users[user]}" for user in users.tolist()]
        return HeldOut(queries, relevant, self._items, _Training(matrix, users))

    def fit_model(
        self, name: str, held_out: HeldOut, params: Mapping[str, Any]
    ) -> Callable[[np.ndarray, int], np.ndarray]:
        """Fit the model itself or one of the others."""
        training: _Training = held_out.training
        fit_other = self._others.get(name)
        score = fit_other(training.matrix) if fit_other else self._fit(training.matrix, params)

        def rank(queries: np.ndarray, limit: int) -> np.ndarray:
            users = training.users[queries]
            return rank_unseen(score(users), training.matrix[users], limit)

        return rank
