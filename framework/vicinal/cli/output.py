"""What the commands print: JSON for programs, tables for people, progress on stderr."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vicinal.hookspecs import hookimpl

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from vicinal.model import Failure, Hit, IngestReport

__all__ = ["Progress", "console", "hits_table", "json_option", "print_json", "table"]

F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    """Give a command ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")(command)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    import orjson

    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode())


def console(*, stderr: bool = False) -> Console:
    """A console in the terminal's width."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> RenderableType:
    """A plain table."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(Text(str(cell)) for cell in row))
    return made


def hits_table(hits: Sequence[Hit], title: str = "") -> RenderableType:
    """Hits as a table: similarity as a number and a bar, the key, the content, and the metadata."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    names = list(dict.fromkeys(name for hit in hits for name in hit.metadata))[:4]
    long = {name for name in names if any(len(str(hit.metadata.get(name, ""))) > 40 for hit in hits)}
    made = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, expand=bool(long))
    made.add_column("#", justify="right", style="dim")
    made.add_column("similarity", no_wrap=True, min_width=16)
    made.add_column("key", style="bold", overflow="fold", max_width=28)
    if any(hit.segment for hit in hits):
        made.add_column("at", no_wrap=True)
    if any(hit.content for hit in hits):
        made.add_column("content", overflow="fold", ratio=2 if long else None, max_width=None if long else 60)
    for name in names:
        made.add_column(name, overflow="fold", ratio=3 if name in long else None)
    for hit in hits:
        cells = [str(hit.rank), f"{hit.similarity:6.3f} {_bar(hit.similarity)}", hit.key]
        if any(other.segment for other in hits):
            cells.append(_at(hit.segment))
        if any(other.content for other in hits):
            cells.append(hit.content or "")
        made.add_row(*(Text(cell) for cell in cells), *(Text(str(hit.metadata.get(name, ""))) for name in names))
    return made


def _bar(share: float, width: int = 8) -> str:
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(width)


def _at(segment: Mapping[str, Any] | None) -> str:
    return f"{segment['start']:.1f} s" if segment and segment.get("start") is not None else ""


class Progress:
    """Draws a run's progress on stderr, where that is a terminal. It is a plugin: it observes the run's hooks."""

    def __init__(self, *, quiet: bool = False) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        out = console(stderr=True)
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

    def __enter__(self) -> Progress:
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
        self._advance(new + updated + unchanged)

    @hookimpl
    def item_failed(self, failures: Sequence[Failure]) -> None:
        self._failed += len(failures)
        self._advance(len(failures))

    @hookimpl
    def ingest_finished(self, report: IngestReport) -> None:
        self._bar.update(self._task, total=report.seen, completed=report.seen, speed=f"{report.items_per_second:,.0f}")

    def _advance(self, count: int) -> None:
        speed = self._bar.tasks[self._task].finished_speed or self._bar.tasks[self._task].speed
        self._bar.update(
            self._task,
            advance=count,
            speed=f"{speed:,.0f}" if speed else "-",
            unchanged=self._unchanged,
            failed=f"[red]{self._failed} failed[/]" if self._failed else "",
        )
