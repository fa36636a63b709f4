"""``bundle``: what solutions need on a machine without a network, in one folder."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vicinal.cli.output import build_table, json_option, make_console, print_json
from vicinal.errors import ExitCode

if TYPE_CHECKING:
    from vicinal.solution.bundle import BundleReport


@click.command()
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="The folder to write; a new or empty one.")
@click.option(
    "--check",
    "checked",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Compare a bundle's files with its manifest instead.",
)
@json_option
def bundle(files: tuple[Path, ...], out: Path | None, checked: Path | None, as_json: bool) -> int:
    """Gather what the solutions FILE… need on a machine without a network: models, YAML files, versions of packages.

    Models that are not here are downloaded. There, VICINAL_MODELS=DIR makes every encoder load from the folder and
    from nowhere else; each file is locked by its SHA-256. The items of the solutions are not part of it.
    """
    _check_arguments(files, out, checked)
    if checked is not None:
        return _check_bundle(checked, as_json)
    assert out is not None
    return _write_bundle(files, out, as_json)


def _check_arguments(files: tuple[Path, ...], out: Path | None, checked: Path | None) -> None:
    if checked is not None and (files or out):
        raise click.UsageError("--check takes neither a FILE nor --out")
    if checked is None and not (files and out):
        raise click.UsageError("write `vicinal bundle FILE --out DIR`, or `vicinal bundle --check DIR`")


def _write_bundle(files: tuple[Path, ...], out: Path, as_json: bool) -> int:
    from vicinal.solution.bundle import write_bundle

    try:
        report = write_bundle(files, out, report=lambda line: None if as_json else click.echo(line, err=True))
    except KeyboardInterrupt:
        click.echo("error: interrupted; no bundle was written", err=True)
        click.echo("hint: run the same command again; models that were downloaded whole are kept", err=True)
        return ExitCode.INTERRUPTED
    if as_json:
        print_json(report.to_dict())
        return ExitCode.DONE
    _print_report(report)
    click.echo(f"there: {_format_variable(out)} vicinal ingest YOUR.yaml; `vicinal bundle --check {out}` compares it")
    return ExitCode.DONE


def _check_bundle(folder: Path, as_json: bool) -> int:
    from vicinal.solution.bundle import check_bundle

    report = check_bundle(folder)
    if as_json:
        print_json(report.to_dict())
    else:
        _print_report(report)
        for problem in report.problems:
            click.echo(f"error: {problem}", err=True)
        click.echo("damaged; copy the bundle again" if report.problems else "consistent")
    return ExitCode.FAILED if report.problems else ExitCode.DONE


def _print_report(report: BundleReport) -> None:
    rows = [
        (model.name, f"{report.measure_model(model.path) / 1e6:,.1f}", "\n".join(model.used_by))
        for model in report.manifest.models
    ]
    if rows:
        make_console().print(build_table(("model", "MB", "needed by"), rows))
    solutions = ", ".join(solution.name for solution in report.manifest.solutions)
    click.echo(f"{report.folder}: {solutions}; {len(report.manifest.files)} files, {report.bytes / 1e6:,.1f} MB")
    click.echo(f"SHA-256 of its manifest: {report.sha256}")


def _format_variable(folder: Path) -> str:
    return f"VICINAL_MODELS={shlex.quote(str(folder))}"
