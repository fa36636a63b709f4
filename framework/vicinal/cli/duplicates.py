"""``duplicates``: groups of near-equal items, and which of each to keep."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vicinal.cli.options import FILE
from vicinal.cli.output import build_table, json_option, make_console, print_json

if TYPE_CHECKING:
    from vicinal.quality.duplicates.choice import Keep
    from vicinal.quality.duplicates.report import DuplicateItem, DuplicateReport

_MAX_GROUPS = 20
_MAX_KEYS = 3


@click.command()
@FILE
@click.option(
    "--similarity",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.95,
    show_default=True,
    help="Of near-equal items: cosine, Tanimoto, or 1 / (1 + distance) for L2.",
    metavar="S",
)
@click.option(
    "--keep",
    type=click.Choice(["largest", "longest", "oldest"]),
    default="largest",
    show_default=True,
    help="Which item of near-equal ones to keep: by bytes; by seconds or characters; by when its file was changed.",
)
@click.option("--by", "field", default="", metavar="FIELD", help="Keep by this metadata field: greatest, or oldest.")
@click.option("--exact/--index", default=None, help="Compare all items, or search the index; by default the quicker.")
@click.option("--groups", type=click.IntRange(min=1), default=_MAX_GROUPS, show_default=True, help="How many to print.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write all groups to a .csv file.")
@click.option("--keys", is_flag=True, help="Print only the keys of what need not be kept, a line each.")
@json_option
def duplicates(
    file: Path,
    similarity: float,
    keep: Keep,
    field: str,
    exact: bool | None,
    groups: int,
    out: Path | None,
    keys: bool,
    as_json: bool,
) -> None:
    """Find groups of near-equal items of the solution FILE, and say which of each to keep. Nothing is removed.

    Groups are what pairs of near-equal items connect. Of several segments an item is near-equal to another by the mean,
    over the segments of the one that has fewer, of each one's best match: an excerpt is near-equal to the whole. Each
    item that need not be kept is near-equal to one that is kept.
    """
    if keys and as_json:
        raise click.UsageError("--keys and --json exclude each other.")
    if out is not None and out.suffix.lower() != ".csv":
        raise click.UsageError("--out: name a .csv file.")
    from vicinal.quality.duplicates.duplicates import find_duplicates
    from vicinal.solution.solution import Solution
    from vicinal.toolkit.atomic_files import require_writable

    if out is not None:
        require_writable(out)
    with Solution.from_yaml(file) as solution, _show_progress(quiet=as_json or keys) as progress:
        report = find_duplicates(solution, similarity, keep, field=field, exact=exact, progress=progress)
    if out is not None:
        report.save(out)
    if keys:
        for key in report.removable_keys:
            click.echo(key)
    elif as_json:
        print_json({**report.to_dict(), **({} if out is None else {"path": str(out)})})
    else:
        _print_report(report, groups, out)
        _print_advice(report, file, exact)


@contextmanager
def _show_progress(*, quiet: bool) -> Iterator[Callable[[float], object]]:
    """A bar on a terminal's stderr, which is gone at the end."""
    console = make_console(stderr=True)
    if quiet or not console.is_terminal:
        yield bool
        return
    from rich.progress import Progress

    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("comparing", total=1.0)
        yield lambda share: bar.update(task, completed=share)


def _print_report(report: DuplicateReport, max_groups: int, out: Path | None) -> None:
    way = "all compared" if report.method == "exact" else "found through the index"
    click.echo(
        f"{report.solution}: {_format_count(report.items, 'item')},"
        f" {_format_count(len(report.groups), 'group')} of near-equal ones"
        f" (similarity {report.similarity:g}), {way} in {report.seconds:.1f} s"
    )
    shown = report.groups[:max_groups]
    rows = [
        (number, *_describe_item(item)) if not place else ("", *_describe_item(item))
        for number, group in enumerate(shown, 1)
        for place, item in enumerate(group.items)
    ]
    columns = ("group", "", "similarity", "key", "bytes", "length", "changed")
    if rows:
        filled = [place for place in range(len(columns)) if place in (1, 3) or any(row[place] for row in rows)]
        cells = [tuple(row[place] for place in filled) for row in rows]
        make_console().print(build_table([columns[place] for place in filled], cells))
    if len(report.groups) > len(shown):
        more = _format_count(len(report.groups) - len(shown), "more group")
        click.echo(f"and {more}: --groups N prints more, --out FILE.csv writes all")
    if out is not None:
        click.echo(f"{out}: {_format_count(sum(len(group.items) for group in report.groups), 'item')}")


def _format_count(number: int, one: str) -> str:
    return f"{number:,} {one}{'' if number == 1 else 's'}"


def _describe_item(item: DuplicateItem) -> tuple[str, ...]:
    fields = item.to_dict()
    return (
        "keep" if item.keep else "",
        "" if item.similarity is None else f"{item.similarity:.4f}",
        item.key,
        "" if item.bytes is None else f"{item.bytes:,}",
        "" if item.length is None else f"{item.length:,.10g}",
        (fields["modified"] or "").replace("T", " ").removesuffix("Z"),
    )


def _print_advice(report: DuplicateReport, file: Path, exact: bool | None) -> None:
    """How to remove what need not be kept."""
    keys = report.removable_keys
    if not keys:
        return
    megabytes = report.removable_bytes / 1e6
    size = f", {megabytes:,.1f} MB" if megabytes >= 0.1 else ""
    click.echo(f"{_format_count(len(keys), 'duplicate')}{size}; nothing was removed")
    if len(keys) <= _MAX_KEYS and all(key.isprintable() for key in keys):
        command = shlex.join(["vicinal", "remove", str(file), "--", *keys])
    else:
        options = ["--similarity", str(report.similarity), "--keep", report.keep]
        options += ["--by", report.field] if report.field else []
        options += [] if exact is None else ["--exact" if exact else "--index"]
        listing = shlex.join(["vicinal", "duplicates", str(file), *options, "--keys"])
        command = f"{listing} | tr '\\n' '\\0' | xargs -0 {shlex.join(['vicinal', 'remove', str(file), '--'])}"
    click.echo(f"to remove them: {command}")
    click.echo("what is still in the source is indexed again by the next ingest: delete it there, too")
