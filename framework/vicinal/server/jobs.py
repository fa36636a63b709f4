"""Runs in the background: one at a time for each solution, observed through its hooks, called off on request."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from vicinal.errors import VicinalError
from vicinal.plugin.hookspecs import hookimpl
from vicinal.server.api_errors import ApiError, logger
from vicinal.solution.solution import Solution
from vicinal.types import Failure, IngestReport

__all__ = ["Job", "Jobs"]

_KEPT = 20

State = Literal["running", "cancelling", "done", "failed", "cancelled"]


@dataclass(slots=True)
class Job:
    """A run and how far it is. ``changed`` counts up with every news of it."""

    kind: Literal["ingest", "retry"]
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    state: State = "running"
    seen: int = 0
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: int = 0
    total: int | None = None
    error: str | None = None
    hint: str = ""
    warnings: list[str] = field(default_factory=list)
    started: str = field(default_factory=lambda: _now())
    ended: str | None = None
    changed: int = 0
    _began: float = field(default_factory=time.monotonic)
    _took: float | None = None

    @property
    def live(self) -> bool:
        return self.state in ("running", "cancelling")

    def to_dict(self) -> dict[str, Any]:
        """The job as JSON shows it."""
        seconds = self._took if self._took is not None else time.monotonic() - self._began
        speed = self.seen / seconds if seconds > 0 else 0.0
        left = None if self.total is None or not self.live or not self.seen else max(0, self.total - self.seen)
        names = ("id", "kind", "state", "seen", "new", "updated", "unchanged", "removed", "failed", "total")
        return {
            **{name: getattr(self, name) for name in names},
            "items_per_second": round(speed, 1),
            "eta_seconds": None if left is None or not speed else round(left / speed, 1),
            "seconds": round(seconds, 3),
            "started": self.started,
            "ended": self.ended,
            "error": self.error,
            "hint": self.hint,
            "warnings": list(self.warnings),
        }

    def end(self, state: State) -> None:
        self._took = time.monotonic() - self._began
        self.ended, self.state = _now(), state
        self.changed += 1


class Jobs:
    """The runs of one solution. It is a plugin: it observes them through the solution's own hooks."""

    def __init__(self, solution: Solution, count: Callable[[str, int], None]) -> None:
        """``count`` is told how many items had which outcome."""
        self._solution = solution
        self._count = count
        self._jobs: list[Job] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._name = f"server-jobs-{secrets.token_hex(4)}"
        solution.manager.register(self, self._name)

    # --- for requests

    @property
    def last(self) -> Job | None:
        """The run that goes on, or else the last one."""
        return self._jobs[-1] if self._jobs else None

    @property
    def live(self) -> bool:
        """Whether a run goes on."""
        return bool(self._jobs) and self._jobs[-1].live

    def get(self, id_: str) -> Job:
        """One of the last runs.

        Raises:
            Problem: 404, it is not known.
        """
        for job in self._jobs:
            if job.id == id_:
                return job
        raise ApiError(404, f"no run has the id {id_!r}", hint=f"the last {_KEPT} since the server started are known")

    def start(self, kind: Literal["ingest", "retry"], **options: Any) -> Job:
        """Begin a run.

        Raises:
            Problem: 409, one goes on.
        """
        with self._lock:
            if self.live:
                raise ApiError(
                    409, f"{self._solution.name!r} is being indexed already", hint="wait for that run, or cancel it"
                )
            job = Job(kind)
            self._jobs = [*self._jobs, job][-_KEPT:]
            name = f"vicinal-ingest-{self._solution.name}"
            self._thread = threading.Thread(target=self._run, args=(job, options), name=name)
            self._thread.start()
        return job

    def cancel(self, job: Job) -> None:
        """Let a run end after the batch in hand.

        Raises:
            Problem: 409, it has ended.
        """
        if not job.live:
            raise ApiError(409, f"the run {job.id} has ended: {job.state}")
        job.state = "cancelling"
        job.changed += 1
        self._solution.interrupt()

    def close(self) -> None:
        """End the run that goes on, and observe no more."""
        if (job := self.last) is not None and job.live:
            self.cancel(job)
        if self._thread is not None:
            self._thread.join()
        self._solution.manager.unregister(self)

    # --- the run itself

    def _run(self, job: Job, options: dict[str, Any]) -> None:
        try:
            shared = self._solution.encoder.encode_is_thread_safe
            encoder = None if shared else self._solution.new_encoder()
            if job.kind == "retry":
                report = self._solution.retry(encoder=encoder)
            else:
                report = self._solution.ingest(encoder=encoder, **options)
            self._take_over(job, report)
            job.end("done")
        except KeyboardInterrupt:
            job.end("cancelled")
        except VicinalError as error:
            job.error, job.hint = str(error), error.hint
            job.end("failed")
        except Exception as error:
            logger.error("the run %s of %s failed", job.id, self._solution.name, exc_info=error)
            job.error, job.hint = f"{type(error).__name__}: {error}", "the server's log says more"
            job.end("failed")

    def _take_over(self, job: Job, report: IngestReport) -> None:
        for name in ("seen", "new", "updated", "unchanged", "removed", "failed"):
            setattr(job, name, getattr(report, name))
        job.warnings = report.warnings

    @hookimpl
    def ingest_started(self, solution: str, total: int | None) -> None:
        if (job := self._observed(solution)) is not None:
            job.total = total
            job.changed += 1
            if job.state == "cancelling":  # it was called off before there was a run
                self._solution.interrupt()

    @hookimpl
    def batch_written(self, solution: str, new: int, updated: int, unchanged: int) -> None:
        if solution == self._solution.name:
            for outcome, number in (("new", new), ("updated", updated), ("unchanged", unchanged)):
                if number:
                    self._count(outcome, number)
        if (job := self._observed(solution)) is not None:
            with self._lock:
                job.new += new
                job.updated += updated
                job.unchanged += unchanged
                job.seen += new + updated + unchanged
                job.changed += 1

    @hookimpl
    def item_failed(self, solution: str, failures: Sequence[Failure]) -> None:
        if solution == self._solution.name:
            self._count("failed", len(failures))
        if (job := self._observed(solution)) is not None:
            with self._lock:
                job.failed += len(failures)
                job.seen += len(failures)
                job.changed += 1

    def _observed(self, solution: str) -> Job | None:
        job = self.last
        return job if solution == self._solution.name and job is not None and job.live else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
