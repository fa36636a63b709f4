"""Output of the commands: JSON for programs, tables for people, a progress bar on stderr."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vicinal.plugin.hookspecs import hookimpl
from vicinal.toolkit.text import shorten

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from vicinal.types import Failure, Hit, IngestReport

__all__ = ["Progress", "build_hits_table", "build_table", "json_option", "make_console", "print_json"]

F = TypeVar("F", bound=Callable[..., Any])

_MAX_CELL_CHARS = 80
"""Hits with a longer content or metadata value are printed as cards, not as rows of a table."""
_MAX_SHORT_CHARS = 40
"""Metadata up to this length stand in the first line of a card."""
_MAX_METADATA_COLUMNS = 4
_MAX_TEXT_CHARS = 500
"""Longer texts are shortened: `--json` has them whole."""


def json_option(command: F) -> F:
    """Add the option ``--json`` to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")(command)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    import orjson

    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode())


def make_console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def build_table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> RenderableType:
    """A plain table."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    built = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        built.add_column(column, overflow="fold")
    for row in rows:
        built.add_row(*(Text(str(cell)) for cell in row))
    return built


def build_hits_table(hits: Sequence[Hit], title: str = "") -> RenderableType:
    """Hits for people: a row for each where they are short, a card for each where they hold long texts."""
    has_long_text = any(
        len(str(value)) > _MAX_CELL_CHARS for hit in hits for value in (hit.excerpt or "", *hit.metadata.values())
    )
    return _hit_cards(hits, title) if has_long_text else _hit_rows(hits, title)


def _hit_rows(hits: Sequence[Hit], title: str) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    all_names = dict.fromkeys(name for hit in hits for name in hit.metadata)
    names = [name for name in all_names if _is_informative(name, hits)][:_MAX_METADATA_COLUMNS]
    built = Table(title=Text(title) if title else None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    built.add_column("#", justify="right", style="dim")
    built.add_column("similarity", no_wrap=True, min_width=14)
    built.add_column("key", style="bold", overflow="fold")
    if any(hit.segment for hit in hits):
        built.add_column("at", no_wrap=True)
    if any(hit.excerpt for hit in hits):
        built.add_column("content", overflow="fold")
    for name in names:
        built.add_column(name, overflow="fold")
    for hit in hits:
        cells = [str(hit.rank), _format_similarity(hit), hit.key]
        if any(other.segment for other in hits):
            cells.append(_format_place(hit.segment))
        if any(other.excerpt for other in hits):
            cells.append(hit.excerpt or "")
        built.add_row(*(Text(cell) for cell in cells), *(Text(str(hit.metadata.get(name, ""))) for name in names))
    return built


def _hit_cards(hits: Sequence[Hit], title: str) -> RenderableType:
    """A line with rank, similarity, key and short metadata; below it the long texts, as wide as the terminal."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts: list[RenderableType] = [Text(title, style="bold")] if title else []
    for hit in hits:
        short = {name: str(value) for name, value in hit.metadata.items() if len(str(value)) <= _MAX_SHORT_CHARS}
        head = Text.assemble((f"{hit.rank:>2}  ", "dim"), f"{_format_similarity(hit)}  ", (hit.key, "bold"))
        if place := _format_place(hit.segment):
            head.append(f"  {place}")
        for name, value in short.items():
            head.append(f"  {name}: {value}", "dim")
        parts.append(head)
        if hit.excerpt:
            parts.append(Padding(Text(shorten(hit.excerpt, _MAX_TEXT_CHARS), style="cyan"), (0, 0, 0, 4)))
        long = [str(value) for name, value in hit.metadata.items() if name not in short]
        parts += [Padding(Text(shorten(value, _MAX_TEXT_CHARS)), (0, 0, 0, 4)) for value in long]
    return Padding(Group(*parts), (1, 0, 1, 0))


def _is_informative(name: str, hits: Sequence[Hit]) -> bool:
    """Whether metadata of this name tell more than the keys do; a file's name and folder do not."""
    return not all(str(hit.metadata.get(name, "")) in hit.key for hit in hits)


def _format_similarity(hit: Hit) -> str:
    return f"{hit.similarity:5.3f} {_draw_bar(hit.similarity)}"


def _draw_bar(share: float, width: int = 8) -> str:
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(width)


def _format_place(segment: Mapping[str, Any] | None) -> str:
    """The label of a segment, or its start as players show it: 0:05, 1:02:03."""
    if not segment or segment.get("start") is None:
        return str((segment or {}).get("label", ""))
    minutes, seconds = divmod(int(segment["start"]), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class Progress:
    """A progress bar on stderr, if that is a terminal. It is a plugin: it observes the hooks of a run."""

    def __init__(self, *, quiet: bool = False) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        out = make_console(stderr=True)
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

    def _advance(self, count: int) -> None:
        speed = self._bar.tasks[self._task].finished_speed or self._bar.tasks[self._task].speed
        self._bar.update(
            self._task,
            advance=count,
            speed=f"{speed:,.0f}" if speed else "-",
            unchanged=self._unchanged,
            failed=f"[red]{self._failed} failed[/]" if self._failed else "",
        )
