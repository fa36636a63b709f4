"""Which items of a collection are near-equal: sets that pairs of a distance up to a limit connect.

Pairs are found through the index, each stored vector being searched for, or by a comparison of all items in blocks.
Either way the distance that counts is computed from the stored vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from vicinal.quality.duplicates.disjoint_sets import DisjointSets
from vicinal.quality.duplicates.item_distances import ItemDistances
from vicinal.solution.solution import Solution
from vicinal.types import item_id

__all__ = ["NearItems", "Progress"]

Progress = Callable[[float], object]
"""Receives the share of the work that is done."""

_NUMBERS_PER_BLOCK = 2_000_000
_MAX_BLOCK_ROWS = 2_048
"""Of so many equal items in a block the pairs take 130 MB."""
_QUERIES_PER_CALL = 1_000
DEPTHS = (17, 129)
"""How many neighbours of a vector, itself among them, are searched for first, and then where that may miss some."""
_LAST_HITS = 4
"""An index of compressed vectors orders neighbours nearly: more near ones may follow where one of these is near."""


@dataclass(slots=True)
class NearItems:
    """Joins items that are near-equal into sets; two that are not may be joined by others between them."""

    distances: ItemDistances
    limit: float
    """Of the distance of near-equal items."""
    sets: DisjointSets = field(init=False)

    def __post_init__(self) -> None:
        self.sets = DisjointSets(self.distances.stored.items)

    def compare_all(self, progress: Progress) -> None:
        """Compare all items with each other, block by block."""
        self._compare_items(np.arange(self.distances.stored.items), progress)

    def search_index(self, solution: Solution, progress: Progress) -> None:
        """Search for each vector, and compare the items that have more near neighbours than that finds with all."""
        crowded = [np.empty(0, np.int64)]
        rows = self.distances.stored.rows
        for start in range(0, rows, _QUERIES_PER_CALL):
            part = np.arange(start, min(start + _QUERIES_PER_CALL, rows))
            for depth in DEPTHS:
                part = self._search_rows(solution, part, depth)
            crowded.append(self.distances.stored.find_items(part))
            progress(min(start + _QUERIES_PER_CALL, rows) / rows)
        items = np.unique(np.concatenate(crowded))
        if len(items):
            self._compare_items(items, progress)

    def _search_rows(self, solution: Solution, rows: np.ndarray, depth: int) -> np.ndarray:
        """Join the items that a search for these rows finds near; returns rows of which it may not have found all."""
        if not len(rows):
            return rows
        stored = self.distances.stored
        found = solution.search_vectors(stored.read_queries(rows), depth)
        counts = np.array([len(candidates) for candidates in found])
        ids = [item_id(candidate.item, candidate.segment) for candidates in found for candidate in candidates]
        hits = stored.find_rows(np.array(ids, np.int64))
        queries = np.repeat(rows, counts)
        near = np.zeros(len(hits), bool)
        known = np.flatnonzero(hits >= 0)  # one that was written since the vectors were read is not
        near[known] = self.distances.compute_row_pairs(queries[known], hits[known]) <= self.limit
        self._join_candidates(stored.find_items(queries[near]), stored.find_items(hits[near]))
        incomplete: np.ndarray = rows[(counts == depth) & _find_late_hits(near, counts)]
        return incomplete

    def _compare_items(self, items: np.ndarray, progress: Progress) -> None:
        """Compare these items with all; two of them are compared once."""
        stored = self.distances.stored
        is_chosen = np.zeros(stored.items, bool)
        is_chosen[items] = True
        others = list(self._iter_blocks(np.arange(stored.items)))
        compared = 0
        for block in self._iter_blocks(items):
            for other in others:
                if not (is_chosen[other].all() and other[-1] < block[0]):
                    self._join_block(block, other)
                compared += len(block)
                progress(compared / (len(items) * len(others)))

    def _join_block(self, block: np.ndarray, other: np.ndarray) -> None:
        """Join the near-equal ones of these; those that are one set already, as thousands of equal items, are known."""
        labels = self.sets.find_all()
        if (labels[block] == labels[block[0]]).all() and (labels[other] == labels[block[0]]).all():
            return
        distances, margin = self.distances.compute_block(block, other)
        first, second = np.nonzero(distances <= self.limit + margin)
        self._join_pairs(block[first], other[second])

    def _join_candidates(self, first: np.ndarray, second: np.ndarray) -> None:
        """Join items that have a near segment; of items of several that is true of many more than are near-equal."""
        if self.distances.stored.rows == self.distances.stored.items:
            self._join_pairs(first, second)
            return
        labels = self.sets.find_all()
        is_open = labels[first] != labels[second]
        first, second = np.unique(np.stack([first[is_open], second[is_open]]), axis=1)
        items, starts = np.unique(first, return_index=True)
        for item, start, end in zip(items, starts, np.append(starts[1:], len(first)), strict=True):
            self._join_block(np.array([item]), second[start:end])

    def _iter_blocks(self, items: np.ndarray) -> Iterator[np.ndarray]:
        """Items side by side with about 2 million numbers together; one with more is a block of its own."""
        max_rows = min(_MAX_BLOCK_ROWS, max(1, _NUMBERS_PER_BLOCK // self.distances.stored.space.dimension))
        ends = np.cumsum(self.distances.stored.counts[items])
        start = 0
        while start < len(items):
            before = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, before + max_rows, side="right")))
            yield items[start:stop]
            start = stop

    def _join_pairs(self, first: np.ndarray, second: np.ndarray) -> None:
        """Join those of these pairs that are near-equal.

        Of each item one pair is computed at a time, since most others are in one set by then: of 20,000 equal items
        every pair is near.
        """
        while len(first):
            labels = self.sets.find_all()
            is_open = labels[first] != labels[second]
            first, second = first[is_open], second[is_open]
            _, places = np.unique(second, return_index=True)
            one, other = first[places], second[places]
            near = self.distances.compute_pairs(one, other) <= self.limit
            for pair in zip(one[near].tolist(), other[near].tolist(), strict=True):
                self.sets.join(*pair)
            first, second = np.delete(first, places), np.delete(second, places)


def _find_late_hits(near: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """For each query whether one of its last hits is near, so that others may follow; its hits lie side by side."""
    ends = np.cumsum(counts)
    totals = np.append(0, np.cumsum(near))
    is_late: np.ndarray = totals[ends] > totals[np.maximum(ends - _LAST_HITS, ends - counts)]
    return is_late
