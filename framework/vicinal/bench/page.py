"""The page of a benchmark's results: recall against latency, throughput against clients, and the tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from vicinal.bench.report import Report
from vicinal.toolkit.html_report import Section, format_table, render_page

__all__ = ["build_page", "build_rows", "format_bytes", "format_settings"]

Case = Mapping[str, Any]

COLUMNS = ("index", "search", "recall", "p50 ms", "p99 ms", "queries/s", "build s", "memory", "disk")


def build_page(report: Report) -> str:
    """The HTML of the page.

    Raises:
        DependencyError: plotly is not installed.
    """
    facts = {**report.facts, "insert_rate": f"{report.facts.get('insert_rate', 0):,.0f} rows/s"}
    lead = "{engine}, {rows:,} vectors of {dimension}, {metric}, written at {insert_rate}".format_map(facts)
    loaded = [case for case in report.cases if "conc_qps_list" in case]
    sections = [
        Section("Recall and latency", format_table(COLUMNS, build_rows(report)), _plot_frontier(report)),
        Section("Throughput", _format_clients(loaded), _plot_throughput(loaded)),
        Section("Queries in a request", _format_batches(report.cases)),
        Section("Filters", _format_filters(report.cases)),
        Section("Recall at each limit", _format_limits(report.cases)),
        Section("Proof that the index is used", _format_proof(report.cases)),
    ]
    if report.warnings:
        rows = "".join(f"<li>{escape(warning)}</li>" for warning in report.warnings)
        sections.insert(0, Section("Warnings", f"<ul>{rows}</ul>"))
    return render_page(f"{report.name}: benchmark", sections, lead, extra="bench")


def build_rows(report: Report) -> list[tuple[str, ...]]:
    """A row of ``COLUMNS`` for each case."""
    return [
        (
            format_settings(case["index"], case["params"]),
            format_settings("", case["search"]),
            f"{case['recall']:.3f} ±{(case['recall_high'] - case['recall_low']) / 2:.3f}",
            f"{case['serial_latency_p50']:.2f}",
            f"{case['serial_latency_p99']:.2f}",
            f"{case['qps']:,.0f}" if "qps" in case else "",
            f"{case['optimize_duration']:.1f}" if "optimize_duration" in case else "",
            format_bytes(case.get("memory")),
            format_bytes(case.get("disk")),
        )
        for case in report.cases
    ]


def format_settings(name: str, values: Mapping[str, Any]) -> str:
    return " ".join([name, *(f"{key} {value}" for key, value in values.items())]).strip()


def format_bytes(count: int | float | None) -> str:
    """As kB, MB or GB; a question mark where it is not known."""
    if count is None:
        return "?"
    unit, name = next(((unit, name) for unit, name in ((1e9, "GB"), (1e6, "MB")) if abs(count) >= unit), (1e3, "kB"))
    return f"{count / unit:.1f} {name}"


def _plot_frontier(report: Report) -> Mapping[str, Any]:
    lines = _group_cases(report.cases, lambda case: format_settings(case["index"], case["params"]))
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": [case["recall"] for case in cases],
            "y": [case["serial_latency_p50"] for case in cases],
            "text": [format_settings("", case["search"]) for case in cases],
        }
        for name, cases in lines.items()
    ]
    return {"data": data, "layout": _make_layout(f"recall@{report.limit}", "linear", "p50 ms", "log")}


def _plot_throughput(cases: Sequence[Case]) -> Mapping[str, Any] | None:
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": format_settings(case["index"], case["search"]),
            "x": case["conc_num_list"],
            "y": case["conc_qps_list"],
        }
        for case in cases
    ]
    return {"data": data, "layout": _make_layout("clients", "category", "queries/s", "linear")} if data else None


def _make_layout(x: str, x_type: str, y: str, y_type: str) -> Mapping[str, Any]:
    axes = {"xaxis": {"title": {"text": x}, "type": x_type}, "yaxis": {"title": {"text": y}, "type": y_type}}
    return {**axes, "height": 420, "margin": {"l": 70, "r": 20, "t": 20, "b": 60}}


def _format_clients(cases: Sequence[Case]) -> str:
    if not cases:
        return ""
    rows = [
        (format_settings(case["index"], case["search"]), clients, f"{qps:,.0f}", f"{average:.1f}", f"{p99:.1f}")
        for case in cases
        for clients, qps, average, p99 in zip(
            case["conc_num_list"],
            case["conc_qps_list"],
            case["conc_latency_avg_list"],
            case["conc_latency_p99_list"],
            strict=True,
        )
    ]
    return format_table(("index", "clients", "queries/s", "mean ms", "p99 ms"), rows)


def _format_batches(cases: Sequence[Case]) -> str:
    rows = [
        (
            format_settings(case["index"], case["search"]),
            row["batch"],
            f"{row['qps']:,.0f}" if "qps" in row else row["unknown"],
            f"{row['p50']:.1f}" if "qps" in row else "",
        )
        for case in cases
        for row in case.get("batches", ())
    ]
    return format_table(("index", "queries in a request", "queries/s", "p50 ms"), rows) if rows else ""


def _format_filters(cases: Sequence[Case]) -> str:
    rows = [
        (
            format_settings(case["index"], case["search"]),
            f"{row['share']:.1%}",
            _format_estimate(row["recall"]),
            f"{row['latency_ms']['p50']:.2f}",
            f"{row['latency_ms']['p99']:.2f}",
        )
        for case in cases
        for row in case.get("filters", ())
    ]
    return format_table(("index", "rows left", "recall", "p50 ms", "p99 ms"), rows) if rows else ""


def _format_limits(cases: Sequence[Case]) -> str:
    rows = [
        (
            format_settings(case["index"], case["search"]),
            limit,
            _format_estimate(row["recall"]),
            row["latency_ms"]["p50"],
        )
        for case in cases
        for limit, row in case["limits"].items()
    ]
    return format_table(("index", "limit", "recall", "p50 ms"), rows)


def _format_proof(cases: Sequence[Case]) -> str:
    rows = [
        (
            name,
            proof["rows_indexed"] if proof["rows_indexed"] is not None else "?",
            proof.get("smallest_recall", "exact"),
            {True: "yes", False: "no", None: ""}[proof.get("is_quicker_than_flat")],
        )
        for name, (case, *_) in _group_cases(cases, lambda case: format_settings(case["index"], case["params"])).items()
        for proof in [case["proof"]]
    ]
    return format_table(("index", "rows indexed", "recall at its smallest setting", "quicker than FLAT"), rows)


def _format_estimate(estimate: Mapping[str, float]) -> str:
    return f"{estimate['value']:.4f} [{estimate['low']:.4f}, {estimate['high']:.4f}]"


def _group_cases(cases: Sequence[Case], key: Callable[[Case], str]) -> dict[str, list[Case]]:
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(key(case), []).append(case)
    return groups
