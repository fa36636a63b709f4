"""``tune``: find the quickest index that reaches a recall, and write it into the YAML."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vicinal.cli.options import FILE, seed_option
from vicinal.cli.output import build_table, json_option, make_console, print_json

if TYPE_CHECKING:
    from vicinal.quality.tuning import TuneReport


@click.command()
@FILE
@click.option(
    "--recall",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="The share of the nearest neighbours that a search has to find.",
)
@click.option(
    "--limit", type=click.IntRange(1, 1_000), default=10, show_default=True, help="How many neighbours.", metavar="K"
)
@click.option(
    "--filter", "filters", multiple=True, metavar="EXPR", help="Reach it under this filter, too; may be repeated."
)
@click.option(
    "--queries",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A log of queries, one a line, or the last column of a .csv or .tsv.",
)
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Try this type of index alone; may be repeated.")
@click.option("--defaults-only", is_flag=True, help="Try each type with its default build parameters alone.")
@click.option(
    "--clients",
    type=click.IntRange(1, 64),
    help="Also measure so many clients at once, each a thread.",
    metavar="N",
)
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with a plot.")
@click.option("--dry-run", is_flag=True, help="Measure, and leave the YAML as it is.")
@seed_option("Of the sample of queries.")
@json_option
def tune(
    file: Path,
    recall: float,
    limit: int,
    filters: tuple[str, ...],
    queries: Path | None,
    types: tuple[str, ...],
    defaults_only: bool,
    clients: int | None,
    html: Path | None,
    dry_run: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Find the quickest index of the solution FILE that reaches a recall, and write it into FILE.

    It copies the stored vectors into a collection of its own, builds indexes there, and drops it at the end; searches
    go on meanwhile. `vicinal index FILE` then builds the index that was chosen. `vicinal check FILE --recall` measures
    it again.
    """
    from vicinal.quality.tuning import build_page
    from vicinal.quality.tuning import tune as find_index
    from vicinal.quality.tuning.yaml_edit import require_editable
    from vicinal.solution.solution import Solution
    from vicinal.toolkit.atomic_files import require_writable
    from vicinal.toolkit.pages import require_plotly, write_page

    if not dry_run:
        require_editable(file)
    if html is not None:
        require_writable(html)
        require_plotly("tune")
    with Solution.from_yaml(file) as solution:
        report = find_index(
            solution,
            recall,
            limit=limit,
            filters=filters,
            queries=queries,
            types=types,
            defaults_only=defaults_only,
            clients=clients or 0,
            seed=seed,
            on_step=bool if as_json else lambda line: click.echo(line, err=True),
        )
    if not dry_run:
        report.write_yaml(file)
    if html is not None:
        write_page(html, build_page(report))
    if as_json:
        print_json(report.to_dict())
        return
    _print_report(report)
    if not dry_run:
        click.echo(f"written into {file}; build it: vicinal index {file}")
    if html is not None:
        click.echo(f"{html}: the frontier as a page")


def _print_report(report: TuneReport) -> None:
    from vicinal.quality.tuning.page import list_columns, list_rows
    from vicinal.quality.tuning.queries import describe_queries

    click.echo(f"{report.solution}: {report.rows:,} rows on {report.engine}, {report.metric}")
    click.echo(f"{report.queries:,} queries: {describe_queries(report.kind)}")
    points = [point for point in report.frontier if point.status != "tried"]
    make_console().print(build_table(list_columns(report), list_rows(report, points)))
    recall = report.chosen.recall
    figures = f"recall@{report.limit} {recall.value:.3f} ({recall.low:.3f} to {recall.high:.3f})"
    click.echo(f"chosen: {report.chosen.describe()}, {figures}")
    click.echo(report.reason)
    for warning in report.warnings:
        click.echo(f"warning: {warning}")
    click.echo(f"measured in {report.seconds:.1f} s")
