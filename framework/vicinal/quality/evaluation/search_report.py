"""What an evaluation of searches found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vicinal.quality.estimates import Estimate
from vicinal.quality.evaluation.search_details import SearchDetails
from vicinal.quality.index_recall import IndexRecall

if TYPE_CHECKING:
    import numpy as np

__all__ = ["PerQuery", "SearchReport"]


@dataclass(frozen=True, slots=True)
class PerQuery:
    """The values of each query that was answered, in the order in which they were asked.

    ``queries`` names each one as the columns of the per-query table do: ``query`` and ``label`` of an indexed item,
    ``id`` and ``query`` of a judged one. ``values`` has an array of shape (queries,) for each measure.
    """

    queries: Sequence[Mapping[str, str]]
    values: Mapping[str, np.ndarray]


@dataclass(slots=True)
class SearchReport:
    """How good a solution's answers are.

    ``judged_by`` says what makes an item relevant: a field's name, or the file of judgments. ``labels`` is how many
    labels there are, ``skipped`` how many queries could not be answered. ``chance`` is P@k of items in random order.
    ``index`` is what the index loses, beside what the encoder does; None where it was not measured. ``per_query`` has
    the values that ``metrics`` are the means of, ``details`` what stands behind them.
    """

    solution: str
    judged_by: str
    metrics: dict[str, Estimate]
    queries: int
    items: int
    labels: int | None = None
    skipped: int = 0
    chance: float | None = None
    index: IndexRecall | None = None
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    per_query: PerQuery | None = field(default=None, repr=False)
    details: SearchDetails | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The report as the JSON object that ``evaluate --json`` prints."""
        return {
            "solution": self.solution,
            "judged_by": self.judged_by,
            "metrics": {name: estimate.to_dict() for name, estimate in self.metrics.items()},
            "queries": self.queries,
            "items": self.items,
            "labels": self.labels,
            "skipped": self.skipped,
            "chance": None if self.chance is None else round(self.chance, 6),
            "index": self.index.to_dict() if self.index else None,
            "seconds": round(self.seconds, 3),
            "warnings": self.warnings,
        }
