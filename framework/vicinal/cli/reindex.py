"""``reindex``: replace what is indexed while it is searched, take that back, or remove what is left over."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vicinal.cli.ingest import print_report
from vicinal.cli.options import FILE
from vicinal.cli.output import json_option, print_json

if TYPE_CHECKING:
    from vicinal.solution.remote import RemoteSolution
    from vicinal.solution.solution import Solution
    from vicinal.types import IngestReport

_IN_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_GATE_OPTIONS = ("labels", "qrels", "queries", "sample")
_BUILD_OPTIONS = ("gates", *_GATE_OPTIONS, "keep", "from_stored", "drop_failed")


@click.command()
@FILE
@click.option(
    "--gate",
    "gates",
    multiple=True,
    metavar="CONDITION",
    help="Replace only if it holds: 'mAP@10>=live', 'P@1>=live-0.02', 'nDCG@10>=0.6'; may be repeated.",
)
@click.option("--labels", default="", metavar="FIELD", help="For --gate: metadata that similar items share.")
@click.option("--qrels", type=_IN_FILE, help="For --gate: judgments, as `vicinal evaluate` takes them.")
@click.option("--queries", type=_IN_FILE, help="The queries that --qrels names by id: a CSV or TSV of id and query.")
@click.option("--sample", type=click.IntRange(min=2), metavar="N", help="For --gate: at most N random queries (2,000).")
@click.option("--keep", is_flag=True, help="Keep what is replaced, for --rollback, until the next reindex.")
@click.option(
    "--from",
    "origin",
    type=click.Choice(["source", "stored"]),
    default="source",
    show_default=True,
    help="What to index: what the source has now, or what is stored of the items.",
)
@click.option("--drop-failed", is_flag=True, help="Remove the new one if it does not pass the gate.")
@click.option("--rollback", is_flag=True, help="Put back what was kept, in one step, and keep the other in its place.")
@click.option("--drop-old", is_flag=True, help="Remove what was kept.")
@click.option("--drop-new", is_flag=True, help="Remove what a reindex has left that did not end or pass its gate.")
@json_option
def reindex(
    file: Path, origin: str, as_json: bool, rollback: bool, drop_old: bool, drop_new: bool, **options: Any
) -> None:
    """Index the source of the solution FILE anew beside what is searched, and then replace that in one step.

    For an encoder that learns, to learn from what is there now; or for another encoder, or other fields, in the YAML.
    Searches are answered all the time, each from the old items or from the new ones, and items can be added and
    removed; an ingest has to wait. Items that were added by hand are indexed anew, too. Ctrl-C leaves what is searched
    as it is; the next reindex continues where that one ended.
    """
    from vicinal.solution.remote import RemoteSolution, open_solution

    options["from_stored"] = origin == "stored"
    actions = {"rollback": rollback, "drop_old": drop_old, "drop_new": drop_new}
    _require_one_action([name for name, given in actions.items() if given], options)
    with open_solution(file, by_any_config=True) as solution:
        if rollback:
            _print_rollback(solution.rollback(), as_json=as_json)
        elif drop_old or drop_new:
            dropped = solution.drop_old() if drop_old else solution.drop_new()
            _print_dropped(solution.name, "old" if drop_old else "new", dropped=dropped, as_json=as_json)
        elif isinstance(solution, RemoteSolution):
            print_report(_reindex_there(solution, options, quiet=as_json), file, as_json=as_json)
        else:
            print_report(_reindex_here(solution, options, quiet=as_json), file, as_json=as_json)


def _require_one_action(actions: list[str], options: Mapping[str, Any]) -> None:
    names = [f"--{name.replace('_', '-')}" for name in actions]
    if len(names) > 1:
        raise click.UsageError(f"{' and '.join(names)} exclude each other.")
    if actions and any(options[name] for name in _BUILD_OPTIONS):
        raise click.UsageError(f"{names[0]} builds nothing; the options of a reindex do not go with it.")
    if options["gates"] and bool(options["labels"]) == bool(options["qrels"]):
        raise click.UsageError("--gate needs either --labels or --qrels, which say what is relevant.")
    if not options["gates"] and (given := [name for name in (*_GATE_OPTIONS, "drop_failed") if options[name]]):
        raise click.UsageError(f"--{given[0].replace('_', '-')} is for --gate.")
    if options["queries"] and not options["qrels"]:
        raise click.UsageError("--queries needs --qrels, which says what is relevant to them.")


def _reindex_here(solution: Solution, options: Mapping[str, Any], *, quiet: bool) -> IngestReport:
    gate = None
    if options["gates"]:
        from vicinal.quality import build_gate

        gate = build_gate(options["gates"], **{name: options[name] for name in _GATE_OPTIONS if options[name]})
    others = {name: options[name] for name in ("keep", "from_stored", "drop_failed")}
    return solution.reindex(gate=gate, progress=not quiet, **others)


def _reindex_there(solution: RemoteSolution, options: Mapping[str, Any], *, quiet: bool) -> IngestReport:
    from vicinal.solution.progress import TerminalProgress

    body = {"keep": options["keep"], "from_stored": options["from_stored"], **_to_api_gate(options)}
    with TerminalProgress(quiet=quiet) as progress:
        return solution.reindex(body, on_progress=progress.show_job)


def _to_api_gate(options: Mapping[str, Any]) -> dict[str, Any]:
    """The gate as the API takes it: a server reads no files of its clients."""
    if not options["gates"]:
        return {}
    from vicinal.quality.gate import GateCondition
    from vicinal.quality.judgments import read_judgments

    conditions = [str(GateCondition.parse(text)) for text in options["gates"]]
    gate = {"conditions": conditions, "sample": options["sample"], "drop_failed": options["drop_failed"]}
    if options["labels"]:
        return {"gate": {**gate, "labels": options["labels"]}}
    judged = read_judgments(options["qrels"], options["queries"])
    return {"gate": {**gate, "judgments": [{"query": one.query, "relevant": one.relevant} for one in judged]}}


def _print_rollback(found: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(dict(found))
        return
    click.echo(
        f"{found['solution']}: rolled back to generation {found['generation']} with {found['items']:,} items;"
        f" generation {found['previous']['generation']} is kept in its place"
    )
    for warning in found["warnings"]:
        click.echo(f"warning: {warning}", err=True)


def _print_dropped(name: str, which: str, *, dropped: bool, as_json: bool) -> None:
    if as_json:
        print_json({"solution": name, "dropped": dropped})
    else:
        click.echo(f"{name}: the {which} one is removed" if dropped else f"{name}: there is no {which} one")
