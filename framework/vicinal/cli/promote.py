"""``promote``: copy a solution to other stores, without encoding again, and prove that both are the same."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vicinal.cli.options import FILE
from vicinal.cli.output import json_option, print_json

if TYPE_CHECKING:
    from vicinal.config.models import StoresConfig
    from vicinal.solution.progress import TerminalProgress
    from vicinal.solution.promotion.proof import Proof
    from vicinal.solution.promotion.report import PromotionReport
    from vicinal.solution.remote import RemoteSolution
    from vicinal.solution.solution import Solution


@click.command()
@FILE
@click.option("--to", "milvus", metavar="URI", help="Where the vectors go: a Milvus server, or a path ending in .db.")
@click.option(
    "--redis", default="", metavar="URL", help="Where the rest goes: a Redis, or a folder for an embedded one."
)
@click.option(
    "--queries",
    type=click.IntRange(0, 10_000),
    default=100,
    show_default=True,
    metavar="N",
    help="How many stored vectors are searched for in both.",
)
@click.option("--write", is_flag=True, help="Write the stores into FILE; the old ones take no more writes.")
@click.option("--release", is_flag=True, help="Have the stores that FILE names take writes again after --write.")
@json_option
def promote(
    file: Path, milvus: str | None, redis: str, queries: int, write: bool, release: bool, as_json: bool
) -> None:
    """Copy all that is indexed of the solution FILE to other stores, without encoding again, and prove the copy.

    From an embedded Milvus to a server, back, or from server to server. Searches go on, and items can be added and
    removed; an ingest has to wait. Ctrl-C or a crash leaves the old stores as they are; the same command continues.
    It ends well if counts and checksums are equal and a sample of stored vectors has the same 10 nearest in both.
    Milvus' token there is that of MILVUS_TOKEN, or else the same as here.
    """
    from vicinal.solution.remote import open_solution

    if release == (milvus is not None):
        raise click.UsageError("either --to URI, where the vectors go, or --release is needed.")
    if release and (redis or write):
        raise click.UsageError("--release copies nothing; --redis and --write do not go with it.")
    with open_solution(file) as solution:
        if milvus is None:
            _print_released(solution.name, solution.release(), as_json=as_json)
            return
        _promote_solution(solution, file, milvus, redis, queries, write=write, as_json=as_json)


def _promote_solution(
    solution: Solution | RemoteSolution,
    file: Path,
    milvus: str,
    redis: str,
    queries: int,
    *,
    write: bool,
    as_json: bool,
) -> None:
    from vicinal.solution.promotion.config_file import describe_variables, require_writable_stores, write_stores
    from vicinal.solution.promotion.targets import choose_stores

    stores = choose_stores(solution.config.stores, milvus, redis, os.environ.get("MILVUS_TOKEN") or None)
    if write:
        from vicinal.plugin.manager import create_manager

        require_writable_stores(file, stores, create_manager())
    report = _run_promotion(solution, stores, queries, hand_over=write, quiet=as_json)
    if write:
        write_stores(file, stores)
    variables = describe_variables(stores)
    if as_json:
        print_json({**report.to_dict(), "variables": variables, "written": str(file) if write else None})
        return
    _print_report(report)
    if write:
        click.echo(f"written into {file}; start what serves {report.solution} again, the old stores are only searched")
    else:
        click.echo("to use the new stores, set")
        for name, value in variables.items():
            click.echo(f"{name}={value}")
        if any("…" in value for value in variables.values()):
            click.echo("where … stands for the password and the like that you gave")


def _run_promotion(
    solution: Solution | RemoteSolution, stores: StoresConfig, queries: int, *, hand_over: bool, quiet: bool
) -> PromotionReport:
    from vicinal.solution.progress import TerminalProgress
    from vicinal.solution.remote import RemoteSolution

    options: dict[str, Any] = {"token": stores.token, "queries": queries, "hand_over": hand_over}
    with TerminalProgress(quiet=quiet) as progress:
        if isinstance(solution, RemoteSolution):
            return solution.promote(stores.milvus, stores.redis, **options, on_job=progress.show_job)
        on_progress = _to_job_progress(progress)
        return solution.promote(stores.milvus, stores.redis, **options, on_progress=on_progress)


def _to_job_progress(progress: TerminalProgress) -> Callable[[Mapping[str, int]], None]:
    """Show a promotion of this process as the job of a server is shown."""
    started = time.monotonic()

    def show(done: Mapping[str, int]) -> None:
        seen = done["copied"] + done["unchanged"]
        speed = seen / max(time.monotonic() - started, 1e-9)
        counts = {"total": done["total"], "seen": seen, "unchanged": done["unchanged"], "failed": 0}
        progress.show_job({"kind": "promote", "items_per_second": speed, **counts})

    return show


def _print_report(report: PromotionReport) -> None:
    counts = [f"{report.copied:,} copied ({report.copied_rows:,} rows, {report.rows_per_second:,.0f} rows/s)"]
    counts += [f"{count:,} {name}" for name in ("unchanged", "removed") if (count := getattr(report, name))]
    click.echo(f"{report.solution}: {report.proof.items.source:,} items in {report.seconds:.1f} s: {', '.join(counts)}")
    for name, place in (("from", report.source), ("to", report.target)):
        click.echo(f"{name + ':':<7}{place['milvus']}, {place['redis']}")
    _print_proof(report.proof)
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)


def _print_proof(proof: Proof) -> None:
    click.echo(f"proof: {proof.items.target:,} items and {proof.rows.target:,} rows in both")
    click.echo(f"       checksum of the vectors  {proof.vectors.target}")
    click.echo(f"       checksum of the metadata {proof.metadata.target}")
    click.echo(
        f"       {proof.same_top_10:,} of {proof.queries:,} stored vectors have the same 10 nearest; the indexes find"
        f" {proof.recall.source:.1%} and {proof.recall.target:.1%} of them"
    )


def _print_released(name: str, released: bool, *, as_json: bool) -> None:
    if as_json:
        print_json({"solution": name, "released": released})
    else:
        click.echo(f"{name}: takes writes again" if released else f"{name}: takes writes, nothing was to be released")
