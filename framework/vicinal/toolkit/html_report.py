"""A report as a page of its own: sections with texts, tables and plots in one HTML file that loads nothing.

Plotly's script stands in it once, and only where there is a plot. The page's policy names its own scripts by their
hashes, so that no other one runs, whatever an item's text may be.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from vicinal.toolkit.pages import dump_json, fill_template, read_plotly, require_plotly

__all__ = ["Section", "format_table", "render_page"]

_FOLDER = Path(__file__).parent
_TEMPLATES = ("hovertemplate", "texttemplate")
"""The texts of a figure in which tags are meant: they are the program's, and what they insert is escaped."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report: ``body`` is HTML, whose author escapes what is data.

    ``figure`` is one of plotly, with ``data`` and ``layout``, and stands before the body. Its texts are shown as they
    are: tags in them are escaped, except in a ``hovertemplate`` or ``texttemplate``.
    """

    heading: str
    body: str = ""
    figure: Mapping[str, Any] | None = None


def render_page(title: str, sections: Sequence[Section], lead: str = "", extra: str = "evaluate") -> str:
    """The HTML of a page, light or dark as the reader's system is, and light on paper.

    Args:
        title: a text, the page's heading and the browser's title.
        lead: a text below it, of one sentence or two.
        extra: which of vicinal's extras brings plotly, for the error where it is not installed.

    Raises:
        DependencyError: there is a plot, and plotly is not installed.
    """
    figures = [_escape_figure(section.figure) for section in sections if section.figure is not None]
    if figures:
        require_plotly(extra)
    scripts = [read_plotly(), _read_file("report_page.js")] if figures else []
    data = f'<script id="figures" type="application/json">{dump_json(figures)}</script>\n' if figures else ""
    numbers = iter(range(len(figures)))
    parts = {
        "title": escape(title),
        "lead": f"<p>{escape(lead)}</p>" if lead else "",
        "style": _read_file("report_page.css"),
        "hashes": " ".join(map(_hash_script, scripts)) or "'none'",
        "sections": "\n".join(_format_section(section, numbers) for section in sections),
        "scripts": data + "\n".join(f"<script>{script}</script>" for script in scripts),
    }
    return fill_template(_read_file("report_page.html"), parts)


def format_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """An HTML table of texts, which scrolls where it is wider than the page."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _format_section(section: Section, numbers: Iterator[int]) -> str:
    plot = "" if section.figure is None else f'<div class="plot" data-figure="{next(numbers)}"></div>'
    return f"<section><h2>{escape(section.heading)}</h2>{plot}{section.body}</section>"


def _escape_figure(value: Any, name: str = "") -> Any:
    """Plotly reads some tags in its texts; JSON has no lone surrogates."""
    if isinstance(value, str):
        text = value.encode(errors="replace").decode()
        return text if name in _TEMPLATES else escape(text, quote=False)
    if isinstance(value, Mapping):
        return {key: _escape_figure(one, key) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_escape_figure(one, name) for one in value]
    return value


def _hash_script(script: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _read_file(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
