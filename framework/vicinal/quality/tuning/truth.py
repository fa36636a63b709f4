"""The exact nearest neighbours of the queries, from one pass over the stored vectors, and recall against them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vicinal.quality.tuning.queries import QuerySet, to_matrix
from vicinal.solution.solution import Solution
from vicinal.stores.milvus import Candidate
from vicinal.toolkit.nearest import NearestNeighbors, compute_distances, compute_recalls
from vicinal.toolkit.slices import iter_slices
from vicinal.types import Metric, item_id

__all__ = ["Truth", "list_ids", "read_truth"]

_NUMBERS_PER_PART = 2_000_000
"""A stored vector arrives as Python floats, of 32 bytes each."""
_MORE = 10
_PER_FETCH = 1_000

AddRows = Callable[[list[dict[str, Any]]], None]


@dataclass(slots=True)
class Truth:
    """The nearest neighbours of each query under one filter, a few more than are asked for."""

    solution: Solution
    queries: QuerySet
    limit: int
    metric: Metric
    ids: np.ndarray
    distances: np.ndarray
    rows: int
    """How many rows there are under this filter."""
    _known: dict[tuple[int, int], float] = field(default_factory=dict)

    @property
    def nearest(self) -> np.ndarray:
        """The distances of the ``limit`` nearest, shape (queries, limit)."""
        return self.distances[:, : self.limit]

    def compute_recalls(self, start: int, found: Sequence[Sequence[Candidate]]) -> np.ndarray:
        """The recall of each of the queries from number ``start`` on, by what was found for it; NaN for none wanted.

        Distances are those of the stored vectors, not the engine's, which are approximate where an index quantises.
        """
        ids = [
            self._leave_own_out(start + row, [item_id(one.item, one.segment) for one in candidates])
            for row, candidates in enumerate(found)
        ]
        distances = np.full((len(found), self.limit), np.inf)
        unknown: list[tuple[int, int, int]] = []
        for row, row_ids in enumerate(ids):
            known = dict(zip(self.ids[start + row].tolist(), self.distances[start + row].tolist(), strict=True))
            for column, id_ in enumerate(row_ids):
                if id_ in known:
                    distances[row, column] = known[id_]
                elif self._may_tie(start + row):
                    unknown.append((row, column, id_))
        self._fetch_distances([(start + row, id_) for row, _, id_ in unknown])
        for row, column, id_ in unknown:
            distances[row, column] = self._known.get((start + row, id_), np.inf)
        return compute_recalls(distances, self.nearest[start : start + len(found)])

    def _leave_own_out(self, number: int, ids: Sequence[int]) -> list[int]:
        own = -1 if self.queries.own_ids is None else int(self.queries.own_ids[number])
        return [id_ for id_ in ids if id_ != own][: self.limit]

    def _may_tie(self, number: int) -> bool:
        """Whether all neighbours that are known are as near as the last one wanted, so that others may be, too."""
        last, wanted = float(self.distances[number, -1]), float(self.distances[number, self.limit - 1])
        return np.isfinite(last) and last <= wanted + 1e-5 * abs(wanted) + 1e-9

    def _fetch_distances(self, pairs: Sequence[tuple[int, int]]) -> None:
        missing = [pair for pair in pairs if pair not in self._known]
        for part in iter_slices(missing, _PER_FETCH):
            stored = self.solution.vectors.fetch_vectors(list({id_ for _, id_ in part}))
            part = [pair for pair in part if pair[1] in stored]
            if part:
                vectors = to_matrix(self.solution, [stored[id_] for _, id_ in part])
                queries = self.queries.matrix[[number for number, _ in part]]
                exact = compute_distances(queries, vectors, self.metric).tolist()
                self._known.update(zip(part, exact, strict=True))


def list_ids(solution: Solution, filter: str = "") -> np.ndarray:
    """The ids of all rows that a filter lets through, in order.

    Raises:
        FilterError: the filter cannot be read.
    """
    parts = [[row["id"] for row in rows] for rows in solution.vectors.iter_rows(["id"], 10_000, filter)]
    return np.sort(np.array([id_ for part in parts for id_ in part], np.int64))


def read_truth(
    solution: Solution, queries: QuerySet, limit: int, filters: Mapping[str, np.ndarray | None], copy_to: AddRows | None
) -> tuple[dict[str, Truth], str]:
    """Compare the queries with every stored vector, in one pass that holds a few thousand vectors at a time.

    Args:
        filters: the rows that each filter lets through, by their ids in order; None for all of them.
        copy_to: called with the rows, all columns of them; those that are held out are left out.

    Returns:
        The truth by filter, and the fingerprint of all ids and vectors.
    """
    vectors, metric = solution.vectors, solution.metric
    held_out = np.sort(queries.own_ids) if queries.kind == "held-out" and queries.own_ids is not None else None
    nearest = {
        filter: NearestNeighbors(queries.matrix, 2 * limit + _MORE, metric, queries.own_ids) for filter in filters
    }
    counts = dict.fromkeys(filters, 0)
    fingerprint = 0
    columns = vectors.column_names if copy_to else ["id", "vector"]
    size = max(100, min(5_000, _NUMBERS_PER_PART // solution.encoder.space.dimension))
    for rows in vectors.iter_rows(columns, size):
        matrix = to_matrix(solution, [row["vector"] for row in rows])
        ids = np.array([row["id"] for row in rows], np.int64)
        fingerprint += _hash_rows(ids, matrix)
        kept = np.ones(len(ids), bool) if held_out is None else ~_is_in(ids, held_out)
        for filter, passing in filters.items():
            wanted = kept if passing is None else kept & _is_in(ids, passing)
            nearest[filter].add(ids[wanted], matrix[wanted])
            counts[filter] += int(wanted.sum())
        if copy_to:
            copy_to([row for row, is_kept in zip(rows, kept.tolist(), strict=True) if is_kept])
    truths = {
        filter: Truth(solution, queries, limit, metric, *_leave_unrelated_out(found, metric), counts[filter])
        for filter, found in nearest.items()
    }
    return truths, f"{fingerprint % 2**64:016x}"


def _leave_unrelated_out(found: NearestNeighbors, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
    """Without a common bit there is nothing to find."""
    if metric != "JACCARD":
        return found.ids, found.distances
    is_related = found.distances < 1.0
    return np.where(is_related, found.ids, -1), np.where(is_related, found.distances, np.inf)


def _hash_rows(ids: np.ndarray, matrix: np.ndarray) -> int:
    """The sum of a hash of each row, which does not depend on their order."""
    return sum(
        int.from_bytes(hashlib.blake2b(id_ + vector.tobytes(), digest_size=8).digest(), "big")
        for id_, vector in zip((int(id_).to_bytes(8, "big") for id_ in ids), matrix, strict=True)
    )


def _is_in(ids: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    if not len(ordered):
        return np.zeros(len(ids), bool)
    places = np.minimum(np.searchsorted(ordered, ids), len(ordered) - 1)
    found: np.ndarray = ordered[places] == ids
    return found
