"""What the page of a comparison says, section by section."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from vicinal.quality.colors import PALETTE
from vicinal.quality.comparison.report import ComparedSolution, Comparison, PairedTest
from vicinal.quality.comparison.verdict import enumerate_texts, format_p
from vicinal.quality.evaluation.figures import plot_estimates
from vicinal.toolkit.html_report import Section, format_table, render_page

__all__ = ["build_comparison_page"]

_BINS = 40
"""Of the differences from -1 to 1; an even number, so that none has both signs."""
_MAX_QUERIES = 10


def build_comparison_page(comparison: Comparison) -> str:
    """The comparison as a page of its own, of 5 MB.

    Raises:
        DependencyError: plotly is not installed.
    """
    names = enumerate_texts([one.name for one in comparison.solutions])
    asked = f"{comparison.queries:,} queries, {comparison.items:,} items in common"
    judged = f", judged by {comparison.judged_by}" if comparison.judged_by else ""
    return render_page(f"Compared: {names}", list(_iter_sections(comparison)), f"{asked}{judged}.")


def _iter_sections(comparison: Comparison) -> Iterator[Section]:
    warnings = "".join(f'<p class="warning">Warning: {escape(one)}</p>' for one in comparison.warnings)
    yield Section("Verdict", f"<p><b>{escape(comparison.verdict)}</b></p>{warnings}")
    if comparison.measure:
        yield _build_measure_section(comparison)
    yield Section("Differences", _format_pairs(comparison))
    if comparison.measure:
        for pair in comparison.pairs:
            yield from _iter_difference_sections(comparison, pair)
    yield Section("Size and speed", _format_costs(comparison))


def _build_measure_section(comparison: Comparison) -> Section:
    compared, measure = comparison.solutions, comparison.measure
    plot = plot_estimates([(one.name, one.metrics[measure]) for one in compared], is_zoomed=True)
    rows = [(name, *(_format_estimate(one, name) for one in compared)) for name in compared[0].metrics]
    note = '<p class="quiet">Bars are 95% intervals. Whether a difference is chance, the paired tests tell better.</p>'
    return Section(measure, note + format_table(("measure", *(one.name for one in compared)), rows), plot)


def _format_pairs(comparison: Comparison) -> str:
    columns = ["from", "to", "shared hits", "queries of equal hits"]
    if comparison.measure:
        columns += [f"{comparison.measure} rises by", "95% interval", "p", "p, all pairs (Holm)"]
    return format_table(columns, [_build_pair_row(pair) for pair in comparison.pairs])


def _build_pair_row(pair: PairedTest) -> Sequence[str]:
    row = [pair.first, pair.second, f"{pair.overlap.value:.0%}", f"{pair.equal:,}"]
    if pair.difference is not None and pair.p is not None and pair.adjusted_p is not None:
        low, high = pair.difference.low, pair.difference.high
        row += [f"{pair.difference.value:+.3f}", f"{low:+.3f} to {high:+.3f}"]
        row += [format_p(pair.p), format_p(pair.adjusted_p)]
    return row


def _iter_difference_sections(comparison: Comparison, pair: PairedTest) -> Iterator[Section]:
    """How the queries' differences are distributed, and where they are largest."""
    first, second = (
        next(one for one in comparison.solutions if one.name == name) for name in (pair.first, pair.second)
    )
    if first.per_query is None or second.per_query is None:
        return
    measure = comparison.measure
    differences = (second.per_query.values[measure] - first.per_query.values[measure]).tolist()
    order = sorted(range(len(differences)), key=lambda number: -abs(differences[number]))[:_MAX_QUERIES]
    columns = list(first.per_query.queries[0]) if first.per_query.queries else []
    rows = [
        (
            *first.per_query.queries[number].values(),
            f"{first.per_query.values[measure][number]:.3f}",
            f"{second.per_query.values[measure][number]:.3f}",
        )
        for number in order
        if differences[number]
    ]
    better = sum(one > 0 for one in differences), sum(one < 0 for one in differences)
    note = (
        f'<p class="quiet">{escape(second.name)} is better for {better[0]:,} queries, {escape(first.name)} for'
        f" {better[1]:,}; the others are equal.</p>"
    )
    table = format_table((*columns, first.name, second.name), rows) if rows else ""
    plot = _plot_differences(differences, measure) if rows else None
    yield Section(f"{pair.first} → {pair.second}", note + table, plot)


def _plot_differences(differences: Sequence[float], measure: str) -> dict[str, Any]:
    """How many queries have a difference in each of 40 parts of -1 to 1, those of zero left out."""
    width, counts = 2 / _BINS, [0] * _BINS
    for one in differences:
        if one:
            counts[min(int((one + 1) / width), _BINS - 1)] += 1
    centers = [(number + 0.5) * width - 1 for number in range(_BINS)]
    bars = {
        "type": "bar",
        "x": centers,
        "y": counts,
        "width": width * 0.92,
        "marker": {"color": [PALETTE[1] if center < 0 else PALETTE[0] for center in centers]},
        "hovertemplate": "around %{x:+.2f}: %{y:,} queries<extra></extra>",
    }
    layout = {
        "height": 260,
        "xaxis": {"range": [-1.02, 1.02], "title": {"text": f"difference of {measure}"}, "automargin": True},
        "yaxis": {"title": {"text": "queries"}, "automargin": True, "rangemode": "tozero"},
        "showlegend": False,
    }
    return {"data": [bars], "layout": layout}


def _format_costs(comparison: Comparison) -> str:
    rows = [_build_cost_row(one) for one in comparison.solutions]
    columns = (
        "solution", "items", "dimension", "bytes an item", "index", "in the index", "index recall", "search, ms",
        "95th percentile", "encode, ms", "items/s encoded",
    )  # fmt: skip
    return format_table(columns, rows)


def _build_cost_row(one: ComparedSolution) -> Sequence[str]:
    size, speed = one.size, one.speed
    return [
        one.name,
        f"{one.items:,}",
        f"{size.dimension:,}",
        f"{size.bytes_per_item:,.0f}",
        size.index,
        f"{size.index_bytes_per_item:,.0f}",
        _format_number(one.index.recall.value if one.index else None, 3),
        _format_number(speed.search_ms if speed else None),
        _format_number(speed.search_ms_p95 if speed else None),
        _format_number(speed.encode_ms if speed else None),
        _format_number(speed.items_per_second if speed else None),
    ]


def _format_estimate(one: ComparedSolution, measure: str) -> str:
    estimate = one.metrics[measure]
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _format_number(value: float | None, decimals: int = 1) -> str:
    return "–" if value is None else f"{value:,.{decimals}f}"
