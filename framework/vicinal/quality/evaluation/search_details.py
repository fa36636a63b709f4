"""What stands behind a report's figures: how they are distributed, labels, confusions, and the worst queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vicinal.quality.estimates import Estimate
from vicinal.toolkit.text import shorten
from vicinal.types import Hit

__all__ = ["Confusions", "JudgedHit", "LabelFigure", "SearchDetails", "WorstQuery", "shorten_label"]

_MAX_MATRIX_LABELS = 25
_MAX_PAIRS = 25
_MAX_LABEL_CHARS = 200
_MAX_QUERY_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class LabelFigure:
    """The mean over the queries of one label; ``estimate`` has no interval where there is one query."""

    label: str
    queries: int
    estimate: Estimate

    def to_dict(self) -> dict[str, Any]:
        return {"label": shorten_label(self.label), "queries": self.queries, **self.estimate.to_dict()}


@dataclass(frozen=True, slots=True)
class Confusions:
    """How often the first hit of a query has which label: ``counts`` by the query's label and that of the hit.

    The hit's label is None where the hit has none, and where nothing was found.
    """

    counts: Mapping[tuple[str, str | None], int]

    def count_queries(self) -> Mapping[str, int]:
        """How many queries each label has."""
        totals: Counter[str] = Counter()
        for (label, _), count in self.counts.items():
            totals[label] += count
        return totals

    def list_pairs(self) -> list[tuple[str, str | None, int]]:
        """The most confused pairs, 25 at most: the query's label, that of the hit, and how often."""
        wrong = [(*pair, count) for pair, count in self.counts.items() if pair[0] != pair[1]]
        return sorted(wrong, key=lambda pair: (-pair[2], pair[0], pair[1] or ""))[:_MAX_PAIRS]

    def build_matrix(self) -> tuple[list[str], list[str | None], list[list[int]]]:
        """The labels of queries and of hits, and the counts, of shape (queries, hits), for 25 labels at most.

        Labels in the most confusions come first in being chosen, those with the most queries next; they stand in the
        order of the alphabet.
        """
        involved: Counter[str] = Counter()
        for (label, found), count in self.counts.items():
            if label != found:
                involved.update({label: count} if found is None else {label: count, found: count})
        totals = self.count_queries()
        names = sorted({*totals, *involved}, key=lambda name: (-involved[name], -totals[name], name))[
            :_MAX_MATRIX_LABELS
        ]
        rows = sorted((name for name in names if name in totals), key=str.casefold)
        columns: list[str | None] = [*sorted(names, key=str.casefold)]
        if any(found is None for _, found in self.counts):
            columns.append(None)
        return rows, columns, [[self.counts.get((row, column), 0) for column in columns] for row in rows]

    def to_dict(self) -> dict[str, Any]:
        rows, columns, counts = self.build_matrix()
        totals = self.count_queries()
        return {
            "rows": [*map(shorten_label, rows)],
            "columns": [column if column is None else shorten_label(column) for column in columns],
            "counts": counts,
            "queries": [totals[row] for row in rows],
            "pairs": [
                {
                    "label": shorten_label(label),
                    "found": found and shorten_label(found),
                    "count": count,
                    "queries": totals[label],
                }
                for label, found, count in self.list_pairs()
            ],
        }


@dataclass(frozen=True, slots=True)
class JudgedHit:
    """A hit and what it is worth: ``gain`` is 0 where it is wrong. ``label`` is None where it has none."""

    hit: Hit
    gain: int
    label: str | None

    def to_dict(self) -> dict[str, Any]:
        segment = {name: value for name, value in (self.hit.segment or {}).items() if name != "excerpt"}
        return {
            "key": self.hit.key,
            "similarity": round(self.hit.similarity, 6),
            "label": self.label and shorten_label(self.label),
            "is_right": self.gain > 0,
            "segment": segment or None,
        }


@dataclass(frozen=True, slots=True)
class WorstQuery:
    """A query with a low figure, its first hits, and some of the items that would have been right.

    ``query`` is a text, the path of a file, or ``@key``. ``relevant`` is how many items are relevant to it in all.
    """

    query: str
    label: str | None
    value: float
    relevant: int
    hits: Sequence[JudgedHit]
    missed: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        return {
            "query": self.query if self.query.startswith("@") else shorten(self.query, _MAX_QUERY_CHARS),
            "label": self.label and shorten_label(self.label),
            "value": round(self.value, 6),
            "relevant": self.relevant,
            "hits": [hit.to_dict() for hit in self.hits],
            "missed": list(self.missed),
        }


@dataclass(frozen=True, slots=True)
class SearchDetails:
    """What stands behind the mean of ``measure``.

    ``distribution`` counts the queries in equal parts of 0 to 1, ``labels`` has the lowest ones first, ``confusions``
    is None where queries have no labels, and ``worst`` begins with the worst query.
    """

    measure: str
    distribution: Sequence[int]
    labels: Sequence[LabelFigure]
    confusions: Confusions | None
    worst: Sequence[WorstQuery]

    def to_dict(self) -> dict[str, Any]:
        """As JSON of a bounded size: 100 labels, 25 confused ones, 20 queries."""
        return {
            "measure": self.measure,
            "distribution": list(self.distribution),
            "labels": [figure.to_dict() for figure in self.labels],
            "confusions": self.confusions.to_dict() if self.confusions else None,
            "worst": [query.to_dict() for query in self.worst],
        }


def shorten_label(label: str) -> str:
    """The beginning of a label, which may be a long text."""
    return shorten(label, _MAX_LABEL_CHARS)
