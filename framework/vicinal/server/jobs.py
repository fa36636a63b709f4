"""Background ingest jobs: one at a time for each solution, observed through its hooks, cancelled on request."""

from __future__ import annotations

import contextvars
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from vicinal.errors import VicinalError
from vicinal.plugin.hookspecs import hookimpl
from vicinal.server.api_errors import ApiError, logger
from vicinal.solution.solution import Solution
from vicinal.types import Failure, IngestReport

__all__ = ["Job", "Jobs"]

_MAX_JOBS = 20
_COUNTS = ("seen", "new", "updated", "unchanged", "removed", "failed", "skipped", "truncated", "rows")

Kind = Literal["ingest", "retry", "reindex", "promote"]
State = Literal["running", "cancelling", "done", "failed", "cancelled"]


@dataclass(slots=True)
class Job:
    """A run and its progress. ``revision`` increases with every change, so that a stream knows what is new."""

    kind: Kind
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    state: State = "running"
    seen: int = 0
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: int = 0
    skipped: int = 0
    skip_reasons: dict[str, int] = field(default_factory=dict)
    truncated: int = 0
    rows: int | None = None
    total: int | None = None
    error: str | None = None
    error_type: str | None = None
    hint: str = ""
    warnings: list[str] = field(default_factory=list)
    gate: dict[str, Any] | None = None
    promotion: dict[str, Any] | None = None
    started: str = field(default_factory=lambda: _utc_now())
    ended: str | None = None
    revision: int = 0
    _started_at: float = field(default_factory=time.monotonic)
    _duration: float | None = None

    @property
    def is_active(self) -> bool:
        return self.state in ("running", "cancelling")

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return self._duration if self._duration is not None else time.monotonic() - self._started_at

    def to_dict(self) -> dict[str, Any]:
        """Return the job as JSON shows it."""
        seconds = self.seconds
        speed = self.seen / seconds if seconds > 0 else 0.0
        left = None if self.total is None or not self.is_active or not self.seen else max(0, self.total - self.seen)
        return {
            **{name: getattr(self, name) for name in ("id", "kind", "state", *_COUNTS, "total")},
            "items_per_second": round(speed, 1),
            "eta_seconds": None if left is None or not speed else round(left / speed, 1),
            "seconds": round(seconds, 3),
            "started": self.started,
            "ended": self.ended,
            "error": self.error,
            "error_type": self.error_type,
            "hint": self.hint,
            "warnings": list(self.warnings),
            "skip_reasons": dict(self.skip_reasons),
            "gate": self.gate,
            "promotion": self.promotion,
        }

    def finish(self, state: State) -> None:
        self._duration = time.monotonic() - self._started_at
        self.ended, self.state = _utc_now(), state
        self.revision += 1


class Jobs:
    """The jobs of one solution, registered as a plugin: they are observed through the solution's own hooks."""

    def __init__(
        self,
        solution: Solution,
        count_items: Callable[[str, int], None],
        count_job: Callable[[Job], None] = lambda _: None,
    ) -> None:
        """``count_items`` receives an outcome (``new``, ``failed``, …) and how many items had it.

        ``count_job`` receives each job that has ended.
        """
        self._solution = solution
        self._count_items = count_items
        self._count_job = count_job
        self._jobs: list[Job] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        solution.manager.register(self, f"server-jobs-{secrets.token_hex(4)}")

    # --- for requests

    @property
    def latest(self) -> Job | None:
        """The active job, or else the last one."""
        return self._jobs[-1] if self._jobs else None

    @property
    def is_active(self) -> bool:
        """Whether a job is running."""
        return bool(self._jobs) and self._jobs[-1].is_active

    def get(self, id_: str) -> Job:
        """Return one of the last jobs.

        Raises:
            ApiError: 404, it is unknown.
        """
        for job in self._jobs:
            if job.id == id_:
                return job
        raise ApiError(404, f"no run has the id {id_!r}", hint=f"the server keeps its last {_MAX_JOBS} runs")

    def start(self, kind: Kind, **options: Any) -> Job:
        """Start a job on a thread of its own.

        Raises:
            ApiError: 409, another one is running.
        """
        with self._lock:
            if self.is_active:
                raise ApiError(
                    409, f"{self._solution.name!r} is already being indexed", hint="wait for that run, or cancel it"
                )
            job = Job(kind)
            self._jobs = [*self._jobs, job][-_MAX_JOBS:]
            name = f"vicinal-ingest-{self._solution.name}"
            work = contextvars.copy_context().run  # that of the request, to whose trace the job belongs
            self._thread = threading.Thread(target=work, args=(self._run_observed, job, options), name=name)
            self._thread.start()
        return job

    def cancel(self, job: Job) -> None:
        """Make a job end after its current batch.

        Raises:
            ApiError: 409, it has ended.
        """
        if not job.is_active:
            raise ApiError(409, f"the run {job.id} has ended: {job.state}")
        job.state = "cancelling"
        job.revision += 1
        self._solution.interrupt()

    def close(self) -> None:
        """Cancel the active job, wait for its end, and unregister from the hooks."""
        if (job := self.latest) is not None and job.is_active:
            self.cancel(job)
        if self._thread is not None:
            self._thread.join()
        self._solution.manager.unregister(self)

    # --- the run itself

    def _run_observed(self, job: Job, options: dict[str, Any]) -> None:
        observers, event = self._solution.manager.observers, {"kind": job.kind, "job": job.id}
        observers.job_started(solution=self._solution.name, **event)
        try:
            self._run_job(job, options)
        finally:
            self._count_job(job)
            observers.job_finished(solution=self._solution.name, **event, state=job.state)

    def _run_job(self, job: Job, options: dict[str, Any]) -> None:
        try:
            if job.kind == "promote":
                self._execute_promotion(job, **options)
            else:
                _copy_report(job, self._execute_ingest(job.kind, options))
            job.finish("done")
        except KeyboardInterrupt:
            job.finish("cancelled")
        except VicinalError as error:
            job.error, job.error_type, job.hint = str(error), type(error).__name__, error.hint
            job.finish("failed")
        except Exception as error:
            name = self._solution.name
            logger.error("the run %s of %s failed", job.id, name, exc_info=error, extra={"solution": name})
            job.error, job.hint = f"{type(error).__name__}: {error}", "the server log has the traceback"
            job.finish("failed")

    def _execute_ingest(self, kind: Kind, options: dict[str, Any]) -> IngestReport:
        if kind == "reindex":
            return self._execute_reindex(**options)
        is_shared = self._solution.encoder.encode_is_thread_safe
        encoder = None if is_shared else self._solution.new_encoder()
        if kind == "retry":
            return self._solution.retry(encoder=encoder)
        return self._solution.ingest(encoder=encoder, **options)

    def _execute_promotion(self, job: Job, **options: Any) -> None:
        def show(done: Mapping[str, int]) -> None:
            job.new, job.unchanged, job.total = done["copied"], done["unchanged"], done["total"]
            job.seen = job.new + job.unchanged
            job.revision += 1
            if job.state == "cancelling":  # it was cancelled before there was a run to interrupt
                self._solution.interrupt()

        report = self._solution.promote(**options, on_progress=show)
        job.removed, job.rows, job.promotion = report.removed, report.proof.rows.source, report.to_dict()

    def _execute_reindex(self, action: str = "build", **options: Any) -> IngestReport:
        solution = self._solution
        if action == "build":
            return solution.reindex(**options)
        report = IngestReport(solution.name)
        if action == "rollback":
            report.warnings += solution.rollback()["warnings"]
        else:
            report.removed = int(solution.drop_old() if action == "drop_old" else solution.drop_new())
        report.rows = int(solution.metadata.state().get("rows", 0))
        return report

    @hookimpl
    def ingest_started(self, solution: str, total: int | None) -> None:
        if (job := self._active_job(solution)) is not None:
            job.total = total
            job.revision += 1
            if job.state == "cancelling":  # it was cancelled before there was a run to interrupt
                self._solution.interrupt()

    @hookimpl
    def batch_written(self, solution: str, new: int, updated: int, unchanged: int) -> None:
        if solution == self._solution.name:
            for outcome, number in (("new", new), ("updated", updated), ("unchanged", unchanged)):
                if number:
                    self._count_items(outcome, number)
        if (job := self._active_job(solution)) is not None:
            with self._lock:
                job.new += new
                job.updated += updated
                job.unchanged += unchanged
                job.seen += new + updated + unchanged
                job.revision += 1

    @hookimpl
    def item_failed(self, solution: str, failures: Sequence[Failure]) -> None:
        if solution == self._solution.name:
            self._count_items("failed", len(failures))
        if (job := self._active_job(solution)) is not None:
            with self._lock:
                job.failed += len(failures)
                job.seen += len(failures)
                job.revision += 1

    def _active_job(self, solution: str) -> Job | None:
        job = self.latest
        return job if solution == self._solution.name and job is not None and job.is_active else None


def _copy_report(job: Job, report: IngestReport) -> None:
    for name in _COUNTS:
        setattr(job, name, getattr(report, name))
    job.warnings, job.skip_reasons, job.gate = report.warnings, report.skip_reasons, report.gate


def _utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
