"""What the server counts, for Prometheus. Labels take few values: routes as they are declared, solutions, outcomes."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics"]

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self._requests = Counter(
            "vicinal_requests",
            "Requests by route, method and status.",
            ["route", "method", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "vicinal_request_seconds", "Time to answer.", ["route"], buckets=_SECONDS, registry=registry
        )
        self._batches = Histogram(
            "vicinal_batch_size", "Queries that were encoded together.", ["solution"], buckets=_SIZES, registry=registry
        )
        self._items = Gauge("vicinal_items", "Items that are indexed.", ["solution"], registry=registry)
        self._rows = Gauge("vicinal_rows", "Vectors that are indexed.", ["solution"], registry=registry)
        self._failures = Gauge("vicinal_failures", "Items that could not be indexed.", ["solution"], registry=registry)
        self._ready = Gauge("vicinal_ready", "1 where a solution answers.", ["solution"], registry=registry)
        self._ingested = Counter(
            "vicinal_ingested_items",
            "Items that runs dealt with, by outcome.",
            ["solution", "outcome"],
            registry=registry,
        )
        self.streams = Gauge("vicinal_event_streams", "Event streams that are open.", registry=registry)

    def requested(self, route: str, method: str, status: int, seconds: float) -> None:
        known = method if method in ("GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH") else "other"
        self._requests.labels(route, known, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batched(self, solution: str, queries: int) -> None:
        self._batches.labels(solution).observe(queries)

    def ingested(self, solution: str, outcome: str, number: int) -> None:
        self._ingested.labels(solution, outcome).inc(number)

    def counted(self, solution: str, ready: bool, counts: Mapping[str, int]) -> None:
        self._ready.labels(solution).set(ready)
        self._items.labels(solution).set(counts["items"])
        self._rows.labels(solution).set(counts["rows"])
        self._failures.labels(solution).set(counts["failures"])

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)
