"""Prometheus metrics. Labels take few values: routes as they are declared, solutions, outcomes."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics"]

_SECONDS_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0)
_SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_METHODS = ("GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH")


class Metrics:
    """The metrics of one application, in a registry of its own."""

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
            "vicinal_request_seconds",
            "Time until the response.",
            ["route"],
            buckets=_SECONDS_BUCKETS,
            registry=registry,
        )
        self._batches = Histogram(
            "vicinal_batch_size",
            "Queries that were encoded together.",
            ["solution"],
            buckets=_SIZE_BUCKETS,
            registry=registry,
        )
        self._items = Gauge("vicinal_items", "Indexed items.", ["solution"], registry=registry)
        self._rows = Gauge("vicinal_rows", "Indexed vectors.", ["solution"], registry=registry)
        self._failures = Gauge("vicinal_failures", "Items that could not be indexed.", ["solution"], registry=registry)
        self._ready = Gauge("vicinal_ready", "1 if a solution is ready.", ["solution"], registry=registry)
        self._ingested = Counter(
            "vicinal_ingested_items",
            "Items that runs processed, by outcome.",
            ["solution", "outcome"],
            registry=registry,
        )
        self.streams = Gauge("vicinal_event_streams", "Open event streams.", registry=registry)

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        self._requests.labels(route, method if method in _METHODS else "other", str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def observe_batch(self, solution: str, queries: int) -> None:
        self._batches.labels(solution).observe(queries)

    def count_ingested(self, solution: str, outcome: str, number: int) -> None:
        self._ingested.labels(solution, outcome).inc(number)

    def set_health(self, solution: str, ready: bool, counts: Mapping[str, int]) -> None:
        self._ready.labels(solution).set(ready)
        self._items.labels(solution).set(counts["items"])
        self._rows.labels(solution).set(counts["rows"])
        self._failures.labels(solution).set(counts["failures"])

    def to_text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
