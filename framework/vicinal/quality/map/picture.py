"""A map as one SVG picture with its legend, small enough for a notebook's file."""

from __future__ import annotations

from html import escape

import numpy as np

from vicinal.quality.colors import GREY, PALETTE, RAMP
from vicinal.quality.map.data import MapData

__all__ = ["draw_picture"]

_SIDE, _MARGIN = 560, 12
_MAX_POINTS = 3_000
_MAX_TITLED_POINTS = 600
_MAX_TITLE_CHARS = 60


def draw_picture(item_map: MapData) -> str:
    """The HTML of the picture, its legend and its summary. Points tell their label where there are 600 at most."""
    count = min(len(item_map), _MAX_POINTS)
    places = _MARGIN + (item_map.coordinates[:count] * (1, -1) + 1) / 2 * (_SIDE - 2 * _MARGIN)
    colors = _point_colors(item_map)
    radius = 4 if count <= _MAX_TITLED_POINTS else 2.5
    circles = []
    for number, (x, y) in enumerate(places):
        title = escape(item_map.labels[number][:_MAX_TITLE_CHARS]) if count <= _MAX_TITLED_POINTS else ""
        inner = f"><title>{title}</title></circle>" if title else "/>"
        paint = f'fill="{color}"' if (color := colors[number]) else f'fill="none" stroke="{GREY}"'
        circles.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" {paint}{inner}')
    note = "" if count == len(item_map) else f" The picture has the first {count:,} of them."
    return (
        f'<div style="max-width:{_SIDE}px;font:14px system-ui,sans-serif">'
        f'<svg viewBox="0 0 {_SIDE} {_SIDE}" width="100%" role="img" aria-label="{escape(item_map.summary)}"'
        f' style="border:1px solid #8886;border-radius:8px" fill-opacity=".8">{"".join(circles)}</svg>'
        f'<div style="display:flex;flex-wrap:wrap;gap:2px 14px;margin:6px 0">{_draw_legend(item_map)}</div>'
        f'<div style="opacity:.75">{escape(item_map.summary + note)}</div></div>'
    )


def _point_colors(item_map: MapData) -> list[str]:
    """The colour of each point; empty for one that has no value."""
    coloring = item_map.coloring
    if coloring is None:
        return [PALETTE[0]] * len(item_map)
    if coloring.kind == "category":
        return [coloring.category_colors.get(str(value), "") for value in coloring.values]
    numbers = [value for value in coloring.values if isinstance(value, float)]
    low, width = min(numbers), (max(numbers) - min(numbers)) or 1.0
    return [_mix_color((value - low) / width) if isinstance(value, float) else "" for value in coloring.values]


def _mix_color(share: float) -> str:
    """The colour at a place of the ramp."""
    stops = [[int(color[at : at + 2], 16) for at in (1, 3, 5)] for color in RAMP]
    channels = [np.interp(share * (len(RAMP) - 1), range(len(RAMP)), channel) for channel in zip(*stops, strict=True)]
    return "#" + "".join(f"{round(channel):02x}" for channel in channels)


def _draw_legend(item_map: MapData) -> str:
    coloring = item_map.coloring
    if coloring is None:
        return ""
    if coloring.kind == "number":
        numbers = [value for value in coloring.values if isinstance(value, float)]
        ramp = f'<span style="width:120px;height:12px;background:linear-gradient(90deg,{",".join(RAMP)})"></span>'
        scale = f"<span>{min(numbers):g}</span>{ramp}<span>{max(numbers):g}</span>"
        entries = [
            f'<span style="display:flex;align-items:center;gap:6px"><b>{escape(coloring.field)}</b>{scale}</span>'
        ]
    else:
        entries = [f"<b>{escape(coloring.field)}</b>"]
        entries += [
            f'<span><span style="color:{color}">●</span> {escape(name)}</span>'
            for name, color in coloring.category_colors.items()
        ]
    if None in coloring.values:
        entries.append(f'<span><span style="color:{GREY}">○</span> no value</span>')
    return "".join(entries)
