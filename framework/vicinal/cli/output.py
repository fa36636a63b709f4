"""Output of the commands: JSON for programs, tables for people."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vicinal.solution.result_html import is_informative
from vicinal.toolkit.text import escape_controls, shorten

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

    from vicinal.types import Hit, Rendering

__all__ = ["build_hits_table", "build_table", "describe_redis", "json_option", "make_console", "print_json"]

F = TypeVar("F", bound=Callable[..., Any])

_MAX_CELL_CHARS = 80
"""Hits with a longer content or metadata value are printed as cards, not as rows of a table."""
_MAX_SHORT_CHARS = 40
"""Metadata up to this length stand in the first line of a card."""
_MAX_METADATA_COLUMNS = 4
_FILE_WIDTH = 160
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
    """A console as wide as the terminal; a file or a pipe gets lines that hold a table of many columns."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _FILE_WIDTH
    return console


def describe_redis(location: str, version: str, masters: Sequence[str] = ()) -> str:
    """A solution's Redis in a line, as a status has it."""
    found = f", {'masters' if len(masters) > 1 else 'master'} {', '.join(masters)}" if masters else ""
    return f"Redis {version}, {location}{found}"


def build_table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> RenderableType:
    """A plain table."""
    from rich import box
    from rich.table import Table

    built = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        built.add_column(column, overflow="fold")
    for row in rows:
        built.add_row(*(_to_text(str(cell)) for cell in row))
    return built


def _to_text(value: str, style: str = "") -> Text:
    """Data as they are, line by line: without markup, and with nothing that a terminal would obey."""
    from rich.text import Text

    return Text("\n".join(escape_controls(line.expandtabs(4)) for line in value.splitlines()), style)


def build_hits_table(
    hits: Sequence[Hit], title: str = "", *, render: Callable[[Hit], Rendering] | None = None
) -> RenderableType:
    """Hits for people: a row for each where they are short, a card for each where they hold long texts.

    ``render`` returns how the encoder shows a hit; without it, and where that is no text, it is the hit's excerpt.
    """
    texts = [_read_text(hit, render) for hit in hits]
    values = [*texts, *(str(value) for hit in hits for value in hit.metadata.values())]
    has_long_text = any(len(value) > _MAX_CELL_CHARS for value in values)
    return _hit_cards(hits, texts, title) if has_long_text else _hit_rows(hits, texts, title)


def _read_text(hit: Hit, render: Callable[[Hit], Rendering] | None) -> str:
    rendering = render(hit) if render else None
    text = rendering.value if rendering and rendering.kind == "text" else hit.excerpt
    return shorten(text or "", _MAX_TEXT_CHARS)


def _hit_rows(hits: Sequence[Hit], texts: Sequence[str], title: str) -> RenderableType:
    from rich import box
    from rich.table import Table

    all_names = dict.fromkeys(name for hit in hits for name in hit.metadata)
    names = [name for name in all_names if is_informative(name, hits)][:_MAX_METADATA_COLUMNS]
    built = Table(title=_to_text(title) if title else None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    built.add_column("#", justify="right", style="dim")
    built.add_column("similarity", no_wrap=True, min_width=14)
    built.add_column("key", style="bold", overflow="fold")
    columns = [
        ("score", [_format_score(hit) for hit in hits]),
        ("at", [hit.place for hit in hits]),
        ("content", texts),
        ("note", [hit.note or "" for hit in hits]),
    ]
    columns = [(name, cells) for name, cells in columns if any(cells)]
    columns += [(name, [str(hit.metadata.get(name, "")) for hit in hits]) for name in names]
    for name, _ in columns:
        built.add_column(_to_text(name), overflow="fold")
    for hit, *cells in zip(hits, *(cells for _, cells in columns), strict=True):
        built.add_row(*map(_to_text, (str(hit.rank), _format_similarity(hit), hit.key, *cells)))
    return built


def _hit_cards(hits: Sequence[Hit], texts: Sequence[str], title: str) -> RenderableType:
    """A line with rank, similarity, key and short metadata; below it the long texts, as wide as the terminal."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts: list[RenderableType] = [_to_text(title, "bold")] if title else []
    for hit, text in zip(hits, texts, strict=True):
        short = {name: str(value) for name, value in hit.metadata.items() if len(str(value)) <= _MAX_SHORT_CHARS}
        score = f"score {_format_score(hit)}" if hit.score is not None else ""
        details = [("", detail) for detail in (hit.place, score, hit.note) if detail]
        details += [("dim", f"{name}: {value}") for name, value in short.items()]
        head = Text.assemble(
            (f"{hit.rank:>2}  ", "dim"),
            f"{_format_similarity(hit)}  ",
            _to_text(hit.key, "bold"),
            *(_to_text(f"  {detail}", style) for style, detail in details),
        )
        parts.append(head)
        if text:
            parts.append(Padding(_to_text(text, "cyan"), (0, 0, 0, 4)))
        long = [str(value) for name, value in hit.metadata.items() if name not in short]
        parts += [Padding(_to_text(shorten(value, _MAX_TEXT_CHARS)), (0, 0, 0, 4)) for value in long]
    return Padding(Group(*parts), (1, 0, 1, 0))


def _format_similarity(hit: Hit) -> str:
    return f"{hit.similarity:5.3f} {_draw_bar(hit.similarity)}"


def _format_score(hit: Hit) -> str:
    """What a reranker gives the hit; empty where there is none."""
    return "" if hit.score is None else f"{hit.score:.4g}"


def _draw_bar(share: float, width: int = 8) -> str:
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(width)
