"""``ingest`` and ``failures``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vicinal.cli.options import FILE
from vicinal.cli.output import build_table, json_option, make_console, print_json

if TYPE_CHECKING:
    from vicinal.types import IngestReport


@click.command()
@FILE
@click.option("--prune", is_flag=True, help="Remove items that the source no longer has.")
@click.option("--limit", type=click.IntRange(min=1), help="Read only the first N items of the source.", metavar="N")
@click.option("--force", is_flag=True, help="Index unchanged items again, too.")
@json_option
def ingest(file: Path, prune: bool, limit: int | None, force: bool, as_json: bool) -> None:
    """Index what is new or changed in the source of the solution FILE.

    Unchanged items are skipped without being read: a file is unchanged while its size and its time of change are the
    same. `--force` reads all of them again; items that cannot be read are recorded, see `vicinal failures`.
    Ctrl-C ends the run after the current batch; the next run continues from there.
    """
    from vicinal.solution.progress import TerminalProgress
    from vicinal.solution.remote import RemoteSolution, open_solution

    if prune and limit is not None:
        raise click.UsageError("--prune and --limit exclude each other: a limited run does not see every item.")
    with open_solution(file) as solution:
        if isinstance(solution, RemoteSolution):
            with TerminalProgress(quiet=as_json) as progress:
                report = solution.ingest(prune=prune, limit=limit, force=force, on_progress=progress.show_job)
        else:
            report = solution.ingest(prune=prune, limit=limit, force=force, progress=not as_json)
        print_report(report, file, as_json=as_json)


def print_report(report: IngestReport, file: Path, *, as_json: bool) -> None:
    """Print what a run did."""
    if as_json:
        print_json(report.to_dict())
        return
    names = ("new", "updated", "unchanged", "removed", "skipped", "failed")
    counts = [f"{getattr(report, name):,} {name}" for name in names]
    click.echo(
        f"{report.solution}: {report.seen:,} items seen in {report.seconds:.1f} s"
        f" ({report.items_per_second:,.0f}/s): {', '.join(count for count in counts if not count.startswith('0 '))}"
        f"{'nothing' if not report.seen else ''}; {report.rows:,} rows indexed"
    )
    if report.gate:
        click.echo(f"gate: {report.gate['description']}")
    for reason, count in report.skip_reasons.items():
        click.echo(f"skipped: {count:,}, {reason}")
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)
    if report.failed:
        click.echo(f"reasons: vicinal failures {file}")


@click.command()
@FILE
@click.option("--retry", is_flag=True, help="Retry the failed items, and only them.")
@json_option
def failures(file: Path, retry: bool, as_json: bool) -> None:
    """List the items of the solution FILE that could not be indexed, with stage and reason."""
    from vicinal.solution.remote import open_solution
    from vicinal.solution.solution import Solution

    if retry:
        with open_solution(file) as opened:
            print_report(opened.retry(), file, as_json=as_json)
        return
    with Solution.from_yaml(file) as solution:
        found = solution.failures()
    if as_json:
        print_json([failure.to_dict() for failure in found])
    elif found:
        rows = [(failure.key, failure.stage, failure.message, failure.at) for failure in found]
        make_console().print(build_table(("key", "stage", "reason", "at"), rows))
    else:
        click.echo("no failures")
