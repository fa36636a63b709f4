"""``bench``: measure Milvus' indexes on generated or given vectors."""

from __future__ import annotations

from pathlib import Path

import click

from vicinal.cli.ingest import FILE
from vicinal.cli.output import build_table, json_option, make_console, print_json


@click.command()
@FILE
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of results; default: .vicinal/bench/NAME beside FILE.",
)
@click.option("--keep", is_flag=True, help="Leave the collection in the engine.")
@json_option
def bench(file: Path, out: Path | None, keep: bool, as_json: bool) -> None:
    """Measure the indexes that the benchmark FILE names: recall, latency, throughput, build time, memory and disk.

    Each part that is done is a line of `records.jsonl` in the folder of results. A run that was ended, also by
    `kill -9`, goes on after its last line; a run whose lines are all there measures nothing. `results.jsonl` has a line
    for each index and setting, `report.html` is the page.
    """
    from vicinal.bench.benchmark import run_benchmark

    report, folder = run_benchmark(file, out, keep=keep, say=lambda text: click.echo(text, err=True))
    if as_json:
        print_json(report.to_dict())
        return
    from vicinal.bench.page import COLUMNS, build_rows

    make_console().print(build_table(COLUMNS, build_rows(report)))
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{folder / 'report.html'}")
