"""Users' histories: the rows of a sparse matrix, from interactions that are read in chunks, and packed for keeping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal import ItemError, State
from vicinal_recommend.ids import IdTable, find_written
from vicinal_recommend.interactions import InteractionChunk

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["Histories", "HistoryBuilder", "InteractionMatrix", "to_float32"]

_MAX_CODED_WEIGHTS = 256
_SAMPLE = 100_000


@dataclass(slots=True)
class InteractionMatrix:
    """Users by items: ``weights[u, i]``, a float32 of mean 1 over all interactions, is what user u had to do with i.

    Every user has an item and every item a user; both are sorted by the UTF-8 of their ids.
    """

    users: list[str]
    items: list[str]
    weights: csr_matrix


class HistoryBuilder:
    """Collects interactions with known items; ``refused`` counts the others by the reason."""

    def __init__(self, items: Sequence[str], min_weight: float | None = None) -> None:
        """``items`` are the keys of the source's items."""
        self.refused: Counter[str] = Counter()
        self._items = sorted(set(items), key=str.encode)
        self._rows = {key: row for row, key in enumerate(self._items)}
        self._min_weight = min_weight
        self._users: dict[str, int] = {}
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]] = []
        self._unknown = ""

    def add(self, chunk: InteractionChunk) -> None:
        """Keep those of a chunk's interactions that name a user and a known item, and have a weight."""
        users = _select_numbers(chunk.users.codes, [self._number_user(id_) for id_ in chunk.users.values])
        items = _select_numbers(chunk.items.codes, [self._find_item(id_) for id_ in chunk.items.values])
        kept = self._refuse_rows("without a user", users < 0, np.ones(len(users), bool))
        kept = self._refuse_rows("with an item that the source does not have", items < 0, kept)
        if chunk.weights is not None:
            with np.errstate(invalid="ignore"):
                kept = self._refuse_rows("whose weight is no number", ~np.isfinite(chunk.weights), kept)
                kept = self._refuse_rows("whose weight is not above 0", chunk.weights <= 0, kept)
                held = to_float32(chunk.weights)
                kept = self._refuse_rows("whose weight float32 cannot hold", ~np.isfinite(held) | (held <= 0), kept)
                if self._min_weight is not None:
                    kept = self._refuse_rows("below min_weight", chunk.weights < self._min_weight, kept)
        weights = None if chunk.weights is None else to_float32(chunk.weights[kept])
        self._parts.append((users[kept], items[kept], weights))

    def build(self) -> InteractionMatrix:
        """The matrix of all interactions; what one user had to do with one item more than once adds up.

        With 25 million interactions it takes 0.6 GB for a moment.

        Raises:
            ItemError: there is none.
        """
        from scipy.sparse import coo_matrix

        rows, columns, weights = self._concatenate_parts()
        if not len(rows):
            raise self._empty_error()
        names = sorted(self._users, key=str.encode)
        ranks = np.empty(len(names), np.int32)
        ranks[[self._users[name] for name in names]] = np.arange(len(names), dtype=np.int32)
        rows = ranks[rows]
        data = np.ones(len(rows), np.float32) if weights is None else weights / np.mean(weights, dtype=np.float64)
        np.maximum(data, np.finfo(np.float32).tiny, out=data)  # one far below the mean stays an interaction
        matrix = coo_matrix((data.astype(np.float32, copy=False), (rows, columns)), (len(names), len(self._items)))
        del rows, columns, weights, data
        return self._without_empty(names, matrix.tocsr())

    def _without_empty(self, names: list[str], matrix: csr_matrix) -> InteractionMatrix:
        from scipy.sparse import csr_matrix

        lengths = np.diff(matrix.indptr)
        is_warm = np.bincount(matrix.indices, minlength=len(self._items)) > 0
        columns = (np.cumsum(is_warm) - 1).astype(np.int32)
        indptr = np.concatenate([[0], np.cumsum(lengths[lengths > 0])]).astype(matrix.indptr.dtype)
        users = [name for name, length in zip(names, lengths, strict=True) if length]
        items = [key for key, warm in zip(self._items, is_warm, strict=True) if warm]
        weights = csr_matrix((matrix.data, columns[matrix.indices], indptr), (len(users), len(items)))
        return InteractionMatrix(users, items, weights)

    def _concatenate_parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """The arrays of all parts, which are freed as they are joined."""
        if not self._parts:
            return np.empty(0, np.int32), np.empty(0, np.int32), None
        joined: list[Any] = [
            None if parts[0] is None else np.concatenate(parts) for parts in zip(*self._parts, strict=True)
        ]
        self._parts = []
        return joined[0], joined[1], joined[2]

    def _number_user(self, id_: str | None) -> int:
        return -1 if id_ is None else self._users.setdefault(id_, len(self._users))

    def _find_item(self, id_: str | None) -> int:
        row = -1 if id_ is None else find_written(self._rows, id_)
        if row < 0 and id_ and not self._unknown:
            self._unknown = id_
        return row

    def _refuse_rows(self, reason: str, refused: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """The rows that are kept without those that are refused, which are counted."""
        if count := int(np.count_nonzero(refused & kept)):
            self.refused[reason] += count
        still: np.ndarray = kept & ~refused
        return still

    def _empty_error(self) -> ItemError:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.refused.most_common())
        hint = "see `interactions`"
        if self._unknown and self._items:
            hint = f"its items are called as {self._unknown!r}, the source's keys as {self._items[0]!r}"
        return ItemError(f"no interaction can be used: {reasons or 'there is none'}", hint)


def to_float32(weights: np.ndarray) -> np.ndarray:
    """Weights as they are learnt from; one beyond float32 becomes infinite, or 0."""
    with np.errstate(over="ignore"):
        return weights.astype(np.float32)


def _select_numbers(codes: np.ndarray, numbers: list[int]) -> np.ndarray:
    """The number of each row's id; -1 where it has none."""
    selected: np.ndarray = np.array([*numbers, -1], np.int32)[codes]
    return selected


@dataclass(frozen=True, slots=True)
class Histories:
    """What every user has had to do with, packed: 25 million interactions with 59,000 items take 75 MB.

    Items have the smallest integers that hold them, and weights, of which ratings have few, a byte each.
    """

    users: IdTable
    starts: np.ndarray
    items: np.ndarray
    weights: np.ndarray
    """A byte for each, the weight's number in ``table``; else a float16 or float32, or nothing for all 1."""
    table: np.ndarray

    @classmethod
    def pack(cls, matrix: InteractionMatrix) -> Histories:
        """Pack the rows of a matrix."""
        weights = matrix.weights
        small = np.uint16 if len(matrix.items) <= 1 << 16 else np.uint32
        codes, table = _pack_weights(weights.data)
        users = IdTable.build(matrix.users)
        return cls(users, weights.indptr.astype(np.int64), weights.indices.astype(small), codes, table)

    @classmethod
    def from_state(cls, state: State) -> Histories:
        """What ``to_state`` gave."""
        users = IdTable(state["user_characters"], state["user_ends"])
        names = ("history_starts", "history_items", "history_weights", "weight_table")
        return cls(users, *(state[name] for name in names))

    def to_state(self) -> dict[str, np.ndarray]:
        """The arrays by their names in the encoder's state."""
        characters, ends = self.users.arrays
        return {
            "user_characters": characters,
            "user_ends": ends,
            "history_starts": self.starts,
            "history_items": self.items,
            "history_weights": self.weights,
            "weight_table": self.table,
        }

    def get(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """The items of the user in a row, as rows of the items, and their weights, float64."""
        part = slice(int(self.starts[row]), int(self.starts[row + 1]))
        items = self.items[part].astype(np.int64)
        if not len(self.weights):
            return items, np.ones(len(items))
        weights = self.table[self.weights[part]] if len(self.table) else self.weights[part]
        return items, weights.astype(np.float64)


def _pack_weights(weights: np.ndarray) -> tuple[np.ndarray, Any]:
    """Weights as bytes and the table that they are numbers in; without a table, where there are many.

    Then they are float16, or float32 where float16 does not hold the smallest or the largest of them.
    """
    none = np.empty(0, np.float32)
    if len(np.unique(weights[:_SAMPLE])) > _MAX_CODED_WEIGHTS or len(table := np.unique(weights)) > _MAX_CODED_WEIGHTS:
        half = np.finfo(np.float16)
        fits = half.tiny <= weights.min() and weights.max() <= half.max
        return weights.astype(np.float16) if fits else weights, none
    if len(table) == 1 and table[0] == 1:
        return np.empty(0, np.uint8), none
    return np.searchsorted(table, weights).astype(np.uint8), table
