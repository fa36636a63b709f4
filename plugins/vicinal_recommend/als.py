"""The encoder ``als``: items by who has had to do with them, by alternating least squares of the library ``implicit``.

An item's vector y comes from the factorization, a user's x from folding in the user's history; x·y says how much the
user may like the item. One column of the store serves two questions: it holds ``[y/|y|, s·y]`` under inner product, so
that ``[0, x/s]`` finds what a user may like, and ``[y/|y|, 0]`` items like an item, by cosine.

The scale s makes the longest of all ``s·y`` 1.5 long. A graph (HNSW) is built by the inner products of what is stored:
of 59,000 items, the longest 36 times the median one, it finds 96% of a user's ten best and 99% of an item's; with s = 1
it finds nearly all of a user's and 22% of an item's, with a longest of 1 94% and 99% (M 16, ef 128).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from vicinal import Encoder, Evaluation, Item, ItemError, ItemSkipped, Modality, Segment, Space, State
from vicinal.errors import UnknownItemError
from vicinal.toolkit.text import shorten
from vicinal_recommend.factorization import factorize
from vicinal_recommend.fold_in import FoldIn
from vicinal_recommend.histories import Histories, HistoryBuilder, InteractionMatrix
from vicinal_recommend.ids import IdTable
from vicinal_recommend.interactions import InteractionReader, InteractionTable

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from vicinal_recommend.evaluation.baselines import ScoreItems

__all__ = ["Als"]

USER_PREFIX = "user:"
_COLD = "nobody had to do with it when the encoder was fitted"
_UNLEARNT = "too few had to do with it: its vector is next to nothing"
_RARE_PERCENTILE = 1.0
_MIN_RELATIVE_LENGTH = 1e-4
"""Of an item's vector, beside the longest one; the kind of a shorter one is not known."""
_MAX_SCALED_LENGTH = 1.5


class Als(Encoder["Als.Params"]):
    """Recommends items to users, and finds items that the same users like; an item is known by its key."""

    encode_is_thread_safe = True
    content_label = "item"

    class Params(Encoder.Params):
        interactions: InteractionTable = Field(examples=[{"path": "interactions.csv", "user": "user", "item": "item"}])
        """The file with a row for each interaction of a user with an item."""
        factors: int = Field(default=64, ge=1, le=1024)
        """The length of an item's vector; the stored one has twice as many."""
        regularization: float = Field(default=20.0, ge=0.0)
        """How much vectors are held short; more of it recommends what is better known."""
        alpha: float = Field(default=3.0, gt=0.0)
        """How much an interaction of mean weight counts, beside 1 for an item that a user had nothing to do with."""
        iterations: int = Field(default=15, ge=1, le=1000)
        """How often users and items are solved for in turn."""
        seed: int = Field(default=0, ge=0, lt=2**32)
        """Where the factorization starts."""
        seen: Literal["exclude", "include"] = "exclude"
        """Whether the items of a user's history are left out of what the user is recommended."""
        cold: Literal["skip", "popular"] = "skip"
        """Items that nobody has had to do with: `skip` leaves them out and counts them; `popular` indexes them behind
        what users like, as the least known ones of average taste, so that a filter finds them."""

    def __init__(self, params: Any = None) -> None:
        super().__init__(params)
        self._refused: dict[str, int] = {}
        self._learning_note = ""
        self._evaluation_note = ""

    @property
    def space(self) -> Space:
        return Space(2 * self.params.factors, "float", "IP")

    @property
    def signature(self) -> str:
        names = ("factors", "regularization", "alpha", "iterations", "seed", "cold")
        chosen = [f"{name}={getattr(self.params, name)}" for name in names]
        table = self.params.interactions
        return "/".join(["als/1", *chosen, f"weight={table.weight}", f"min_weight={table.min_weight}"])

    @property
    def query_modalities(self) -> tuple[Modality, ...]:
        example = self._users.get(0) if self._state else "1"
        return (
            Modality(
                "user",
                label="user",
                placeholder=f"A user, as {USER_PREFIX}{example}",
                example=f"{USER_PREFIX}{example}",
            ),
        )

    @property
    def decode_batch_size(self) -> int:
        return 1_024

    @property
    def encode_batch_size(self) -> int:
        return 2_048

    # --- learning

    def fit(self, items: Iterable[Item]) -> State:
        """Factorize who has had to do with which of these items, known by their keys.

        Raises:
            ItemError: no interaction names a user and one of these items, or they are so few that all vectors shrink to
                nothing.
            SourceError: the file of interactions cannot be read.
        """
        matrix = self._read_matrix([item.key for item in items])
        found = factorize(matrix.weights, self.params)
        found.require_lengths()
        self._learning_note = found.note
        exact = found.factors.astype(np.float64)
        characters, ends = IdTable.build(matrix.items).arrays
        return {
            "item_characters": characters,
            "item_ends": ends,
            "factors": found.factors,
            "gram": exact.T @ exact,
            **Histories.pack(matrix).to_state(),
        }

    @property
    def fit_note(self) -> str:
        """Which interactions the last ``fit`` has left out, and whether it has learnt next to nothing."""
        counts = ", ".join(f"{count:,} {reason}" for reason, count in self._refused.items())
        left_out = f"{sum(self._refused.values()):,} interactions were left out: {counts}" if counts else ""
        return "; ".join(filter(None, [left_out, self._learning_note]))

    def _read_matrix(self, keys: Sequence[str]) -> InteractionMatrix:
        table = self.params.interactions
        reader, builder = InteractionReader(table), HistoryBuilder(keys, table.min_weight)
        for chunk in reader:
            builder.add(chunk)
        if reader.malformed:
            builder.refused["that cannot be read"] += reader.malformed
        self._refused = dict(builder.refused.most_common())
        return builder.build()

    # --- being measured

    def build_evaluation(self, items: Iterable[Item]) -> Evaluation:
        """Interactions are held back; the model is fitted to the others, beside simple ones.

        Raises:
            SourceError: the file of interactions cannot be read.
            VicinalError: there is none with an item of the source.
        """
        from vicinal_recommend.evaluation.als import list_trials
        from vicinal_recommend.evaluation.evaluation import RecommenderEvaluation
        from vicinal_recommend.evaluation.log import read_log

        params, keys = self.params, [item.key for item in items]
        log, users = read_log(params.interactions, keys)
        trials = list(list_trials(params.factors, params.regularization, params.alpha))
        return RecommenderEvaluation(
            log, users, len(keys), "als", self.fit_scores, trials, read_note=lambda: self._evaluation_note
        )

    def fit_scores(self, training: csr_matrix, changes: Mapping[str, Any]) -> ScoreItems:
        """Fit to users by items, with some parameters changed; what this encoder has learnt stays as it is."""
        from vicinal_recommend.evaluation.als import scale_weights, score_users

        weights, params = scale_weights(training), self.params.model_copy(update=dict(changes))
        found = factorize(weights, params)
        self._evaluation_note = found.note
        return score_users(found.factors, weights, params.regularization, params.alpha)

    def fit_factors(self, training: csr_matrix, changes: Mapping[str, Any]) -> np.ndarray:
        """The items' vectors, ``(items, factors)`` float32, fitted to users by items."""
        from vicinal_recommend.evaluation.als import scale_weights

        return factorize(scale_weights(training), self.params.model_copy(update=dict(changes))).factors

    # --- items

    def decode(self, item: Item) -> list[Segment]:
        """The item's vector, twice: of length 1 for its likeness to other items, and scaled for users.

        Raises:
            ItemSkipped: nobody has had to do with it, or too few for its vector to be more than nothing.
        """
        row = self._items.find(item.key)
        if row is not None and self._is_known[row]:
            return [Segment(self._to_stored(self._factors[row]))]
        if self.params.cold == "skip":
            raise ItemSkipped(_COLD if row is None else _UNLEARNT)
        return [Segment(self._to_stored(self._rare_vector))]

    def encode(self, samples: Sequence[np.ndarray]) -> np.ndarray:
        """The vectors that ``decode`` and ``decode_query`` made, ``(n, 2 · factors)`` float32."""
        return np.array(samples, np.float32).reshape(len(samples), self.space.dimension)

    # --- queries

    def decode_query(self, query: str | Path) -> list[Segment]:
        """A user, as ``user:7``, folded in from the user's history.

        Raises:
            ItemError: the query does not name a user.
            UnknownItemError: there is no such user.
        """
        text = str(query).strip()
        if not text.startswith(USER_PREFIX):
            raise ItemError(
                f"{shorten(text, 100)!r} is no user",
                f"write {USER_PREFIX}ID for what a user may like, or @KEY for items like that one",
            )
        user = self._fold_in_user(text.removeprefix(USER_PREFIX).strip())
        return [Segment(self._to_query(user))]

    def suggest_queries(self, prefix: str, limit: int) -> list[str]:
        """Users whose name begins with what was typed, as ``user:17`` for ``user:1``."""
        if not (prefix.startswith(USER_PREFIX) or USER_PREFIX.startswith(prefix)):
            return []
        names = self._users.list_prefixed(
            prefix.removeprefix(USER_PREFIX) if prefix.startswith(USER_PREFIX) else "", limit
        )
        return [USER_PREFIX + name for name in names]

    def to_query_vector(self, stored: np.ndarray) -> np.ndarray:
        """What finds items like an indexed one, by cosine: its first half, and nothing of its second.

        Zeros for an item of which nothing is known, whose vector is only a place for it behind the others.
        """
        factors = self.params.factors
        if self.params.cold == "popular" and np.allclose(stored, self._to_stored(self._rare_vector), atol=1e-6):
            return np.zeros(2 * factors, np.float32)
        return np.concatenate([stored[:factors], np.zeros(factors, np.float32)]).astype(np.float32)

    def combine_examples(self, liked: np.ndarray, unliked: np.ndarray) -> np.ndarray:
        """A user who likes and does not like these items, folded in; users among the liked are where that starts.

        Args:
            liked: ``(n, 2 · factors)``, items as they are stored, or users as ``decode_query`` gives them.
            unliked: ``(m, 2 · factors)``, items.

        Raises:
            ItemError: a user is among the unliked.
        """
        is_user = ~liked[:, : self.params.factors].any(axis=1)
        is_unliked_user = ~unliked[:, : self.params.factors].any(axis=1)
        if is_unliked_user.any():
            error = ItemError(
                "a user cannot be among what is not liked", f"give a {USER_PREFIX}… as a query, or in like"
            )
            error.argument = f"unlike.{is_unliked_user.argmax()}"
            raise error
        examples = np.concatenate([liked[~is_user], unliked])[:, self.params.factors :] / self.scale
        preferences = np.repeat([1.0, -1.0], [int((~is_user).sum()), len(unliked)])
        users = liked[is_user, self.params.factors :] * self.scale
        prior = users.mean(axis=0, dtype=np.float64) if len(users) else None
        confidences = np.full(len(examples), self.params.alpha)
        return self._to_query(self._fold_in.solve(examples, confidences, preferences, prior))

    def list_excluded_keys(self, query: str | Path) -> Sequence[str]:
        """The items of a user's history, unless ``seen`` is ``include``."""
        text = str(query).strip()
        if self.params.seen == "include" or not text.startswith(USER_PREFIX):
            return ()
        row = self._users.find(text.removeprefix(USER_PREFIX).strip())
        return [self._items.get(int(item)) for item in self._histories.get(row)[0]] if row is not None else ()

    def _fold_in_user(self, name: str) -> np.ndarray:
        row = self._users.find(name)
        if row is None:
            raise UnknownItemError(
                f"there is no user {shorten(name, 100)!r} among the interactions",
                f"a user is written as {USER_PREFIX}{self._users.get(0)};"
                " one who came later is known after `vicinal reindex FILE`",
            )
        items, weights = self._histories.get(row)
        return self._fold_in.solve(self._factors[items], self.params.alpha * weights, np.ones(len(items)))

    def _to_stored(self, vector: np.ndarray) -> np.ndarray:
        """The vector of length 1, and behind it the vector scaled."""
        return np.concatenate([vector / np.linalg.norm(vector), vector * self.scale])

    def _to_query(self, user: np.ndarray) -> np.ndarray:
        """What is searched with for a user: its inner product with a stored vector is that of user and item."""
        return np.concatenate([np.zeros(self.params.factors), user / self.scale]).astype(np.float32)

    # --- what it has learnt

    def restore(self, state: State) -> None:
        super().restore(state)
        for name in ("scale", "_histories", "_items", "_fold_in", "_rare_vector", "_lengths", "_is_known"):
            self.__dict__.pop(name, None)

    @cached_property
    def scale(self) -> float:
        """By what items' vectors are multiplied where they are stored for users."""
        return _MAX_SCALED_LENGTH / float(self._lengths.max())

    @cached_property
    def _lengths(self) -> np.ndarray:
        return np.asarray(np.linalg.norm(self._factors, axis=1))

    @cached_property
    def _is_known(self) -> np.ndarray:
        """Whether an item's vector is more than nothing, beside the longest one."""
        is_known: np.ndarray = self._lengths > _MIN_RELATIVE_LENGTH * self._lengths.max()
        return is_known

    @cached_property
    def _histories(self) -> Histories:
        return Histories.from_state(self.state)

    @cached_property
    def _items(self) -> IdTable:
        return IdTable(self.state["item_characters"], self.state["item_ends"])

    @cached_property
    def _fold_in(self) -> FoldIn:
        return FoldIn(self.state["gram"], self.params.regularization)

    @cached_property
    def _rare_vector(self) -> np.ndarray:
        """The mean of all items, as long as the least known ones."""
        mean = self._factors.mean(axis=0)
        length = np.percentile(self._lengths[self._is_known], _RARE_PERCENTILE)
        return np.asarray(mean * (length / np.linalg.norm(mean)), np.float32)

    @property
    def _users(self) -> IdTable:
        return self._histories.users

    @property
    def _factors(self) -> np.ndarray:
        """The items' vectors, ``(items, factors)`` float32."""
        return self.state["factors"]
