"""Collects what stands behind a report's figures while its queries are answered, in bounded memory."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from vicinal.quality.estimates import Estimate, estimate_means
from vicinal.quality.evaluation.search_details import Confusions, JudgedHit, LabelFigure, SearchDetails, WorstQuery
from vicinal.quality.evaluation.search_query import SearchQuery
from vicinal.quality.labels import read_label
from vicinal.quality.measures import Measures, Ranking
from vicinal.types import Hit

if TYPE_CHECKING:
    import numpy as np

__all__ = ["DetailCollector"]

_PARTS = 20
_MAX_LABELS = 100
_MAX_WORST = 20
_MAX_HITS = 5
_MAX_MISSED = 3


@dataclass(order=True, slots=True)
class _Candidate:
    """A query that may be among the worst; of equal ones, that whose first wrong hit is most similar is worse."""

    value: float
    farness: float
    number: int
    query: SearchQuery = field(compare=False)
    hits: Sequence[Hit] = field(compare=False)
    ranking: Ranking = field(compare=False)


class DetailCollector:
    """``field`` is the metadata that labels are read from; without one there are none."""

    def __init__(self, measures: Measures, label_field: str = "") -> None:
        self._field = label_field
        self._column = measures.primary
        self._measure = measures.names[measures.primary]
        self._counts: Counter[tuple[str, str | None]] = Counter()
        self._worst: list[_Candidate] = []
        self._number = 0

    def add(
        self, answered: Sequence[tuple[SearchQuery, Sequence[Hit]]], rankings: Sequence[Ranking], values: np.ndarray
    ) -> None:
        """Add some queries with their hits; ``values`` has the shape (queries, measures)."""
        candidates = []
        for (query, hits), ranking, value in zip(answered, rankings, values[:, self._column].tolist(), strict=True):
            if self._field:
                self._counts[query.columns["label"], self._read_label(hits[0]) if hits else None] += 1
            wrong = (hit.similarity for hit, gain in zip(hits, ranking.gains, strict=True) if not gain)
            candidates.append(_Candidate(value, -next(wrong, 0.0), self._number, query, hits, ranking))
            self._number += 1
        imperfect = (one for one in candidates if one.value < 1.0 - 1e-9)
        self._worst = heapq.nsmallest(_MAX_WORST, [*self._worst, *imperfect])

    def build(self, values: np.ndarray, labels: Iterable[str], seed: int) -> SearchDetails:
        """The details of all queries.

        Args:
            values: the measures of all queries, of shape (queries, measures).
            labels: the label of each; none of any where queries have no labels.
        """
        import numpy as np

        column = values[:, self._column]
        distribution = np.histogram(np.clip(column, 0.0, 1.0), _PARTS, (0.0, 1.0))[0].tolist()
        figures = _estimate_labels(column, labels, seed) if self._field else []
        confusions = Confusions(self._counts) if self._field else None
        worst = [self._to_worst(candidate) for candidate in self._worst]
        return SearchDetails(self._measure, distribution, figures, confusions, worst)

    def _read_label(self, hit: Hit) -> str | None:
        label = read_label(hit.metadata, self._field) if self._field else None
        return None if label is None else str(label)

    def _to_worst(self, candidate: _Candidate) -> WorstQuery:
        query, found = candidate.query, {hit.key for hit in candidate.hits}
        hits = [
            JudgedHit(hit, gain, self._read_label(hit))
            for hit, gain in zip(candidate.hits[:_MAX_HITS], candidate.ranking.gains, strict=False)
        ]
        others = (key for key in query.list_relevant() if key not in found and f"@{key}" != query.request)
        missed = list(islice(others, _MAX_MISSED))
        label = query.columns.get("label")
        return WorstQuery(query.request, label, candidate.value, candidate.ranking.relevant, hits, missed)


def _estimate_labels(column: np.ndarray, labels: Iterable[str], seed: int) -> list[LabelFigure]:
    """The mean of each label's queries, lowest first; of more than 100 labels, the lowest."""
    import numpy as np

    groups: dict[str, list[float]] = defaultdict(list)
    for label, value in zip(labels, column.tolist(), strict=True):
        groups[label].append(value)
    lowest = heapq.nsmallest(
        _MAX_LABELS, groups, key=lambda label: (np.mean(groups[label]), -len(groups[label]), label)
    )
    return [LabelFigure(label, len(groups[label]), _estimate_mean(groups[label], seed)) for label in lowest]


def _estimate_mean(values: Sequence[float], seed: int) -> Estimate:
    import numpy as np

    return estimate_means(np.array(values)[:, None], seed)[0]
