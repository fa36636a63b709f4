"""What tuning has tried and chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vicinal.quality.estimates import Estimate
from vicinal.quality.tuning.latency import Latency, Throughput
from vicinal.quality.tuning.queries import QueryKind, describe_queries

__all__ = ["FrontierPoint", "TuneReport"]

PointStatus = Literal["exact", "confirmed", "tried", "too low", "unproven"]


@dataclass(slots=True)
class FrontierPoint:
    """One index with one setting of its search: how well it finds, how quickly, and what it takes.

    ``recalls`` has the recall under each filter, "" being none, and ``latencies`` the latency. ``status``:

    - ``exact``: it compares with every vector;
    - ``confirmed``: it reaches the target, on queries that did not choose it, too;
    - ``tried``: a setting on the way there;
    - ``too low``: the most that this index was seen to reach is less than the target;
    - ``unproven``: it may be reached, but what answered may have been no index.
    """

    type: str
    params: Mapping[str, Any]
    search: Mapping[str, Any]
    recalls: Mapping[str, Estimate]
    latencies: dict[str, Latency]
    memory_bytes: int
    build_seconds: float
    queries: int
    status: PointStatus
    reason: str = ""
    throughput: Throughput | None = None

    @property
    def recall(self) -> Estimate:
        """The recall under the filter where it is lowest."""
        return min(self.recalls.values(), key=lambda recall: (recall.low, recall.value))

    @property
    def latency(self) -> Latency:
        """The mean of the latencies with and without filters."""
        found = list(self.latencies.values())
        return Latency(sum(one.p50 for one in found) / len(found), sum(one.p95 for one in found) / len(found))

    @property
    def is_acceptable(self) -> bool:
        return self.status in ("exact", "confirmed")

    def describe(self) -> str:
        """As ``HNSW M=16, ef=64``."""
        values = {**self.params, **self.search}
        return " ".join([self.type, ", ".join(f"{name}={value}" for name, value in values.items())]).strip()

    def to_dict(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "params": dict(self.params),
            "search": dict(self.search),
            "recall": self.recall.to_dict(),
            **self.latency.to_dict(),
            "memory_bytes": self.memory_bytes,
            "build_seconds": round(self.build_seconds, 3),
            "queries": self.queries,
            "status": self.status,
            "reason": self.reason,
            "clients": self.throughput.to_dict() if self.throughput else None,
            "filters": {
                filter: {"recall": recall.to_dict(), **self.latencies[filter].to_dict()}
                for filter, recall in self.recalls.items()
                if filter and filter in self.latencies
            },
        }


@dataclass(slots=True)
class TuneReport:
    """The index that is quickest among those that reach a recall, and all that was tried.

    ``clients`` is how many searched at once, 0 for none. ``queries`` is how many queries there were, ``kind`` what they
    are: those of a log, items that were not in the index, or indexed items. ``rows`` is the size of the collection,
    ``data`` the fingerprint of its ids and vectors.
    """

    solution: str
    engine: str
    metric: str
    target: float
    limit: int
    filters: Sequence[str]
    kind: QueryKind
    queries: int
    rows: int
    data: str
    date: str
    chosen: FrontierPoint
    frontier: list[FrontierPoint]
    clients: int = 0
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)

    @property
    def reason(self) -> str:
        """Why this index was chosen, in a sentence."""
        latency = f"{self.chosen.latency.p50:.1f} ms"
        if self.chosen.status == "exact":
            others = [point for point in self.frontier if point.status == "confirmed"]
            if not others:
                return f"comparing with every vector ({latency}) is what reaches the recall; no other index did"
            return f"comparing with every vector is quickest: {latency}; an index pays with more rows"
        exact = next((point for point in self.frontier if point.status == "exact"), None)
        beside = f", where comparing with every vector takes {exact.latency.p50:.1f} ms" if exact else ""
        return f"{latency} a search{beside}"

    def to_index_block(self) -> dict[str, Any]:
        """The keys of ``index`` in the YAML."""
        recall = self.chosen.recall
        tuned = {
            "date": self.date,
            "recall": _round_down(recall.value),
            "low": _round_down(recall.low),
            "target": self.target,
            "limit": self.limit,
            **({"filters": list(self.filters)} if self.filters else {}),
            "queries": self.kind,
            "rows": self.rows,
            "data": self.data,
        }
        chosen = {"params": dict(self.chosen.params), "search": dict(self.chosen.search)}
        return {"type": self.chosen.type, **{name: one for name, one in chosen.items() if one}, "tuned": tuned}

    def write_yaml(self, path: str | Path) -> None:
        """Write the choice into a solution's YAML file, and leave everything else in it as it is.

        Raises:
            DependencyError: ruamel.yaml is not installed.
            VicinalError: the file cannot be written.
        """
        from vicinal.quality.tuning.yaml_edit import write_index

        write_index(Path(path), self.to_index_block())

    def to_dict(self) -> dict[str, Any]:
        """The report as the JSON object that ``tune --json`` prints."""
        chosen = self.chosen
        return {
            "solution": self.solution,
            "engine": self.engine,
            "chosen": {"type": chosen.type, "params": dict(chosen.params), "search": dict(chosen.search)},
            "reason": self.reason,
            "recall": {**chosen.recall.to_dict(), "target": self.target},
            "limit": self.limit,
            "filters": list(self.filters),
            "queries": {"kind": self.kind, "description": describe_queries(self.kind), "count": self.queries},
            "rows": self.rows,
            "data": self.data,
            "date": self.date,
            "frontier": [point.to_dict() for point in self.frontier],
            "seconds": round(self.seconds, 3),
            "warnings": self.warnings,
        }


def _round_down(value: float) -> float:
    return int(value * 10_000) / 10_000
