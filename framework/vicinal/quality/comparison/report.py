"""What a comparison of solutions found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from vicinal.quality.comparison.size import VectorSize
from vicinal.quality.comparison.speed import Speed
from vicinal.quality.estimates import Estimate
from vicinal.quality.evaluation.search_report import PerQuery
from vicinal.quality.index_recall import IndexRecall

__all__ = ["SIGNIFICANCE", "ComparedSolution", "Comparison", "PairedTest"]

SIGNIFICANCE = 0.05
"""A difference whose p is below this counts as shown."""


@dataclass(slots=True)
class ComparedSolution:
    """One of the solutions: ``name`` tells it from the others, ``solution`` is what its YAML calls it.

    ``encoder`` is its encoder's signature: where it is equal, so are the vectors. ``items`` is how many it has indexed,
    ``metrics`` is by measure. ``index`` and ``speed`` are None where they were not measured. ``per_query`` has the
    values that ``metrics`` are the means of.
    """

    name: str
    solution: str
    encoder: str
    items: int
    metrics: dict[str, Estimate]
    size: VectorSize
    index: IndexRecall | None = None
    speed: Speed | None = None
    per_query: PerQuery | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "solution": self.solution,
            "encoder": self.encoder,
            "items": self.items,
            "metrics": {name: estimate.to_dict() for name, estimate in self.metrics.items()},
            "size": self.size.to_dict(),
            "index": self.index.to_dict() if self.index else None,
            "speed": self.speed.to_dict() if self.speed else None,
        }


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Two solutions on the same queries: the mean of ``second`` minus ``first`` by the measure that decides.

    ``p`` is that of a paired sign-flip test, ``adjusted_p`` the same for all pairs together, by Holm. ``overlap`` is
    the share of the found items that both found, ``equal`` how many queries have the same list in both. Without labels
    or judgments there is no difference.
    """

    first: str
    second: str
    overlap: Estimate
    equal: int
    difference: Estimate | None = None
    p: float | None = None
    adjusted_p: float | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the difference is more than chance makes."""
        return self.adjusted_p is not None and self.adjusted_p < SIGNIFICANCE

    def to_dict(self) -> dict[str, Any]:
        return {
            "first": self.first,
            "second": self.second,
            "difference": self.difference.to_dict() if self.difference else None,
            "p": None if self.p is None else round(self.p, 6),
            "adjusted_p": None if self.adjusted_p is None else round(self.adjusted_p, 6),
            "overlap": self.overlap.to_dict(),
            "equal": self.equal,
        }


@dataclass(slots=True)
class Comparison:
    """How good, how large and how quick solutions are on the same queries.

    ``judged_by`` says what makes an item relevant: a field's name, or the file of judgments; empty where nothing does.
    ``measure`` is the one that decides, ``items`` how many all solutions have. ``limit`` is how many hits are compared.
    ``pairs`` has a test of each two solutions.
    """

    judged_by: str
    measure: str
    limit: int
    queries: int
    items: int
    solutions: Sequence[ComparedSolution]
    pairs: Sequence[PairedTest]
    verdict: str = ""
    labels: int | None = None
    skipped: int = 0
    chance: float | None = None
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)

    def find_pair(self, name: str, other: str) -> PairedTest:
        """The test of two solutions, in whichever order they stand in it."""
        return next(pair for pair in self.pairs if {pair.first, pair.second} == {name, other})

    def to_dict(self) -> dict[str, Any]:
        """The comparison as the JSON object that ``compare --json`` prints."""
        return {
            "verdict": self.verdict,
            "judged_by": self.judged_by or None,
            "measure": self.measure or None,
            "limit": self.limit,
            "queries": self.queries,
            "items": self.items,
            "labels": self.labels,
            "skipped": self.skipped,
            "chance": None if self.chance is None else round(self.chance, 6),
            "solutions": [one.to_dict() for one in self.solutions],
            "pairs": [pair.to_dict() for pair in self.pairs],
            "seconds": round(self.seconds, 3),
            "warnings": self.warnings,
        }
