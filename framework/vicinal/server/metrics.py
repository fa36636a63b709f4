"""Prometheus metrics. Labels take few values: routes as they are declared, solutions, outcomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics"]

_SECONDS_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0)
_JOB_SECONDS_BUCKETS = (1, 5, 15, 60, 300, 900, 3600, 14_400, 43_200, 86_400)
_SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_JOB_KINDS = ("ingest", "retry", "reindex", "promote")
_JOB_STATES = ("done", "failed", "cancelled")
_OUTCOMES = ("new", "updated", "unchanged", "failed")
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
        self._steps = Histogram(
            "vicinal_search_step_seconds",
            "Time of each step of a batch of queries.",
            ["solution", "step"],
            buckets=_SECONDS_BUCKETS,
            registry=registry,
        )
        self._queued = Gauge(
            "vicinal_queued_queries", "Queries that wait for a batch.", ["solution"], registry=registry
        )
        self._jobs = Counter("vicinal_jobs", "Jobs that ended.", ["solution", "kind", "state"], registry=registry)
        self._job_seconds = Histogram(
            "vicinal_job_seconds",
            "Time of jobs that ended.",
            ["solution", "kind"],
            buckets=_JOB_SECONDS_BUCKETS,
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

    def observe_steps(self, solution: str, timings_ms: Mapping[str, float]) -> None:
        """Observe each step of a search, and their ``total``, in milliseconds."""
        for step, milliseconds in timings_ms.items():
            self._steps.labels(solution, step).observe(milliseconds / 1000)

    def add_solution(self, solution: str, count_queued: Callable[[], int]) -> None:
        """Begin the counters of a solution at zero, since Prometheus sees no increase in the first value.

        ``count_queued`` is called for the number of queued queries whenever the metrics are read.
        """
        self._queued.labels(solution).set_function(count_queued)
        for kind, state in product(_JOB_KINDS, _JOB_STATES):
            self._jobs.labels(solution, kind, state)
            self._job_seconds.labels(solution, kind)
        for outcome in _OUTCOMES:
            self._ingested.labels(solution, outcome)

    def count_job(self, solution: str, kind: str, state: str, seconds: float) -> None:
        self._jobs.labels(solution, kind, state).inc()
        self._job_seconds.labels(solution, kind).observe(seconds)

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
