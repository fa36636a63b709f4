"""How long single searches take, for one client after another search, and for several at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Latency", "Throughput", "measure_latency", "measure_throughput"]

_WARM_UP = 5
_MIN_CALLS = 10


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of a search: the median and the 95th percentile."""

    p50: float
    p95: float

    def to_dict(self) -> dict[str, float]:
        return {"p50_ms": round(self.p50, 3), "p95_ms": round(self.p95, 3)}


@dataclass(frozen=True, slots=True)
class Throughput:
    """What several clients get at once, each a thread that searches again as soon as it has its answer."""

    clients: int
    searches_per_second: float
    latency: Latency

    def to_dict(self) -> dict[str, Any]:
        return {
            "clients": self.clients,
            "as": "threads",
            "searches_per_second": round(self.searches_per_second, 1),
            **self.latency.to_dict(),
        }


def measure_latency(
    search: Callable[[Any], object], vectors: Sequence[Any], *, rounds: int, calls: int, seconds: float
) -> Latency:
    """Time single searches in some rounds; the figures are those of the quickest one, which others disturbed least.

    Args:
        search: searches with one vector.
        rounds: how many; each ends after ``calls`` searches, or after ``seconds`` if there were ten.
    """
    for vector in vectors[:_WARM_UP]:
        search(vector)
    found: list[Latency] = []
    for number in range(rounds):
        times: list[float] = []
        started = time.perf_counter()
        while len(times) < calls and (len(times) < _MIN_CALLS or time.perf_counter() - started < seconds):
            vector = vectors[(number * calls + len(times)) % len(vectors)]
            before = time.perf_counter()
            search(vector)
            times.append(time.perf_counter() - before)
        found.append(_to_latency(times))
    return min(found, key=lambda latency: latency.p50)


def measure_throughput(
    search: Callable[[Any], object], vectors: Sequence[Any], clients: int, seconds: float = 2.0
) -> Throughput:
    """Let several threads search at once for some seconds."""
    started = time.perf_counter()

    def work(client: int) -> list[float]:
        times: list[float] = []
        while not times or time.perf_counter() - started < seconds:
            before = time.perf_counter()
            search(vectors[(client + clients * len(times)) % len(vectors)])
            times.append(time.perf_counter() - before)
        return times

    with ThreadPoolExecutor(clients) as pool:
        times = [one for part in pool.map(work, range(clients)) for one in part]
    took = time.perf_counter() - started
    return Throughput(clients, len(times) / took, _to_latency(times))


def _to_latency(seconds: Sequence[float]) -> Latency:
    p50, p95 = np.percentile(np.array(seconds) * 1e3, [50, 95]).tolist()
    return Latency(p50, p95)
