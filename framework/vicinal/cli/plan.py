"""``plan``: what a full ingest of a solution will take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vicinal.cli.options import FILE, seed_option
from vicinal.cli.output import build_table, json_option, make_console, print_json

if TYPE_CHECKING:
    from vicinal.bench.lines import Forecast
    from vicinal.bench.plan import Plan


@click.command()
@FILE
@click.option(
    "--sample", type=click.IntRange(10, 100_000), default=200, show_default=True, help="Items to try.", metavar="N"
)
@seed_option("Of the sample.")
@json_option
def plan(file: Path, sample: int, seed: int, as_json: bool) -> None:
    """Tell what an ingest of the solution FILE will take, from a sample of its own source.

    Items are drawn at random, decoded and encoded; nothing is written, and no store needs to run. It tells the number
    of items and rows, the time of a full ingest, memory and disk of Milvus and Redis, and which index there will be.
    """
    from vicinal.bench.plan import make_plan
    from vicinal.solution.components import Components

    with Components.from_yaml(file) as solution:
        made = make_plan(solution, sample, seed)
    if as_json:
        print_json(made.to_dict())
        return
    click.echo(f"{made.solution}: from {made.sampled:,} items of its source")
    make_console().print(build_table(("", "expected", "95% interval"), _build_rows(made)))
    params = ", ".join(f"{name} {value}" for name, value in made.index["params"].items())
    click.echo(
        f"index: {made.index['type']}{f' ({params})' if params else ''}, {made.index['metric']}, on {made.engine}"
    )
    for note in made.notes:
        click.echo(f"note: {note}")
    for key, reason in list(made.failures.items())[:5]:
        click.echo(f"cannot be indexed: {key}: {reason}")
    if len(made.failures) > 5:
        click.echo(f"and {len(made.failures) - 5:,} more of the sample")


def _build_rows(made: Plan) -> list[tuple[str, str, str]]:
    rows = [("items", *_format_count(made.items)), ("rows", *_format_count(made.rows))]
    if made.seconds is not None:
        rows.append(("time", *_format_times(made.seconds)))
    sizes = (("vectors", made.vectors), ("Milvus' memory", made.memory), ("Milvus' disk", made.disk))
    return [*rows, *((name, *_format_sizes(size)) for name, size in (*sizes, ("Redis", made.redis)))]


def _format_count(count: Forecast) -> tuple[str, str]:
    interval = "" if count.low == count.high else f"{count.low:,.0f} to {count.high:,.0f}"
    return f"{count.value:,.0f}", interval


def _format_times(seconds: Forecast) -> tuple[str, str]:
    return _format_duration(seconds.value), f"{_format_duration(seconds.low)} to {_format_duration(seconds.high)}"


def _format_duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6_000 else f"{seconds / 3600:,.1f} h"


def _format_sizes(size: Forecast) -> tuple[str, str]:
    from vicinal.bench.page import format_bytes

    return format_bytes(size.value), f"{format_bytes(size.low)} to {format_bytes(size.high)}"
