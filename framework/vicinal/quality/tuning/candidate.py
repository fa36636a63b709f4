"""One index, measured: proof that it is in use, the least effort that reaches the target, and how long that takes."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vicinal.config.index_size import compute_index_bytes
from vicinal.config.indexes import INDEXES
from vicinal.quality.tuning.latency import Latency, measure_latency, measure_throughput
from vicinal.quality.tuning.recall_meter import Measured, RecallMeter
from vicinal.quality.tuning.report import FrontierPoint, PointStatus
from vicinal.quality.tuning.shadow import ShadowCollection
from vicinal.quality.tuning.truth import Truth
from vicinal.quality.tuning.variants import reorder_more
from vicinal.stores.milvus_engine import Index
from vicinal.types import Space

__all__ = ["CandidateMeter"]

_MAX_EFFORT = 32_768
_PRECISION = 16
"""The effort is known to within a sixteenth."""
_MIN_GAIN = 0.001
"""An index that gains less from twice the effort has lost the rest to its quantisation."""
_MAX_CONFIRMATIONS = 8
_NOISE = 1.2


@dataclass(slots=True)
class CandidateMeter:
    """Measures indexes in a shadow collection, with one half of the queries to choose by and the other to confirm."""

    shadow: ShadowCollection
    space: Space
    truths: Mapping[str, Truth]
    target: float
    limit: int
    clients: int = 0

    @property
    def _middle(self) -> int:
        return len(self.truths[""].queries) // 2

    def measure_exact(self, index: Index) -> FrontierPoint:
        """The index that compares with every vector."""
        built, seconds = self._build_index(index)
        measured = self._choosing.measure(self.shadow.search, 0.0)
        return self._to_point(built, measured, seconds, "exact", rounds=3)

    def measure(self, index: Index, exact: FrontierPoint) -> list[FrontierPoint]:
        """What an index does with growing effort; the last point is the one that stands for it."""
        built, seconds = self._build_index(index)
        effort = INDEXES[index.type].search_effort
        lowest = self.limit if effort in INDEXES[index.type].at_least_limit else 1
        highest = self._highest_effort(built, effort, lowest)
        points = {}
        self.shadow.set_search(_with_effort(built, effort, lowest))
        measured = self._choosing.measure(self.shadow.search, self.target)
        points[lowest] = self._to_point(_with_effort(built, effort, lowest), measured, seconds, rounds=3)
        if reason := self._find_doubt(built, effort, points[lowest], exact):
            return [replace(points[lowest], status="unproven", reason=reason)]
        tried: list[FrontierPoint] = []
        while True:
            value = self._find_effort(built, effort, lowest, highest, seconds, points)
            tried += points.values()
            if value is not None:
                return [*tried, self._confirm_effort(built, effort, value, highest, seconds)]
            if (reordered := reorder_more(built, self.limit)) is None:
                best = max(tried, key=lambda point: point.recall.value)
                return [*tried, replace(best, status="too low", reason=f"{best.recall.value:.3f} at most")]
            built, points = reordered, {}

    def time_again(self, point: FrontierPoint) -> None:
        """Build an index once more, and keep the lower one of its latencies: a machine is not as busy at all times."""
        metric = self.truths[""].metric
        index, _ = self._build_index(Index(point.type, metric, point.type, metric, point.params, point.search))
        self.shadow.set_search(replace(index, search=point.search))
        for filter, before in point.latencies.items():
            again = self._measure_latency(filter, 3)
            point.latencies[filter] = min(before, again, key=lambda latency: latency.p50)

    def _build_index(self, index: Index) -> tuple[Index, float]:
        started = time.perf_counter()
        return self.shadow.build(index), time.perf_counter() - started

    @property
    def _choosing(self) -> RecallMeter:
        return RecallMeter(self.truths, 0, self._middle)

    @property
    def _confirming(self) -> RecallMeter:
        return RecallMeter(self.truths, self._middle, len(self.truths[""].queries))

    def _highest_effort(self, built: Index, effort: str, lowest: int) -> int:
        if effort == "nprobe":
            return max(lowest, int(built.params["nlist"]))
        return max(lowest, min(self.shadow.rows, _MAX_EFFORT))

    def _find_doubt(self, built: Index, effort: str, lowest: FrontierPoint, exact: FrontierPoint) -> str:
        """Why what answers may not be the index; empty where it is proved to be.

        It has all rows, which was seen when it was built; with the least effort it loses something, and takes less time
        than comparing with every vector, as far as a busy machine lets one tell. What is chosen is quicker in any case.
        """
        if lowest.latencies[""].p50 >= _NOISE * exact.latencies[""].p50:
            return "no quicker than comparing with every vector, even with the least effort"
        smallest = {"": replace(self.truths[""], limit=1)}
        self.shadow.set_search(_with_effort(built, effort, 1))
        if lowest.recalls[""].value == 1.0 and not RecallMeter(smallest, 0, len(self.truths[""].queries)).finds_a_loss(
            self.shadow.search
        ):
            return "finds everything with the least effort, as if it compared with every vector"
        return ""

    def _find_effort(
        self, built: Index, effort: str, lowest: int, highest: int, seconds: float, points: dict[int, FrontierPoint]
    ) -> int | None:
        """The least effort that reaches the target, found by doubling and bisection; None where none does."""

        def reaches(value: int) -> bool:
            if value not in points:
                index = _with_effort(built, effort, value)
                self.shadow.set_search(index)
                points[value] = self._to_point(index, self._choosing.measure(self.shadow.search, self.target), seconds)
            return points[value].recall.low >= self.target

        low, value = 0, lowest
        while not reaches(value):
            gained = _compute_gain(points[low], points[value]) if low else 1.0
            if value == highest or (gained < _MIN_GAIN and value >= 8 * lowest):
                return None
            low, value = value, min(2 * value, highest)
        while low and value - low > max(1, value // _PRECISION):
            middle = (low + value) // 2
            low, value = (low, middle) if reaches(middle) else (middle, value)
        return value

    def _confirm_effort(self, built: Index, effort: str, value: int, highest: int, seconds: float) -> FrontierPoint:
        """The least effort from this on that reaches the target on the other half of the queries, too."""
        for _ in range(_MAX_CONFIRMATIONS):
            index = _with_effort(built, effort, value)
            self.shadow.set_search(index)
            measured = self._confirming.measure(self.shadow.search, self.target)
            if measured.worst.low >= self.target:
                return self._to_point(index, measured, seconds, "confirmed", rounds=3)
            if value == highest:
                break
            value = min(highest, math.ceil(value * (1 + 2 / _PRECISION)))
        point = self._to_point(index, measured, seconds, "too low")
        return replace(point, reason="not confirmed by the other half of the queries")

    def _to_point(
        self, index: Index, measured: Measured, seconds: float, status: PointStatus = "tried", *, rounds: int = 1
    ) -> FrontierPoint:
        point = FrontierPoint(
            type=index.type,
            params=index.params,
            search=index.search,
            recalls=measured.recalls,
            latencies={
                filter: self._measure_latency(filter, rounds) for filter in self.truths if rounds > 1 or not filter
            },
            memory_bytes=compute_index_bytes(index.type, index.params, self.space.dimension, self.shadow.rows),
            build_seconds=seconds,
            queries=measured.queries,
            status=status,
        )
        if status in ("exact", "confirmed") and self.clients:
            point.throughput = measure_throughput(self._search_one(""), self._timed_queries, self.clients)
        return point

    def _measure_latency(self, filter: str, rounds: int) -> Latency:
        calls, seconds = (50, 0.7) if rounds > 1 else (10, 0.2)
        return measure_latency(
            self._search_one(filter), self._timed_queries, rounds=rounds, calls=calls, seconds=seconds
        )

    def _search_one(self, filter: str) -> Any:
        return lambda vector: self.shadow.search([vector], self.limit, filter)

    @property
    def _timed_queries(self) -> Sequence[Any]:
        return self.truths[""].queries.vectors[self._middle :]


def _compute_gain(before: FrontierPoint, after: FrontierPoint) -> float:
    """How much recall rises, added up over the filters that were measured for both."""
    both = before.recalls.keys() & after.recalls.keys()
    return sum(after.recalls[filter].value - before.recalls[filter].value for filter in both)


def _with_effort(index: Index, effort: str, value: int) -> Index:
    return replace(index, search={**index.search, effort: value})
