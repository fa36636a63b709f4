"""Counts what a run does, reports it to observers, and ends the run when too many items fail."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from vicinal.errors import TooManyFailuresError
from vicinal.ingest.changes import Change
from vicinal.ingest.worker_group import WorkerGroup
from vicinal.stores.records import Entry
from vicinal.stores.redis import MetadataStore
from vicinal.types import Failure, IngestReport

if TYPE_CHECKING:
    from vicinal.plugin.observers import Observers

__all__ = ["RunCounter"]

_MAX_SKIP_REASONS = 20
_OTHER_SKIP_REASONS = "other reasons"
_MIN_ITEMS_FOR_SHARE = 1_000
"""A share of fewer items is judged at the end of the run only: it says little before."""


class RunCounter:
    """The counts of one run, shared by its threads."""

    def __init__(
        self, metadata: MetadataStore, observers: Observers, max_failures: int | str | None, workers: WorkerGroup
    ) -> None:
        self.report = IngestReport(metadata.name)
        self.skipped_entries: dict[int, Entry] = {}
        """What is indexed of items that the encoder now leaves out, by their ids."""
        self._metadata = metadata
        self._observers = observers
        self._max_failures = max_failures
        self._workers = workers
        self._lock = threading.Lock()
        self._observers_lock = threading.Lock()
        self._old_failures: set[str] = set()

    def load_old_failures(self) -> None:
        """Read which keys failed in earlier runs; those that succeed now are cleared."""
        self._old_failures = {failure.key for failure in self._metadata.iter_failures()}

    def resolved_failures(self, keys: Sequence[str]) -> list[str]:
        """Which of these keys, which are indexed now, failed in an earlier run."""
        return [key for key in keys if key in self._old_failures]

    def clear_old_failures(self) -> None:
        """Clear the failures of earlier runs that this run, which read the whole source, did not meet again."""
        self._metadata.clear_failures(sorted(self._old_failures))

    def count_read(self, seen: int, unchanged: int) -> None:
        """Count entries of the source, and how many of them are unchanged items."""
        with self._lock:
            self.report.seen += seen
            self.report.unchanged += unchanged
        if unchanged:
            self._report_written(0, 0, unchanged)

    def count_written(self, new: int, updated: int, truncated: int) -> None:
        """Count the items of a batch that is committed, and how many of them the encoder reads only in part."""
        with self._lock:
            self.report.new += new
            self.report.updated += updated
            self.report.truncated += truncated
        self._report_written(new, updated, 0)

    def _report_written(self, new: int, updated: int, unchanged: int) -> None:
        """Tell observers, one call after another: they count, and several threads write."""
        with self._observers_lock:
            self._observers.batch_written(solution=self._metadata.name, new=new, updated=updated, unchanged=unchanged)

    def time_stage(self, stage: str, items: int) -> AbstractContextManager[None]:
        """Report how long a stage takes for so many items, which the block does."""
        return self._observers.time_stage(self._metadata.name, stage, items)

    def report_read(self, items: int, seconds: float) -> None:
        """Report how long it took to read so many entries and to compare them with the ledger."""
        self._observers.stage_finished(
            solution=self._metadata.name, stage="read", items=items, milliseconds=seconds * 1000
        )

    def record_skipped(self, skipped: Sequence[tuple[Change, str]]) -> None:
        """Count items that the encoder leaves out, by the reasons that it gives; of many reasons the first 20."""
        with self._lock:
            self.report.skipped += len(skipped)
            self.skipped_entries |= {change.id: change.previous for change, _ in skipped if change.previous is not None}
            counts = self.report.skip_reasons
            for _, reason in skipped:
                known = reason if reason in counts or len(counts) < _MAX_SKIP_REASONS else _OTHER_SKIP_REASONS
                counts[known] = counts.get(known, 0) + 1

    def record_failures(self, failures: list[Failure]) -> None:
        """Store failures in Redis and count them; too many of them end the run."""
        if not failures:
            return
        self._workers.call_with_retry(self._metadata.add_failures, failures)
        with self._lock:
            self.report.failed += len(failures)
            self._old_failures.difference_update(failure.key for failure in failures)
        self._observers.item_failed(solution=self._metadata.name, failures=failures)
        if (self.report.seen >= _MIN_ITEMS_FOR_SHARE or not isinstance(self._max_failures, str)) and (
            error := self._budget_error()
        ):
            self._workers.fail(error)

    def require_budget(self) -> None:
        """Check the budget of failures at the end of the run.

        Raises:
            TooManyFailuresError: more items failed than ``ingest.max_failures`` allows.
        """
        if error := self._budget_error():
            raise error

    def _budget_error(self) -> TooManyFailuresError | None:
        budget = self._max_failures
        if budget is None:
            return None
        limit = float(budget.rstrip("%")) / 100 * self.report.seen if isinstance(budget, str) else budget
        if self.report.failed <= limit:
            return None
        return TooManyFailuresError(
            f"{self.report.failed} of {self.report.seen} items failed, more than ingest.max_failures: {budget}",
            hint="`vicinal failures` lists them with their reasons; what was indexed before is kept",
        )
