"""What a known-item search under disturbances found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from vicinal.quality.estimates import Estimate

__all__ = ["DisturbanceResult", "NearDuplicate", "SelfReport"]

_MAX_EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """An item and another one that was found in its place: to the encoder, they are the same, or nearly."""

    key: str
    found: str
    similarity: float

    def to_dict(self) -> dict[str, Any]:
        return {"key": self.key, "found": self.found, "similarity": round(self.similarity, 6)}


@dataclass(frozen=True, slots=True)
class DisturbanceResult:
    """How often items are found by disturbed queries of theirs.

    ``label`` is what people call such queries. ``metrics`` has recall@1, recall@10 and MRR@10, ``queries`` is how many
    were asked, ``unaffected`` how many items the disturbance does not change, ``refused`` how many queries could not be
    searched with. Of the queries that do not find their item first, ``near_duplicates`` find a near-duplicate of it
    first. ``found`` is the share that finds the item among the first ten, or a near-duplicate first.
    """

    label: str
    metrics: dict[str, Estimate]
    queries: int
    unaffected: int
    refused: int
    near_duplicates: int
    found: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "label": self.label,
            **{name: estimate.to_dict() for name, estimate in self.metrics.items()},
            "queries": self.queries,
            "unaffected": self.unaffected,
            "refused": self.refused,
            "near_duplicates": self.near_duplicates,
            "found": round(self.found, 6),
        }


@dataclass(slots=True)
class SelfReport:
    """How well items are found by themselves, as they are (``unchanged``) and disturbed as users' queries are.

    ``sample`` is how many of the ``items`` were searched with, ``missing`` how many more could not, their contents
    being gone. ``near_duplicates`` are pairs of an item and what was found in its place.
    """

    solution: str
    disturbances: dict[str, DisturbanceResult]
    sample: int
    items: int
    missing: int = 0
    near_duplicates: Sequence[NearDuplicate] = ()
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The report as the JSON object that ``evaluate --self --json`` prints."""
        return {
            "solution": self.solution,
            "disturbances": {name: result.to_dict() for name, result in self.disturbances.items()},
            "sample": self.sample,
            "items": self.items,
            "missing": self.missing,
            "near_duplicates": {
                "items": len({pair.key for pair in self.near_duplicates}),
                "examples": [pair.to_dict() for pair in self.near_duplicates[:_MAX_EXAMPLES]],
            },
            "seconds": round(self.seconds, 3),
            "warnings": self.warnings,
        }
