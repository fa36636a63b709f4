"""A map as a page of its own: plotly's script, the points and their thumbnails in one HTML file.

Whatever items hold is data in JSON, and becomes text or the source of an image; the page's policy lets it load nothing.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from vicinal.quality.colors import GREY, PALETTE, RAMP
from vicinal.quality.map.data import MapData
from vicinal.toolkit.pages import dump_json, fill_template, read_plotly, require_plotly

__all__ = ["build_page"]

_TEMPLATE = Path(__file__).with_name("page.html")
_SCRIPT = Path(__file__).with_name("page.js")


def build_page(item_map: MapData) -> str:
    """The HTML of the page.

    Raises:
        DependencyError: plotly is not installed.
    """
    require_plotly("map")
    parts = {
        "title": escape(f"{item_map.solution}: map"),
        "solution": escape(item_map.solution),
        "summary": escape(" ".join([item_map.summary, _describe_thumbnails(item_map)]).strip()),
        "data": dump_json(_to_data(item_map)),
        "script": _SCRIPT.read_text(encoding="utf-8"),
        "plotly": read_plotly(),
    }
    return fill_template(_TEMPLATE.read_text(encoding="utf-8"), parts)


def _describe_thumbnails(item_map: MapData) -> str:
    """Say so where pictures are missing because all together would be too large."""
    count = sum(map(bool, item_map.thumbnails))
    if not count or item_map.thumbnails[-1]:
        return ""
    return f"{count:,} of them have a thumbnail."


def _to_data(item_map: MapData) -> dict[str, Any]:
    coloring = item_map.coloring
    return {
        "x": [round(float(x), 4) for x in item_map.coordinates[:, 0]],
        "y": [round(float(y), 4) for y in item_map.coordinates[:, 1]],
        "keys": item_map.keys,
        "labels": item_map.labels,
        "thumbnails": item_map.thumbnails,
        "color": coloring and {"field": coloring.field, "kind": coloring.kind, "values": coloring.values},
        "categories": list(coloring.category_colors.items()) if coloring else [],
        "palette": PALETTE,
        "ramp": RAMP,
        "grey": GREY,
    }
