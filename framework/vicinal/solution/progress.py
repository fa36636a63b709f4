"""Shows how far a run is: a bar in the terminal, or one in the output of a notebook's cell."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any, Self

from vicinal.plugin.hookspecs import hookimpl

if TYPE_CHECKING:
    from vicinal.plugin.manager import Manager
    from vicinal.types import Failure, IngestReport

__all__ = ["NotebookProgress", "TerminalProgress", "show_progress"]

_SECONDS_BETWEEN_UPDATES = 0.1


@contextmanager
def show_progress(manager: Manager) -> Iterator[None]:
    """Show how far the runs of this manager's solution are."""
    with NotebookProgress() if _is_in_notebook() else TerminalProgress() as progress:
        manager.register(progress, "progress")
        try:
            yield
        finally:
            manager.unregister(progress)


def _is_in_notebook() -> bool:
    """Whether this process is the kernel of a notebook; IPython in a terminal has no ``kernel``."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class TerminalProgress:
    """A progress bar on stderr, if that is a terminal. It is a plugin: it observes the hooks of a run."""

    def __init__(self, *, quiet: bool = False) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        out = Console(stderr=True, highlight=False)
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]} items/s"),
            TimeRemainingColumn(compact=True),
            TextColumn("[dim]{task.fields[unchanged]} unchanged[/] {task.fields[failed]}"),
            console=out,
            disable=quiet or not out.is_terminal,
        )
        self._task = self._bar.add_task("", start=False, total=None, speed="-", unchanged=0, failed="", visible=False)
        self._unchanged = self._failed = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    @hookimpl
    def ingest_started(self, solution: str, total: int | None) -> None:
        self._bar.update(self._task, description=f"{solution}: ingest", total=total, visible=True)
        self._bar.start_task(self._task)

    @hookimpl
    def batch_written(self, new: int, updated: int, unchanged: int) -> None:
        self._unchanged += unchanged
        self._advance_bar(new + updated + unchanged)

    @hookimpl
    def item_failed(self, failures: Sequence[Failure]) -> None:
        self._failed += len(failures)
        self._advance_bar(len(failures))

    @hookimpl
    def ingest_finished(self, report: IngestReport) -> None:
        self._bar.update(self._task, total=report.seen, completed=report.seen, speed=f"{report.items_per_second:,.0f}")

    def show_job(self, job: Mapping[str, Any]) -> None:
        """Show how far the job of a server is, which has its own hooks."""
        self._bar.update(
            self._task,
            description=job["kind"],
            total=job["total"],
            completed=job["seen"],
            visible=True,
            speed=f"{job['items_per_second']:,.0f}",
            unchanged=job["unchanged"],
            failed=f"[red]{job['failed']} failed[/]" if job["failed"] else "",
        )

    def _advance_bar(self, count: int) -> None:
        speed = self._bar.tasks[self._task].finished_speed or self._bar.tasks[self._task].speed
        self._bar.update(
            self._task,
            advance=count,
            speed=f"{speed:,.0f}" if speed else "-",
            unchanged=self._unchanged,
            failed=f"[red]{self._failed} failed[/]" if self._failed else "",
        )


class NotebookProgress:
    """A progress bar below a notebook's cell, of plain HTML: it needs no widgets, and is kept with the notebook."""

    def __init__(self) -> None:
        self._solution = ""
        self._total: int | None = None
        self._display: Any = None
        self._counts = dict.fromkeys(("new", "updated", "unchanged", "failed"), 0)
        self._updated = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._display is not None:
            self._display.update(self._draw_html())

    @hookimpl
    def ingest_started(self, solution: str, total: int | None) -> None:
        from IPython.display import display

        self._solution, self._total = solution, total
        self._display = display(self._draw_html(), display_id=True)

    @hookimpl
    def batch_written(self, new: int, updated: int, unchanged: int) -> None:
        self._count_items(new=new, updated=updated, unchanged=unchanged)

    @hookimpl
    def item_failed(self, failures: Sequence[Failure]) -> None:
        self._count_items(failed=len(failures))

    @hookimpl
    def ingest_finished(self, report: IngestReport) -> None:
        self._total = report.seen

    def _count_items(self, **counts: int) -> None:
        for name, count in counts.items():
            self._counts[name] += count
        if (now := time.monotonic()) - self._updated >= _SECONDS_BETWEEN_UPDATES:
            self._updated = now
            self._display.update(self._draw_html())

    def _draw_html(self) -> Any:
        from IPython.display import HTML

        done = sum(self._counts.values())
        share = "" if self._total is None else f' value="{done}" max="{max(self._total, 1)}"'
        total = "" if self._total is None else f" of {self._total:,}"
        counts = ", ".join(f"{count:,} {name}" for name, count in self._counts.items() if count)
        return HTML(f"<progress{share}></progress> {escape(self._solution)}: {done:,}{total} items ({counts or '…'})")
