"""What the page of an evaluation says, section by section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from vicinal.quality.estimates import Estimate
from vicinal.quality.evaluation.figures import NO_LABEL, plot_confusions, plot_distribution, plot_estimates
from vicinal.quality.evaluation.item_cards import MAX_PAIRS, build_near_duplicates, build_worst_queries
from vicinal.quality.evaluation.model_report import ModelReport
from vicinal.quality.evaluation.report_texts import describe_report, list_findings
from vicinal.quality.evaluation.search_details import Confusions, LabelFigure, SearchDetails, shorten_label
from vicinal.quality.evaluation.search_report import SearchReport
from vicinal.quality.self_test.report import SelfReport
from vicinal.solution.solution import Solution
from vicinal.toolkit.html_report import Section, format_table, render_page

__all__ = ["build_report_page"]

_MAX_PLOTTED_LABELS = 30


def build_report_page(solution: Solution, report: SearchReport | ModelReport | SelfReport) -> str:
    """The report as a page of its own, of 5 MB, and 16 MB of media at most.

    Raises:
        DependencyError: plotly is not installed.
    """
    if isinstance(report, SearchReport):
        sections = list(_iter_search_sections(solution, report))
    elif isinstance(report, SelfReport):
        sections = list(_iter_self_sections(solution, report))
    else:
        sections = list(_iter_model_sections(report))
    return render_page(f"{report.solution}: how good are the answers?", sections, describe_report(report))


def _iter_search_sections(solution: Solution, report: SearchReport) -> Iterator[Section]:
    rows = list(report.metrics.items())
    if report.index:
        rows.append((f"index recall@{report.index.limit}", report.index.recall))
    body = _format_warnings(report.warnings) + _format_estimates(rows)
    if report.chance is not None:
        body += f'<p class="quiet">Items in random order have P@k {report.chance:.3f}.</p>'
    body += '<p class="quiet">Bars are 95% intervals: with other queries of the same kind, the figure lies in them.</p>'
    yield Section("Figures", body, plot_estimates(rows, rows[-1][0] if report.index else ""))
    for finding in list_findings(report):
        yield Section("Encoder or index?", f"<p>{escape(finding)}</p>")
    if details := report.details:
        yield from _iter_detail_sections(solution, details)


def _iter_detail_sections(solution: Solution, details: SearchDetails) -> Iterator[Section]:
    note = f'<p class="quiet">How many queries have which {escape(details.measure)}.</p>'
    yield Section("Queries", note, plot_distribution(details.distribution, details.measure))
    if details.labels:
        yield _build_label_section(details.labels, details.measure)
    if details.confusions:
        yield _build_confusion_section(details.confusions)
    if details.worst:
        lead = (
            f'<p class="quiet">The {len(details.worst)} with the lowest {escape(details.measure)}; of equal ones those'
            " first whose wrong hit is most similar.</p>"
        )
        yield Section("Worst queries", lead + build_worst_queries(solution, details))


def _build_label_section(labels: Sequence[LabelFigure], measure: str) -> Section:
    shown = labels[:_MAX_PLOTTED_LABELS]
    rows = [
        (shorten_label(one.label), f"{one.queries:,}", *_format_figures(one.estimate, one.queries)) for one in labels
    ]
    table = format_table(("label", "queries", measure, "95% interval"), rows)
    part = f" The plot has the lowest {len(shown)} of {len(labels)}." if len(shown) < len(labels) else ""
    note = f'<p class="quiet">{escape(measure)} by the label of the query, lowest first.{part}</p>'
    plot = plot_estimates([(one.label, one.estimate) for one in shown])
    return Section("Labels", f"{note}<details><summary>Table</summary>{table}</details>", plot)


def _build_confusion_section(confusions: Confusions) -> Section:
    totals = confusions.count_queries()
    rows = [
        (shorten_label(label), NO_LABEL if found is None else shorten_label(found), f"{count:,} of {totals[label]:,}")
        for label, found, count in confusions.list_pairs()
    ]
    if not rows:
        return Section("Confusions", "<p>The first hit of each query has its label.</p>")
    note = (
        '<p class="quiet">Labels of queries and of their first hits. Darker is a larger share of a label’s queries.</p>'
    )
    table = format_table(("label of the query", "label of the first hit", "queries"), rows)
    return Section("Confusions", note + table, plot_confusions(confusions))


def _iter_self_sections(solution: Solution, report: SelfReport) -> Iterator[Section]:
    results = report.disturbances
    measures = list(dict.fromkeys(measure for result in results.values() for measure in result.metrics))
    rows = [
        (name, result.label, *(_format_estimate(one) for one in result.metrics.values()), f"{result.queries:,}")
        for name, result in results.items()
    ]
    table = format_table(("disturbance", "queries", *measures, "asked"), rows)
    yield Section("Figures", _format_warnings(report.warnings) + table)
    for measure in measures:
        plotted = [(name, result.metrics[measure]) for name, result in results.items() if measure in result.metrics]
        yield Section(measure, "", plot_estimates(plotted))
    if report.near_duplicates:
        shown = report.near_duplicates[:MAX_PAIRS]
        lead = (
            '<p class="quiet">Items, and others that were found in their place: to the encoder they are nearly the'
            f" same. {len(shown)} of {len(report.near_duplicates):,} pairs.</p>"
        )
        yield Section("Near-duplicates", lead + build_near_duplicates(solution, shown))


def _iter_model_sections(report: ModelReport) -> Iterator[Section]:
    models = {report.model: report.metrics, **report.baselines}
    verdict = "".join(f"<p><b>{escape(finding)}</b></p>" for finding in list_findings(report))
    refused = "".join(
        f'<p class="quiet">{escape(name)} was left out: {escape(reason)}</p>' for name, reason in report.refused.items()
    )
    rows = [(name, *(_format_estimate(one) for one in metrics.values())) for name, metrics in models.items()]
    table = format_table(("model", *report.metrics), rows)
    yield Section("Verdict", _format_warnings(report.warnings) + verdict + table + refused)
    for measure in report.metrics:
        yield Section(measure, "", plot_estimates(_select_measure(models, measure), report.model, is_zoomed=True))
    if report.trials:
        names = list(report.trials[0].metrics)
        trials = [
            (_format_params(trial.params), *(f"{one.value:.4f}" for one in trial.metrics.values()))
            for trial in report.trials
        ]
        best = f"<p>Best: {escape(_format_params(report.params))}</p>"
        yield Section("Parameters tried on the validation part", format_table(("parameters", *names), trials) + best)


def _select_measure(models: Mapping[str, Mapping[str, Estimate]], measure: str) -> list[tuple[str, Estimate]]:
    return [(name, metrics[measure]) for name, metrics in models.items() if measure in metrics]


def _format_params(params: Mapping[str, object]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in params.items()) or "as the YAML says"


def _format_estimates(rows: Sequence[tuple[str, Estimate]]) -> str:
    return format_table(("measure", "value", "95% interval"), [(name, *_format_figures(one)) for name, one in rows])


def _format_figures(estimate: Estimate, queries: int = 2) -> tuple[str, str]:
    """The value and its interval, which one query has none of."""
    return f"{estimate.value:.3f}", f"{estimate.low:.3f} to {estimate.high:.3f}" if queries > 1 else "–"


def _format_estimate(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _format_warnings(warnings: Sequence[str]) -> str:
    return "".join(f'<p class="warning">Warning: {escape(warning)}</p>' for warning in warnings)
