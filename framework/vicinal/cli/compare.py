"""``compare``: measure which of several solutions is better on the same queries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vicinal.cli.evaluate import format_bound
from vicinal.cli.judgment_options import judgment_options, output_options, require_one_judgment
from vicinal.cli.options import IN_FILE, seed_option
from vicinal.cli.output import build_table, json_option, make_console, print_json

if TYPE_CHECKING:
    from vicinal.quality.comparison.report import ComparedSolution, Comparison
    from vicinal.solution.solution import Solution


@click.command()
@click.argument("files", metavar="FILE FILE...", nargs=-1, required=True, type=IN_FILE)
@judgment_options
@click.option(
    "--measure",
    "measures",
    multiple=True,
    metavar="NAME",
    help="As P@5 or nDCG@20; may be repeated; the first decides (mAP@10).",
)
@click.option("--sample", type=click.IntRange(min=2), metavar="N", help="Ask at most N random queries (2,000).")
@seed_option("Of the sample, the intervals and the tests.")
@output_options
@click.option(
    "--index-recall/--no-index-recall", default=True, help="Whether to read all vectors to measure the indexes."
)
@click.option("--speed/--no-speed", default=True, help="Whether to measure how quickly each searches and encodes.")
@json_option
def compare(
    files: tuple[Path, ...],
    labels: str,
    qrels: Path | None,
    queries: Path | None,
    measures: tuple[str, ...],
    sample: int | None,
    seed: int,
    per_query: Path | None,
    html: Path | None,
    index_recall: bool,
    speed: bool,
    as_json: bool,
) -> None:
    """Measure which of the solutions FILE FILE... is better, on the same queries, and whether chance makes as much.

    All of them must have indexed the same items, which is known by their keys. With --labels, items that all have are
    the queries, and items of the same label are relevant to each other; with --qrels, queries of your own and what you
    judged relevant. Without either it says how alike their answers are. A paired sign-flip test tells a difference from
    chance; of more than two solutions, all pairs are tested, and corrected by Holm.
    """
    _require_one_way(files, labels, qrels, queries, measures)
    from vicinal.quality import compare as measure

    with ExitStack() as stack:
        solutions = _open_solutions(files, stack)
        comparison = measure(
            solutions,
            labels=labels,
            qrels=qrels,
            queries=queries,
            measures=measures,
            sample=sample,
            seed=seed,
            per_query=per_query,
            html=html,
            index_recall=index_recall,
            speed=speed,
            names=_choose_names(files, solutions),
        )
    if as_json:
        print_json(comparison.to_dict())
    else:
        _print_comparison(comparison)


def _require_one_way(
    files: Sequence[Path], labels: str, qrels: Path | None, queries: Path | None, measures: Sequence[str]
) -> None:
    if len(files) < 2:
        raise click.UsageError("A comparison takes two files or more; one may be given twice.")
    require_one_judgment(labels, qrels, queries)
    if measures and not labels and not qrels:
        raise click.UsageError("--measure needs --labels or --qrels, which say what is relevant.")


def _open_solutions(files: Sequence[Path], stack: ExitStack) -> list[Solution]:
    """The solution of each file; a file that stands there twice is the same one.

    Raises:
        NothingIndexedError: one has nothing indexed yet.
    """
    from vicinal.errors import NothingIndexedError
    from vicinal.solution.solution import Solution

    opened: dict[Path, Solution] = {}
    for file in files:
        if (path := file.resolve()) not in opened:
            opened[path] = stack.enter_context(Solution.from_yaml(file))
    solutions = [opened[file.resolve()] for file in files]
    for file, solution in zip(files, solutions, strict=True):
        if not solution.metadata.state().get("items", 0):
            raise NothingIndexedError(
                f"{file}: nothing is indexed in {solution.name!r} yet", hint=f"run `vicinal ingest {file}` first"
            )
    return solutions


def _choose_names(files: Sequence[Path], solutions: Sequence[Solution]) -> list[str]:
    """What each one is called: its own name, or where two files have one name, the file."""
    by_name: dict[str, set[Path]] = {}
    for file, solution in zip(files, solutions, strict=True):
        by_name.setdefault(solution.name, set()).add(file.resolve())
    return [
        str(file) if len(by_name[solution.name]) > 1 else solution.name
        for file, solution in zip(files, solutions, strict=True)
    ]


def _print_comparison(comparison: Comparison) -> None:
    click.echo(_describe_queries(comparison))
    columns = ("", *(one.name for one in comparison.solutions))
    make_console().print(build_table(columns, list(_build_rows(comparison))))
    if comparison.chance is not None:
        click.echo(f"items in random order have P@k {comparison.chance:.3f}")
    if len(comparison.solutions) > 2:
        _print_pairs(comparison)
    for warning in comparison.warnings:
        click.echo(f"warning: {warning}")
    click.echo(f"measured in {comparison.seconds:.1f} s")
    click.echo(comparison.verdict)


def _describe_queries(comparison: Comparison) -> str:
    queries, items = f"{comparison.queries:,}", f"{comparison.items:,} items"
    if comparison.labels is not None:
        return f"{queries} of {items} as queries, {comparison.labels:,} labels in {comparison.judged_by}"
    if comparison.judged_by:
        return f"{queries} queries of {comparison.judged_by}, {items}"
    return f"{queries} of {items} as queries"


def _build_rows(comparison: Comparison) -> Iterator[tuple[str, ...]]:
    compared = comparison.solutions
    for measure in compared[0].metrics:
        yield measure, *(_format_estimate(one, measure) for one in compared)
    if any(one.index for one in compared):
        recalls = [f"{one.index.recall.value:.3f}" if one.index else "-" for one in compared]
        yield f"index recall@{comparison.limit}", *recalls
    yield "index", *(one.size.index for one in compared)
    yield "bytes an item", *(f"{one.size.bytes_per_item:,.0f}" for one in compared)
    yield "in the index", *(f"{one.size.index_bytes_per_item:,.0f}" for one in compared)
    speeds = [one.speed for one in compared if one.speed]
    if len(speeds) < len(compared):
        return
    yield "search, ms", *(f"{one.search_ms:.1f}, p95 {one.search_ms_p95:.1f}" for one in speeds)
    if any(one.encode_ms is not None for one in speeds):
        yield "encode, ms", *(_format_number(one.encode_ms) for one in speeds)
    if any(one.items_per_second for one in speeds):
        yield "items/s encoded", *(_format_number(one.items_per_second) for one in speeds)


def _format_estimate(one: ComparedSolution, measure: str) -> str:
    estimate = one.metrics[measure]
    return f"{estimate.value:.3f} [{format_bound(estimate.low)}, {format_bound(estimate.high)}]"


def _format_number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def _print_pairs(comparison: Comparison) -> None:
    from vicinal.quality.comparison.verdict import format_p

    rows = []
    for pair in comparison.pairs:
        row = [f"{pair.first} → {pair.second}", f"{pair.overlap.value:.0%}"]
        if pair.difference is not None and pair.adjusted_p is not None:
            low, high = pair.difference.low, pair.difference.high
            row += [f"{pair.difference.value:+.3f} [{low:+.3f}, {high:+.3f}]", format_p(pair.adjusted_p)]
        rows.append(row)
    columns = ["pair", "shared hits"] + ([f"{comparison.measure} rises by", "p (Holm)"] if comparison.measure else [])
    make_console().print(build_table(columns, rows))
