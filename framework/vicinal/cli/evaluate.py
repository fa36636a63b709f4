"""``evaluate``: measure how good a solution's answers are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vicinal.cli.judgment_options import judgment_options, output_options, require_one_judgment
from vicinal.cli.options import FILE, seed_option
from vicinal.cli.output import build_table, json_option, make_console, print_json

if TYPE_CHECKING:
    from vicinal.quality.estimates import Estimate
    from vicinal.quality.evaluation.model_report import ModelReport
    from vicinal.quality.evaluation.search_report import SearchReport
    from vicinal.quality.self_test.report import DisturbanceResult, SelfReport


_REINDEX_ADVICE = " (write it into the encoder's block, then `vicinal reindex FILE`)"


@click.command()
@FILE
@judgment_options
@click.option("--self", "self_test", is_flag=True, help="Search with items that are disturbed as queries are.")
@click.option("--disturbance", "disturbances", multiple=True, metavar="NAME", help="Only this one; may be repeated.")
@click.option("--measure", "measures", multiple=True, metavar="NAME", help="As P@5 or nDCG@20; may be repeated.")
@click.option(
    "--sample", type=click.IntRange(min=2), metavar="N", help="Ask at most N random queries (2,000), or items (200)."
)
@seed_option("Of the sample and of the intervals.")
@output_options
@click.option(
    "--index-recall/--no-index-recall", default=True, help="Whether to read all vectors to measure the index."
)
@click.option("--split", default="", metavar="NAME", help="How an encoder's own evaluation holds data back.")
@click.option("--search", is_flag=True, help="Try parameters of the encoder first, on a validation part.")
@json_option
def evaluate(
    file: Path,
    labels: str,
    qrels: Path | None,
    queries: Path | None,
    self_test: bool,
    disturbances: tuple[str, ...],
    measures: tuple[str, ...],
    sample: int | None,
    seed: int,
    per_query: Path | None,
    html: Path | None,
    index_recall: bool,
    split: str,
    search: bool,
    as_json: bool,
) -> None:
    """Measure how good the answers of the solution FILE are, with 95% intervals.

    With --labels, indexed items are the queries, each without itself, and items of the same label are relevant to it.
    With --qrels, queries of your own and what you judged relevant. Without either, an encoder that learns from data of
    its own, as one that recommends, holds a part of them back and is compared with simple models. Beside the first two
    stands what the index loses: its recall against a comparison with every stored vector.

    With --self, indexed items are searched with as they are and disturbed as users' queries are: pictures cropped or
    mirrored, texts with typing errors. It counts how often each finds its own.

    The latest report is kept with the solution: the page of `vicinal serve` shows it.
    """
    _require_one_way(labels, qrels, queries, split, search=search)
    _require_self_test(disturbances, self_test=self_test, others=labels or qrels or split or search or measures)
    from vicinal.quality import ModelReport, SelfReport
    from vicinal.quality import evaluate as measure
    from vicinal.solution.solution import Solution

    with Solution.from_yaml(file) as solution:
        report = measure(
            solution,
            labels=labels,
            qrels=qrels,
            queries=queries,
            measures=measures,
            sample=sample,
            seed=seed,
            per_query=per_query,
            index_recall=index_recall,
            split=split,
            search=search,
            html=html,
            self_test=self_test,
            disturbances=disturbances,
        )
    if as_json:
        print_json(report.to_dict())
    elif isinstance(report, ModelReport):
        _print_model_report(report)
    elif isinstance(report, SelfReport):
        _print_self_report(report)
    else:
        _print_search_report(report)


def _require_one_way(labels: str, qrels: Path | None, queries: Path | None, split: str, *, search: bool) -> None:
    require_one_judgment(labels, qrels, queries)
    if (labels or qrels) and (split or search):
        raise click.UsageError("--split and --search are for the evaluation that an encoder brings.")


def _require_self_test(disturbances: tuple[str, ...], *, self_test: bool, others: object) -> None:
    if disturbances and not self_test:
        raise click.UsageError("--disturbance needs --self.")
    if self_test and others:
        raise click.UsageError("--self excludes --labels, --qrels, --measure, --split and --search.")


def _print_search_report(report: SearchReport) -> None:
    if report.labels is None:
        click.echo(f"{report.solution}: {report.queries:,} queries of {report.judged_by}, {report.items:,} items")
    else:
        labels = f"{report.labels:,} labels in {report.judged_by}"
        click.echo(f"{report.solution}: {report.queries:,} of {report.items:,} items as queries, {labels}")
    rows = [(name, *_format_estimate(estimate)) for name, estimate in report.metrics.items()]
    if report.index:
        rows.append((f"index recall@{report.index.limit}", *_format_estimate(report.index.recall)))
    make_console().print(build_table(("measure", "value", "95% interval"), rows))
    if report.chance is not None:
        click.echo(f"items in random order have P@k {report.chance:.3f}")
    if index := report.index:
        click.echo(f"index {index.index}: {index.queries:,} vectors against all {index.rows:,} stored ones")
    _print_end(report)


def _print_model_report(report: ModelReport) -> None:
    click.echo(f"{report.solution}: split {report.split}, {report.queries:,} queries, {report.items:,} items ranked")
    if report.trials:
        click.echo("parameters tried on the validation part:")
        rows = [
            (_format_params(trial.params), *(f"{one.value:.4f}" for one in trial.metrics.values()))
            for trial in report.trials
        ]
        make_console().print(build_table(("parameters", *report.trials[0].metrics), rows))
        click.echo(f"best: {_format_params(report.params)}{_REINDEX_ADVICE if report.params else ''}")
    models = {report.model: report.metrics, **report.baselines}
    make_console().print(build_table(("model", *report.metrics), [_model_row(*one) for one in models.items()]))
    for name, reason in report.refused.items():
        click.echo(f"{name} was left out: {reason}")
    if report.comparison:
        click.echo(report.comparison.describe(report.model))
    _print_end(report)


def _print_self_report(report: SelfReport) -> None:
    items = f"{report.sample:,} of {report.items:,} items"
    click.echo(f"{report.solution}: {items}, each searched with as it is and disturbed")
    rows = [_self_row(name, result) for name, result in report.disturbances.items()]
    make_console().print(build_table(("queries", "recall@1", "recall@10", "MRR@10", "asked"), rows))
    _print_end(report)


def _self_row(name: str, result: DisturbanceResult) -> tuple[str, ...]:
    """A row that leaves the longest name within 80 columns; MRR is without its interval, which the JSON has."""
    first, ten, reciprocal = result.metrics.values()
    recalls = (f"{one.value:.2f} [{_format_short(one.low)}, {_format_short(one.high)}]" for one in (first, ten))
    return name, *recalls, f"{reciprocal.value:.2f}", f"{result.queries:,}"


def _format_short(bound: float) -> str:
    return f"{bound:.2f}".removeprefix("0") if bound < 0.995 else "1"


def _model_row(name: str, metrics: Mapping[str, Estimate]) -> tuple[str, ...]:
    """A row that three measures leave within 80 columns: bounds below 1 have no zero before the point."""
    return name, *(f"{one.value:.3f} [{format_bound(one.low)}, {format_bound(one.high)}]" for one in metrics.values())


def format_bound(bound: float) -> str:
    """An interval's bound, without the zero before the point, so that tables fit into 80 columns."""
    return f"{bound:.3f}".removeprefix("0")


def _format_estimate(estimate: Estimate) -> tuple[str, str]:
    return f"{estimate.value:.3f}", f"{estimate.low:.3f} to {estimate.high:.3f}"


def _format_params(params: Mapping[str, object]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in params.items()) or "as the YAML says"


def _print_end(report: SearchReport | ModelReport | SelfReport) -> None:
    for warning in report.warnings:
        click.echo(f"warning: {warning}")
    click.echo(f"measured in {report.seconds:.1f} s")
