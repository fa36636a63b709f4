"""Groups of near-equal items of a solution: computed in the background, and kept until the collection changes."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass

from vicinal.errors import NothingIndexedError
from vicinal.quality.duplicates.choice import Keep
from vicinal.quality.duplicates.duplicates import find_duplicates
from vicinal.quality.duplicates.report import DuplicateReport
from vicinal.server.jobs import Jobs
from vicinal.solution.solution import Solution

__all__ = ["DuplicateQuestion", "Duplicates"]

_MAX_REPORTS = 4


@dataclass(frozen=True, slots=True)
class DuplicateQuestion:
    """From which similarity on items are near-equal, and which of them to keep, as ``find_duplicates`` takes it."""

    similarity: float
    keep: Keep
    field: str


@dataclass(frozen=True, slots=True)
class _Search:
    """A report that is being computed, of the collection as it was then."""

    question: DuplicateQuestion
    version: Hashable
    report: Future[DuplicateReport]


class Duplicates:
    """The newest reports of one solution. They are computed on a thread, one at a time."""

    def __init__(self, solution: Solution, jobs: Jobs) -> None:
        self._solution = solution
        self._jobs = jobs
        self._pool = ThreadPoolExecutor(1, f"vicinal-duplicates-{solution.name}")
        self._lock = threading.Lock()
        self._search: _Search | None = None
        self._reports: dict[DuplicateQuestion, tuple[Hashable, DuplicateReport]] = {}
        self._share = 0.0
        self._is_closed = False

    def get(self, question: DuplicateQuestion) -> tuple[DuplicateReport | None, float]:
        """The newest report, None while the first one is computed; a missing or old one is computed anew.

        While a job writes, an old one is left as it is.

        Returns:
            The report, and which share of its computation, or of that of a newer one, is done: 1 where it is current.

        Raises:
            NothingIndexedError: nothing is indexed.
            VicinalError: no item has the field.
        """
        state = self._solution.metadata.state()
        if not (items := int(state.get("items", 0))):
            raise NothingIndexedError(f"nothing is indexed in {self._solution.name!r}", hint="index the source first")
        version = (state.get("created"), state.get("owner"), state.get("revision"), items)
        with self._lock:
            self._take_result(question)
            found_version, report = self._reports.get(question, (None, None))
            if report is not None and found_version == version:
                return report, 1.0
            if self._search is None and not (report and self._jobs.is_active):
                self._start_search(question, version)
            is_computed = self._search is not None and self._search.question == question
            return report, self._share if is_computed else 0.0

    def close(self) -> None:
        """End what is being computed."""
        self._is_closed = True
        self._pool.shutdown(cancel_futures=True)

    def _start_search(self, question: DuplicateQuestion, version: Hashable) -> None:
        self._share = 0.0
        self._search = _Search(question, version, self._pool.submit(self._find_duplicates, question))

    def _take_result(self, question: DuplicateQuestion) -> None:
        """Keep the report that has been computed; its error is of those who have asked for it."""
        if (search := self._search) is None or not search.report.done():
            return
        self._search = None
        if search.report.exception() is None:
            self._reports.pop(search.question, None)
            self._reports[search.question] = search.version, search.report.result()
            for oldest in list(self._reports)[:-_MAX_REPORTS]:
                del self._reports[oldest]
        elif search.question == question:
            search.report.result()

    def _find_duplicates(self, question: DuplicateQuestion) -> DuplicateReport:
        return find_duplicates(
            self._solution, question.similarity, question.keep, field=question.field, progress=self._note_progress
        )

    def _note_progress(self, share: float) -> None:
        if self._is_closed:
            raise CancelledError
        self._share = min(share, 0.99)
