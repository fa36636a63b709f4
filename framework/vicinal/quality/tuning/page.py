"""The frontier as a page: a plot of latency against recall, and a table of all that was tried."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from vicinal.quality.colors import GREY, PALETTE
from vicinal.quality.tuning.queries import describe_queries
from vicinal.quality.tuning.report import FrontierPoint, TuneReport
from vicinal.toolkit.html_report import Section, format_table, render_page

__all__ = ["build_page", "format_bytes", "list_columns", "list_rows"]

_SYMBOLS = {"exact": "star", "confirmed": "circle", "tried": "circle-open", "too low": "x", "unproven": "x-open"}


def build_page(report: TuneReport) -> str:
    """The HTML of the page.

    Raises:
        DependencyError: plotly is not installed.
    """
    chosen = f"<p><strong>{escape(report.chosen.describe())}</strong>: {escape(report.reason)}.</p>"
    warnings = "".join(f"<p>{escape(warning)}</p>" for warning in report.warnings)
    columns = list_columns(report)
    standing = [point for point in report.frontier if point.status != "tried"]
    sections = [
        Section("Chosen", chosen + warnings),
        Section("Recall and latency", _LEGEND, _build_figure(report)),
        Section("Each index", format_table(columns, list_rows(report, standing))),
        Section("Each step", format_table(columns, list_rows(report, report.frontier))),
    ]
    return render_page(f"{report.solution}: tuned to a recall of {report.target:g}", sections, _describe_report(report))


def list_columns(report: TuneReport) -> list[str]:
    clients = [f"{report.clients} clients"] if report.clients else []
    return ["index", f"recall@{report.limit}", "95% interval", "p50", "p95", *clients, "memory", "build", "status"]


def list_rows(report: TuneReport, points: Sequence[FrontierPoint]) -> list[list[str]]:
    """A row for each point."""
    return [_to_row(report, point) for point in points]


def format_bytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def _to_row(report: TuneReport, point: FrontierPoint) -> list[str]:
    recall, latency = point.recall, point.latency
    status = "chosen" if point is report.chosen else point.status
    through = point.throughput
    clients = [f"{through.searches_per_second:,.0f}/s" if through else ""] if report.clients else []
    return [
        point.describe(),
        f"{recall.value:.3f}",
        f"{recall.low:.3f} to {recall.high:.3f}",
        f"{latency.p50:.2f} ms",
        f"{latency.p95:.2f} ms",
        *clients,
        format_bytes(point.memory_bytes),
        f"{point.build_seconds:.1f} s",
        f"{status}: {point.reason}" if point.reason else status,
    ]


def _describe_report(report: TuneReport) -> str:
    filters = f", also under {', '.join(report.filters)}" if report.filters else ""
    return (
        f"{report.rows:,} rows on {report.engine}, {report.metric}; {report.queries:,} {describe_queries(report.kind)}"
        f"{filters}; measured on {report.date} in {report.seconds:,.0f} s."
    )


_LEGEND = (
    "<p>Each line is one index with growing effort. Filled circles reach the recall with 95% certainty, on queries that"
    " did not choose them, too; the dashed line is the recall that was wanted.</p>"
)


def _build_figure(report: TuneReport) -> dict[str, Any]:
    lines: dict[str, list[FrontierPoint]] = {}
    for point in report.frontier:
        name = " ".join([point.type, *(f"{name}={value}" for name, value in point.params.items())])
        lines.setdefault(name, []).append(point)
    traces = [_to_trace(name, points, number) for number, (name, points) in enumerate(lines.items())]
    chosen = report.chosen
    ring = {
        "type": "scatter",
        "name": "chosen",
        "mode": "markers",
        "x": [chosen.recall.value],
        "y": [chosen.latency.p50],
        "marker": {"symbol": "circle-open", "size": 20, "color": GREY, "line": {"width": 2}},
        "hoverinfo": "skip",
    }
    target = {"type": "line", "x0": report.target, "x1": report.target, "y0": 0, "y1": 1, "yref": "paper"}
    layout = {
        "height": 440,
        "xaxis": {"title": {"text": f"recall@{report.limit}"}, "automargin": True},
        "yaxis": {"title": {"text": "ms a search, median"}, "type": "log", "automargin": True},
        "shapes": [{**target, "line": {"color": GREY, "dash": "dash"}}],
        "legend": {"orientation": "h", "y": -0.25},
    }
    return {"data": [*traces, ring], "layout": layout}


def _to_trace(name: str, points: Sequence[FrontierPoint], number: int) -> dict[str, Any]:
    ordered = sorted(points, key=lambda point: point.recall.value)
    return {
        "type": "scatter",
        "name": name,
        "mode": "lines+markers",
        "x": [point.recall.value for point in ordered],
        "y": [point.latency.p50 for point in ordered],
        "text": [point.describe() for point in ordered],
        "hovertemplate": "%{text}<br>recall %{x:.3f}, %{y:.2f} ms<extra></extra>",
        "line": {"color": PALETTE[number % len(PALETTE)], "width": 1.5},
        "marker": {"symbol": [_SYMBOLS[point.status] for point in ordered], "size": 9},
    }
