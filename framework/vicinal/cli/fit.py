"""``fit``: an encoder that learns does so anew."""

from __future__ import annotations

from pathlib import Path

import click

from vicinal.cli.output import json_option, print_json


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def fit(file: Path, as_json: bool) -> None:
    """Have the encoder of FILE learn from its source, where it is one that learns.

    The first ingest does it by itself; run this after `vicinal drop`, where the items have changed much.
    """
    from vicinal import Solution

    with Solution.from_yaml(file) as solution:
        report = solution.fit()
    if as_json:
        print_json(report)
        return
    click.echo(f"learnt from {report['items']:,} items in {report['seconds']:.1f} s ({report['hash']})")
    click.echo(f"next: vicinal ingest {file}")
