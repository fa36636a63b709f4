"""The options by which ``evaluate`` and ``compare`` are told what is relevant, and where the figures go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from vicinal.cli.options import IN_FILE

__all__ = ["judgment_options", "output_options", "require_one_judgment"]

F = TypeVar("F", bound=Callable[..., Any])

_OUT_FILE = click.Path(path_type=Path, dir_okay=False)


def judgment_options(command: F) -> F:
    """Add ``--labels``, ``--qrels`` and ``--queries`` to a command."""
    add = (
        click.option(
            "--labels", default="", metavar="FIELD", help="Metadata that similar items share: folder, for pictures."
        ),
        click.option(
            "--qrels", type=IN_FILE, help="Judgments: TREC qrels, or a CSV of query, key and, if any, relevance."
        ),
        click.option(
            "--queries", type=IN_FILE, help="The queries that --qrels names by id: a CSV or TSV of id and query."
        ),
    )
    return _add_in_order(command, *add)


def output_options(command: F) -> F:
    """Add ``--per-query`` and ``--html`` to a command."""
    add = (
        click.option("--per-query", type=_OUT_FILE, help="Write a .parquet or .csv file."),
        click.option("--html", type=_OUT_FILE, help="Write the report as a page, with plots."),
    )
    return _add_in_order(command, *add)


def _add_in_order(command: F, *options: Callable[[F], F]) -> F:
    for option in reversed(options):
        command = option(command)
    return command


def require_one_judgment(labels: str, qrels: Path | None, queries: Path | None) -> None:
    """Refuse two ways to say what is relevant, and queries of which nothing is judged.

    Raises:
        UsageError: the options contradict each other.
    """
    if labels and qrels:
        raise click.UsageError("--labels and --qrels exclude each other: both say what is relevant.")
    if queries and not qrels:
        raise click.UsageError("--queries needs --qrels, which says what is relevant to them.")
