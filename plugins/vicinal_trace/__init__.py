"""OpenTelemetry spans of searches, runs and jobs: names, counts and times, no contents.

Without traces (see ``vicinal.toolkit.tracing``) each hook returns at once and nothing of OpenTelemetry is imported.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vicinal import hookimpl
from vicinal.toolkit.tracing import get_tracer

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from vicinal import IngestReport

_REPORTED = ("seen", "new", "updated", "unchanged", "removed", "failed", "skipped", "rows")
_open: dict[tuple[str, str, int], tuple[Span, Any]] = {}
"""The spans of runs and jobs that go on, by what they are, the solution and the thread."""


@hookimpl
def search_finished(
    solution: str, queries: int, hits: int, milliseconds: float, timings_ms: Mapping[str, float]
) -> None:
    if (tracer := get_tracer()) is None:
        return
    from opentelemetry.trace import set_span_in_context

    attributes = {"vicinal.solution": solution, "vicinal.queries": queries, "vicinal.hits": hits}
    end = time.time_ns()
    start = end - _to_ns(milliseconds)
    span = tracer.start_span("search", start_time=start, attributes=attributes)
    inside = set_span_in_context(span)
    for step, step_ms in timings_ms.items():
        if step != "total" and step_ms:
            step_span = tracer.start_span(
                f"search.{step}", inside, start_time=start, attributes={"vicinal.solution": solution}
            )
            start += _to_ns(step_ms)
            step_span.end(min(start, end))
    span.end(end)


@hookimpl
def stage_finished(solution: str, stage: str, items: int, milliseconds: float) -> None:
    if (tracer := get_tracer()) is None:
        return
    end = time.time_ns()
    attributes = {"vicinal.solution": solution, "vicinal.items": items}
    tracer.start_span(f"ingest.{stage}", start_time=end - _to_ns(milliseconds), attributes=attributes).end(end)


@hookimpl
def ingest_started(solution: str, total: int | None) -> None:
    _begin_span("ingest", solution, {} if total is None else {"vicinal.total": total})


@hookimpl
def ingest_finished(solution: str, report: IngestReport) -> None:
    counts = {name: getattr(report, name) for name in _REPORTED}
    _end_span("ingest", solution, {f"vicinal.{name}": count for name, count in counts.items() if count is not None})


@hookimpl
def ingest_failed(solution: str, error: BaseException) -> None:
    if isinstance(error, KeyboardInterrupt):
        _end_span("ingest", solution, {"vicinal.state": "cancelled"})
    else:
        _end_span("ingest", solution, {"vicinal.state": "failed", "error.type": type(error).__name__}, failed=True)


@hookimpl
def job_started(solution: str, kind: str, job: str) -> None:
    _begin_span("job", solution, {"vicinal.job.kind": kind, "vicinal.job.id": job})


@hookimpl
def job_finished(solution: str, kind: str, job: str, state: str) -> None:
    _end_span("job", solution, {"vicinal.state": state}, failed=state == "failed")


def _begin_span(name: str, solution: str, attributes: dict[str, Any]) -> None:
    """Begin a span, to which all belongs that this thread, and those that it starts, do until it ends."""
    if (tracer := get_tracer()) is None:
        return
    from opentelemetry import context, trace

    span = tracer.start_span(name, attributes={"vicinal.solution": solution, **attributes})
    token = context.attach(trace.set_span_in_context(span))
    _open[name, solution, threading.get_ident()] = (span, token)


def _end_span(name: str, solution: str, attributes: dict[str, Any], *, failed: bool = False) -> None:
    """End it, if it was begun: a run may fail before."""
    if (begun := _open.pop((name, solution, threading.get_ident()), None)) is None:
        return
    from opentelemetry import context, trace

    span, token = begun
    context.detach(token)
    span.set_attributes(attributes)
    if failed:
        span.set_status(trace.StatusCode.ERROR)
    span.end()


def _to_ns(milliseconds: float) -> int:
    return int(milliseconds * 1_000_000)
