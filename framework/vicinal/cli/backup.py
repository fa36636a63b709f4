"""``backup`` and ``restore``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vicinal.cli.options import FILE
from vicinal.cli.output import build_table, json_option, make_console, print_json
from vicinal.errors import ConfigError, ExitCode, VicinalError

if TYPE_CHECKING:
    from vicinal.solution.backup import BackupReport
    from vicinal.solution.restore import RestoreReport

_PLACE = "a folder, or a URL such as s3://bucket/folder"


@click.command()
@FILE
@click.option("--to", "to", required=True, metavar="DIR|URL", help=f"Where backups are: {_PLACE}.")
@click.option("--keep", type=click.IntRange(min=1), metavar="N", help="Then remove all but the newest N there.")
@json_option
def backup(file: Path, to: str, keep: int | None, as_json: bool) -> int:
    """Back the solution FILE up: items, vectors, ledger, failures, what its encoder learnt, and its YAML.

    It may be searched and written meanwhile. The backup is a folder of its own in DIR, named by the solution and the
    time; `vicinal restore` reads it. What is broken off leaves no backup.
    """
    from vicinal.solution.backup import back_up
    from vicinal.solution.solution import Solution

    if to.startswith("memory:"):
        raise click.UsageError(f"{to} is the memory of this command and ends with it; name {_PLACE}.")
    try:
        with Solution.from_yaml(file) as solution, _show_progress("backup", quiet=as_json) as on_progress:
            report = back_up(solution, to, keep=keep, on_progress=on_progress)
    except KeyboardInterrupt:
        click.echo("error: interrupted; no backup was made, and earlier ones are as they were", err=True)
        return ExitCode.INTERRUPTED
    if as_json:
        print_json(report.to_dict())
    else:
        _print_backup(report)
    return ExitCode.DONE


def _print_backup(report: BackupReport) -> None:
    click.echo(
        f"{report.solution}: {report.items:,} items, {report.rows:,} rows, {report.failures:,} failures"
        f" in {report.path} ({_format_bytes(report.bytes)}, {report.seconds:.1f} s)"
    )
    for path in report.removed:
        click.echo(f"removed {path}")
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)


@click.command()
@FILE
@click.option("--from", "from_", required=True, metavar="DIR|URL", help=f"Where backups are, or one of them: {_PLACE}.")
@click.option("--replace", is_flag=True, help="Remove what the solution holds, once the backup is found to be whole.")
@click.option("--list", "lists", is_flag=True, help="List the backups of the solution there, and restore nothing.")
@json_option
def restore(file: Path, from_: str, replace: bool, lists: bool, as_json: bool) -> int:
    """Fill the solution FILE with what a backup holds, without encoding anything; by default the newest one in DIR.

    FILE says where to, and may name another solution and other stores than the backup's own YAML. Every file of the
    backup is verified first. Ctrl-C keeps what is written; the same command continues. Exit code 1 if the stores do not
    agree at the end.
    """
    from vicinal.solution.restore import restore
    from vicinal.solution.solution import Solution

    if lists and replace:
        raise click.UsageError("--list restores nothing; --replace does not go with it.")
    if not file.exists():
        hint = "copy solution.yaml there from the folder of a backup, or name a YAML of your own"
        raise ConfigError(f"cannot read {file}: there is no such file", hint=hint)
    with Solution.from_yaml(file) as solution:
        if lists:
            _print_list(solution.name, from_, as_json=as_json)
            return ExitCode.DONE
        with _show_progress("restore", quiet=as_json) as on_progress:
            report = restore(solution, from_, replace=replace, on_progress=on_progress)
    if as_json:
        print_json(report.to_dict())
    else:
        _print_restore(report)
    if not report.consistent:
        raise VicinalError(
            "what is there now is not what the backup holds", hint=f"`vicinal check {file}` says what differs"
        )
    return ExitCode.DONE


def _print_restore(report: RestoreReport) -> None:
    click.echo(
        f"{report.solution}: {report.items:,} items, {report.rows:,} rows, {report.failures:,} failures from"
        f" {report.path} of {report.created} ({report.written:,} written, {report.seconds:.1f} s);"
        f" {'consistent' if report.consistent else 'inconsistent'}"
    )


def _print_list(name: str, location: str, *, as_json: bool) -> None:
    from vicinal.solution.restore import describe_backups

    found = describe_backups(name, location)
    if as_json:
        print_json(found)
        return
    for one in (one for one in found if one["problem"]):
        click.echo(f"warning: {one['problem']}", err=True)
    if found := [one for one in found if not one["problem"]]:
        rows = [
            (one["created"], f"{one['items']:,}", f"{one['rows']:,}", _format_bytes(one["bytes"]), one["path"])
            for one in found
        ]
        make_console().print(build_table(("created", "items", "rows", "size", "path"), rows))
    else:
        click.echo(f"no backups of {name}")


def _format_bytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} kB"


@contextmanager
def _show_progress(description: str, *, quiet: bool) -> Iterator[Callable[[int, int], object]]:
    """A bar on stderr, if that is a terminal; gives what is called with how many items are done, of how many."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False)
    columns = TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
