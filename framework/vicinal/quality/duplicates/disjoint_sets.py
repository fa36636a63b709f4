"""Sets of numbers that grow together: each begins alone, and ``join`` makes one of two (union-find)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["DisjointSets"]


class DisjointSets:
    """The numbers from 0 up to ``size``, 8 bytes for each."""

    def __init__(self, size: int) -> None:
        self._parents = np.arange(size)

    def find(self, number: int) -> int:
        """What stands for the set of a number."""
        parents = self._parents
        while (parent := parents[number]) != number:
            parents[number] = number = parents[parent]
        return number

    def join(self, one: int, other: int) -> None:
        """Make one set of the sets of two numbers."""
        low, high = sorted((self.find(one), self.find(other)))
        self._parents[high] = low

    def find_all(self) -> np.ndarray:
        """What stands for the set of each number: equal for two numbers of one set."""
        while True:
            parents = self._parents[self._parents]
            if np.array_equal(parents, self._parents):
                return parents
            self._parents = parents

    def iter_sets(self) -> Iterator[np.ndarray]:
        """The sets of more than one number, each in ascending order."""
        labels = self.find_all()
        order = np.argsort(labels, kind="stable")
        cuts = np.flatnonzero(np.diff(labels[order])) + 1
        yield from (members for members in np.split(order, cuts) if len(members) > 1)
