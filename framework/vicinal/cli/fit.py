"""``fit``: an encoder that learns does so from the items of its source."""

from __future__ import annotations

from pathlib import Path

import click

from vicinal.cli.output import json_option, print_json


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def fit(file: Path, as_json: bool) -> None:
    """Fit the encoder of the solution FILE to the source's items, before any of them is indexed.

    The first `vicinal ingest` does so by itself. Where items are indexed already, run `vicinal reindex` instead, since
    what is learnt anew changes their vectors. Encoders that do not learn refuse.
    """
    from vicinal import Solution

    with Solution.from_yaml(file) as solution:
        report = solution.fit()
    if as_json:
        print_json(report)
        return
    click.echo(f"learnt from {report['items']:,} items in {report['seconds']:.1f} s ({report['hash']})")
    if report["note"]:
        click.echo(f"note: {report['note']}")
    click.echo(f"next: vicinal ingest {file}")
