"""What an evaluation of an encoder's model found, beside simple models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vicinal.quality.estimates import Estimate

__all__ = ["BaselineComparison", "ModelReport", "Trial"]


@dataclass(frozen=True, slots=True)
class BaselineComparison:
    """The encoder's model against the best baseline, query by query: the mean difference of a measure, and its p."""

    baseline: str
    measure: str
    difference: Estimate
    p: float

    def describe(self, model: str) -> str:
        """The verdict in one sentence."""
        figures = (
            f"{self.measure} {self.difference.value:+.4f} [{self.difference.low:+.4f}, {self.difference.high:+.4f}]"
        )
        if self.p >= 0.05:
            return f"no difference between {model} and {self.baseline} is shown: {figures}, p = {self.p:.2g}"
        verb = "beats" if self.difference.value > 0 else "loses to"
        return f"{model} {verb} {self.baseline}, the best baseline: {figures}, p = {self.p:.2g}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "baseline": self.baseline,
            "measure": self.measure,
            "difference": self.difference.to_dict(),
            "p": round(self.p, 6),
        }


@dataclass(frozen=True, slots=True)
class Trial:
    """Parameters that a search tried, and what they gave on the validation part."""

    params: Mapping[str, Any]
    metrics: Mapping[str, Estimate]


@dataclass(slots=True)
class ModelReport:
    """How good an encoder's model is on data that were held back.

    ``metrics`` is by measure; ``baselines`` has the same for each simple model, ``refused`` why one was left out.
    ``params`` is what a search chose, as it differs from the solution's; ``trials`` what it tried.
    """

    solution: str
    model: str
    split: str
    metrics: dict[str, Estimate]
    queries: int
    items: int
    baselines: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    comparison: BaselineComparison | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The report as the JSON object that ``evaluate --json`` prints."""
        return {
            "solution": self.solution,
            "model": self.model,
            "split": self.split,
            "metrics": _to_dict(self.metrics),
            "queries": self.queries,
            "items": self.items,
            "baselines": {name: _to_dict(metrics) for name, metrics in self.baselines.items()},
            "refused": self.refused,
            "comparison": self.comparison.to_dict() if self.comparison else None,
            "params": dict(self.params),
            "trials": [{"params": dict(trial.params), "metrics": _to_dict(trial.metrics)} for trial in self.trials],
            "seconds": round(self.seconds, 3),
            "warnings": self.warnings,
        }


def _to_dict(metrics: Mapping[str, Estimate]) -> dict[str, dict[str, float]]:
    return {name: estimate.to_dict() for name, estimate in metrics.items()}
