"""Figures of reports for plotly: estimates with their intervals, a distribution, confusions as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vicinal.quality.colors import PALETTE
from vicinal.quality.estimates import Estimate
from vicinal.quality.evaluation.search_details import Confusions, shorten_label
from vicinal.toolkit.text import shorten

__all__ = ["NO_LABEL", "plot_confusions", "plot_distribution", "plot_estimates"]

NO_LABEL = "(no label)"
_RIGHT, _WRONG = (18, 144, 138), (232, 89, 12)
"""The first two colours of the palette: both can be told from a light and from a dark ground."""
_MAX_NAME_CHARS = 36
_ROW_HEIGHT = 30
_MAX_NUMBERED_LABELS = 16


def plot_estimates(
    rows: Sequence[tuple[str, Estimate]], highlighted: str = "", *, is_zoomed: bool = False
) -> dict[str, Any]:
    """A point and the 95% interval for each estimate of 0 to 1, below one another.

    Args:
        highlighted: the name of the row that has another colour.
        is_zoomed: whether the axis ends at the highest one, not at 1.
    """
    end = max(estimate.high for _, estimate in rows) * 1.05 if is_zoomed else 1.0
    colors = [PALETTE[1] if name == highlighted else PALETTE[0] for name, _ in rows]
    names = [name for name, _ in rows]
    estimates = [estimate for _, estimate in rows]
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": [estimate.value for estimate in estimates],
        "y": list(range(len(rows))),
        "customdata": [[shorten_label(name), one.low, one.high] for name, one in rows],
        "hovertemplate": "%{customdata[0]}: %{x:.3f}, %{customdata[1]:.3f} to %{customdata[2]:.3f}<extra></extra>",
        "marker": {"size": 11, "color": colors},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [one.high - one.value for one in estimates],
            "arrayminus": [one.value - one.low for one in estimates],
            "thickness": 2,
            "width": 6,
            "color": "#868e96",
        },
    }
    layout = {
        "height": 70 + _ROW_HEIGHT * len(rows),
        "xaxis": {"range": [-0.02 * end, 1.02 * end], "automargin": True, "zeroline": False},
        "yaxis": {**_name_ticks(names), "range": [len(rows) - 0.5, -0.5], "zeroline": False},
        "showlegend": False,
    }
    return {"data": [points], "layout": layout}


def plot_distribution(counts: Sequence[int], measure: str) -> dict[str, Any]:
    """How many queries have a value in each of the equal parts of 0 to 1."""
    width = 1 / len(counts)
    bars = {
        "type": "bar",
        "x": [(number + 0.5) * width for number in range(len(counts))],
        "y": list(counts),
        "width": width * 0.92,
        "marker": {"color": PALETTE[0]},
        "customdata": [[number * width, (number + 1) * width] for number in range(len(counts))],
        "hovertemplate": "%{customdata[0]:.2f} to %{customdata[1]:.2f}: %{y:,} queries<extra></extra>",
    }
    layout = {
        "height": 260,
        "xaxis": {"range": [-0.02, 1.02], "title": {"text": measure}, "automargin": True, "zeroline": False},
        "yaxis": {"title": {"text": "queries"}, "automargin": True, "rangemode": "tozero"},
        "showlegend": False,
    }
    return {"data": [bars], "layout": layout}


def plot_confusions(confusions: Confusions) -> dict[str, Any]:
    """A heat map of the queries' labels (down) and those of their first hits (across).

    Colours are shares of a label's queries: right ones in one colour, wrong ones in another.
    """
    rows, columns, counts = confusions.build_matrix()
    totals = confusions.count_queries()
    has_numbers = len(columns) <= _MAX_NUMBERED_LABELS
    names = [NO_LABEL if column is None else column for column in columns]
    traces = []
    for is_right, color in ((True, _RIGHT), (False, _WRONG)):
        shown = [
            [count if (row == column) == is_right else 0 for column, count in zip(columns, line, strict=True)]
            for row, line in zip(rows, counts, strict=True)
        ]
        traces.append(
            {
                "type": "heatmap",
                "z": [
                    [count / totals[row] if count else None for count in line]
                    for row, line in zip(rows, shown, strict=True)
                ],
                "zmin": 0,
                "zmax": 1,
                "text": [[str(count) if count else "" for count in line] for line in shown] if has_numbers else None,
                "texttemplate": "%{text}" if has_numbers else "",
                "customdata": [
                    [
                        [shorten_label(row), shorten_label(name), count, totals[row]]
                        for name, count in zip(names, line, strict=True)
                    ]
                    for row, line in zip(rows, counts, strict=True)
                ],
                "hovertemplate": "%{customdata[0]} finds %{customdata[1]}:"
                " %{customdata[2]} of %{customdata[3]}<extra></extra>",
                "colorscale": [[0, _to_rgba(color, 0.12)], [1, _to_rgba(color, 1.0)]],
                "showscale": False,
                "hoverongaps": False,
                "xgap": 1,
                "ygap": 1,
            }
        )
    layout = {
        "height": 140 + 26 * max(len(rows), 4),
        "xaxis": {
            **_name_ticks(names),
            "title": {"text": "label of the first hit"},
            "tickangle": -45,
            "showgrid": False,
        },
        "yaxis": {
            **_name_ticks(rows),
            "title": {"text": "label of the query"},
            "range": [len(rows) - 0.5, -0.5],
            "showgrid": False,
        },
    }
    return {"data": traces, "layout": layout}


def _name_ticks(names: Sequence[str]) -> dict[str, Any]:
    """An axis with a name for each whole number: as categories, equal or shortened names would be one."""
    ticks = [shorten(" ".join(name.split()), _MAX_NAME_CHARS) for name in names]
    return {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": ticks, "automargin": True}


def _to_rgba(color: tuple[int, int, int], alpha: float) -> str:
    return f"rgba({color[0]},{color[1]},{color[2]},{alpha})"
