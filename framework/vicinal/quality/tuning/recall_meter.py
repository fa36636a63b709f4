"""Recall of an index with an interval, over as many queries as it takes to tell whether it reaches a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vicinal.quality.estimates import Estimate, estimate_means
from vicinal.quality.tuning.truth import Truth
from vicinal.stores.milvus import Candidate

__all__ = ["Measured", "RecallMeter"]

_FIRST_QUERIES = 500
_PER_CALL = 500

Search = Callable[[Sequence[Any], int, str], list[list[Candidate]]]
"""(vectors, limit, filter) to a list of candidates for each."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The recall under each filter, "" being none; ``queries`` is how many were asked under that which took most."""

    recalls: Mapping[str, Estimate]
    queries: int

    @property
    def worst(self) -> Estimate:
        """The recall under the filter where it is lowest."""
        return min(self.recalls.values(), key=lambda recall: (recall.low, recall.value))


class RecallMeter:
    """Measures recall over some of the queries: those from ``start`` to ``stop``."""

    def __init__(self, truths: Mapping[str, Truth], start: int, stop: int) -> None:
        self._truths = truths
        self._start, self._stop = start, stop

    def measure(self, search: Search, target: float) -> Measured:
        """Ask 500 queries, and more, up to all, while the recall's interval holds the target.

        The recall at a target of 0 is that of the first 500 queries.
        """
        recalls: dict[str, Estimate] = {}
        most = 0
        for filter, truth in self._truths.items():
            recalls[filter], count = self._measure_filter(search, truth, filter, target)
            most = max(most, count)
            if recalls[filter].high < target:
                break  # it cannot be accepted any more
        return Measured(recalls, most)

    def finds_a_loss(self, search: Search) -> bool:
        """Whether any query misses one of its nearest neighbours."""
        truth = self._truths[""]
        for start in range(0, self._stop - self._start, _FIRST_QUERIES):
            stop = min(start + _FIRST_QUERIES, self._stop - self._start)
            if (self._compute_recalls(search, truth, "", start, stop) < 1.0).any():
                return True
        return False

    def _measure_filter(self, search: Search, truth: Truth, filter: str, target: float) -> tuple[Estimate, int]:
        values = np.empty(0)
        count, wanted = 0, min(_FIRST_QUERIES, self._stop - self._start)
        while True:
            values = np.concatenate([values, self._compute_recalls(search, truth, filter, count, wanted)])
            count = wanted
            known = values[~np.isnan(values)]
            estimate = estimate_means(known[:, None])[0] if len(known) else Estimate(1.0, 1.0, 1.0)
            is_settled = estimate.low >= target or estimate.high < target
            if is_settled or count == self._stop - self._start:
                return estimate, count
            wanted = min(2 * count, self._stop - self._start)

    def _compute_recalls(self, search: Search, truth: Truth, filter: str, start: int, stop: int) -> np.ndarray:
        limit = truth.limit + (truth.queries.kind == "stored")
        parts = []
        for first in range(self._start + start, self._start + stop, _PER_CALL):
            vectors = truth.queries.vectors[first : min(first + _PER_CALL, self._start + stop)]
            parts.append(truth.compute_recalls(first, search(vectors, limit, filter)))
        return np.concatenate(parts) if parts else np.empty(0)
