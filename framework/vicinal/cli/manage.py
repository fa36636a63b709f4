"""``status``, ``check``, ``remove``, ``drop``, ``index``, ``export`` and ``import``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vicinal.cli.ingest import print_report
from vicinal.cli.options import FILE
from vicinal.cli.output import build_table, describe_redis, json_option, make_console, print_json
from vicinal.errors import ExitCode, VicinalError

if TYPE_CHECKING:
    from vicinal.quality.tuning import RecallCheck


@click.command()
@FILE
@json_option
def status(file: Path, as_json: bool) -> None:
    """Show items, rows, failures, encoder, index and stores of the solution FILE."""
    from vicinal.solution.remote import open_solution

    with open_solution(file) as solution:
        found = solution.status()
    if as_json:
        print_json(found)
        return
    index = found["index"] or {}
    rows = [
        ("items", f"{found['items']:,}"),
        ("rows", f"{found['rows']:,}"),
        ("truncated", f"{found['truncated']:,}"),
        ("failures", f"{found['failures']:,}"),
        ("encoder", f"{found['encoder']['type']} ({found['encoder']['signature'] or 'nothing indexed yet'})"),
        ("index", f"{index.get('type', '-')} {index.get('metric', '')} {index.get('params') or ''}".strip()),
        *([("replicas", shown)] if (shown := _describe_replicas(found.get("replicas") or {})) else []),
        ("updated", found["updated"] or "never"),
        *([("reindex", _describe_reindex(found["reindex"]))] if found["reindex"] else []),
        *([("previous", _describe_previous(found["previous"]))] if found["previous"] else []),
        *([("promotion", _describe_promotion(found["promotion"]))] if found.get("promotion") else []),
        *([("restore", _describe_restore(found["restoring"]))] if found.get("restoring") else []),
        ("milvus", f"{found['stores']['milvus']['engine']}, {found['stores']['milvus']['location']}"),
        ("redis", describe_redis(**found["stores"]["redis"])),
    ]
    make_console().print(build_table((found["solution"], ""), rows))


def _describe_replicas(replicas: Mapping[str, Any]) -> str:
    """What Milvus has loaded, on which query nodes, and what else the YAML asks for; empty of an embedded Milvus."""
    wanted, groups, loaded = (replicas.get(name) for name in ("wanted", "resource_groups", "loaded"))
    if not (wanted or groups or loaded):
        return ""
    places = [
        f"{one['resource_group']} (query node {', '.join(map(str, one['query_nodes'])) or '-'})" for one in loaded or ()
    ]
    shown = f"{len(places)} loaded" + (f": {', '.join(places)}" if places else "")
    has_wanted = wanted in (None, len(places))
    has_groups = not groups or {*groups} == {one["resource_group"] for one in loaded or ()}
    if has_wanted and has_groups:
        return shown
    asked = " ".join(filter(None, [str(wanted or ""), f"in {', '.join(groups)}" if groups else ""]))
    return f"{shown}; the YAML asks for {asked}, which `vicinal ingest` applies"


def _describe_reindex(unfinished: Mapping[str, Any]) -> str:
    return f"begun at {unfinished['created']}, {unfinished['items']:,} items so far; `vicinal reindex` continues it"


def _describe_previous(previous: Mapping[str, Any]) -> str:
    return (
        f"{previous['items']:,} items by {previous['signature']}, replaced at {previous['replaced']};"
        " `vicinal reindex --rollback` puts them back"
    )


def _describe_promotion(promotion: Mapping[str, Any]) -> str:
    other = f"{promotion['milvus']} and {promotion['redis']}"
    if promotion["state"] == "copied":
        return f"copied; {other} {'had' if promotion['written_since'] else 'have'} the same items" + (
            ", something was written here since" if promotion["written_since"] else ""
        )
    return {
        "incomplete": f"not all is here yet of what {other} have; the same `vicinal promote` continues it",
        "moved": f"moved to {other}, which take its writes; it is only searched here",
        "begun": f"to {other} has not ended; the same `vicinal promote` continues it",
    }[promotion["state"]]


def _describe_restore(stamp: str) -> str:
    return f"not all of the backup {stamp} is here yet; the same `vicinal restore` continues it"


@click.command()
@FILE
@click.option("--repair", is_flag=True, help="Make them agree; the next ingest encodes again what is missing.")
@click.option("--recall", "with_recall", is_flag=True, help="Also measure what the index finds, as `vicinal tune` did.")
@click.option(
    "--queries",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="With --recall: a log of queries, as for `vicinal tune`.",
)
@json_option
def check(file: Path, repair: bool, with_recall: bool, queries: Path | None, as_json: bool) -> int:
    """Check whether Milvus, metadata and ledger of the solution FILE agree, item by item. Exit code 1 if not.

    With --recall it compares the index with an exact search over all stored vectors. Exit code 1, too, if it finds less
    than `vicinal tune` was told to reach.
    """
    from vicinal.solution.solution import Solution

    if queries and not with_recall:
        raise click.UsageError("--queries needs --recall, which asks them.")
    with Solution.from_yaml(file) as solution:
        report = solution.check(repair=repair)
        recall = None
        if with_recall:
            from vicinal.quality.tuning import check_recall

            recall = check_recall(solution, queries=queries)
    if as_json:
        print_json(report.to_dict() | ({"recall": recall.to_dict()} if recall else {}))
    else:
        numbers = [(name.replace("_", " "), value) for name, value in report.to_dict().items() if type(value) is int]
        make_console().print(build_table((report.solution, ""), numbers))
        if report.unfinished:
            click.echo("unfinished items are harmless; the next ingest completes them")
        repaired = "repaired" if repair else f"inconsistent; run: vicinal check {file} --repair"
        click.echo("consistent" if report.consistent else repaired)
        if recall:
            _print_recall(recall)
    is_good = (report.consistent or repair) and not (recall and recall.has_fallen)
    return ExitCode.DONE if is_good else ExitCode.FAILED


def _print_recall(recall: RecallCheck) -> None:
    found = recall.recall
    click.echo(
        f"index {recall.index}: recall@{recall.limit} {found.value:.3f} ({found.low:.3f} to {found.high:.3f}),"
        f" {recall.queries:,} queries"
    )
    for warning in recall.warnings:
        click.echo(f"warning: {warning}")


@click.command()
@FILE
@click.argument("keys", nargs=-1, required=True)
@json_option
def remove(file: Path, keys: tuple[str, ...], as_json: bool) -> None:
    """Remove the items KEYS from the solution FILE. The next ingest adds them again if the source still has them."""
    from vicinal.solution.remote import open_solution

    with open_solution(file) as solution:
        count = solution.remove(keys)
    if as_json:
        print_json({"solution": solution.name, "removed": count})
    else:
        click.echo(f"{solution.name}: {count} removed")


@click.command()
@FILE
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def drop(file: Path, yes: bool, as_json: bool) -> None:
    """Remove the collection of the solution FILE and everything of it in Redis. The source stays."""
    from vicinal.solution.solution import Solution

    with Solution.from_yaml(file) as solution:
        if not (yes or as_json or _confirm(f"drop {solution.name!r} with {solution.status()['items']:,} items?")):
            raise VicinalError("nothing was dropped", hint="--yes drops without asking")
        count = solution.drop()
    if as_json:
        print_json({"solution": solution.name, "dropped": count})
    else:
        click.echo(f"{solution.name}: dropped, {count:,} items")


def _confirm(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        return False  # stdin has no answer


@click.command()
@FILE
@json_option
def index(file: Path, as_json: bool) -> None:
    """Rebuild the index of the solution FILE as its YAML says now."""
    from vicinal.solution.solution import Solution

    with Solution.from_yaml(file) as solution:
        built = solution.build_index()
    if as_json:
        print_json({"solution": solution.name, "index": built.to_dict()})
    else:
        click.echo(f"{solution.name}: built {built.type}, {built.metric} {dict(built.params) or ''}".rstrip())


@click.command()
@FILE
@click.argument("parquet", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def export(file: Path, parquet: Path, as_json: bool) -> None:
    """Write every item of the solution FILE, its metadata and its vectors to the file PARQUET."""
    from vicinal.solution.solution import Solution

    with Solution.from_yaml(file) as solution:
        try:
            count = solution.export(parquet)
        except OSError as error:
            if error.filename is not None:
                raise
            raise VicinalError(f"cannot write {parquet}: {os.strerror(error.errno or 0)}") from error
    if as_json:
        print_json({"solution": solution.name, "exported": count, "path": str(parquet)})
    else:
        click.echo(f"{solution.name}: {count:,} items in {parquet}")


@click.command("import")
@FILE
@click.argument("parquet", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@json_option
def import_(file: Path, parquet: Path, as_json: bool) -> None:
    """Read the file PARQUET, which export wrote, into the solution FILE, without encoding anything."""
    from vicinal.solution.solution import Solution

    with Solution.from_yaml(file) as solution:
        report = solution.import_(parquet)
    print_report(report, file, as_json=as_json)
