"""``bench``: measure Milvus' indexes on generated or given vectors."""

from __future__ import annotations

from pathlib import Path

import click

from vicinal.cli.options import FILE
from vicinal.cli.output import build_table, json_option, make_console, print_json


@click.command()
@FILE
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of results; default: .vicinal/bench/NAME beside FILE.",
)
@click.option(
    "--estimate", is_flag=True, help="Measure the smaller `sizes` of FILE alone, and tell what all rows will take."
)
@click.option("--keep", is_flag=True, help="Leave the collection in the engine.")
@json_option
def bench(file: Path, out: Path | None, estimate: bool, keep: bool, as_json: bool) -> None:
    """Measure the indexes that the benchmark FILE names: recall, latency, throughput, build time, memory and disk.

    Each part that is done is a line of `records.jsonl` in the folder of results. A run that was ended, also by
    `kill -9`, goes on after its last line; a run whose lines are all there measures nothing. `results.jsonl` has a line
    for each index and setting, `report.html` is the page. What cannot fit in this machine is refused before the run.
    """
    from vicinal.bench.benchmark import run_benchmark

    if estimate:
        _print_estimate(file, out, as_json=as_json)
        return
    report, folder = run_benchmark(file, out, keep=keep, say=_print_line)
    if as_json:
        print_json(report.to_dict())
        return
    from vicinal.bench.page import COLUMNS, build_rows

    make_console().print(build_table(COLUMNS, build_rows(report)))
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{folder / 'report.html'}")


def _print_estimate(file: Path, out: Path | None, *, as_json: bool) -> None:
    from vicinal.bench.benchmark import estimate_benchmark
    from vicinal.bench.estimate import describe_estimate, require_fit

    found = estimate_benchmark(file, out, say=_print_line)
    if as_json:
        print_json(found.to_dict())
        return
    for line in describe_estimate(found):
        click.echo(line)
    require_fit(found)


def _print_line(text: str) -> None:
    click.echo(text, err=True)
