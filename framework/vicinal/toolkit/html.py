"""HTML that notebooks show: cards with pictures, players, drawings and texts.

It needs no other file and no network: media are data URIs of small copies. Everything else is escaped, and an SVG is
the source of an ``<img>``, in which no script runs. Colours are those of the page, so that cards are readable on a
light and on a dark one; a drawing, whose ink may be black, stands on white.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from vicinal.toolkit.media_preview import MAX_FILE_BYTES, Preview, preview_media
from vicinal.toolkit.text import shorten

__all__ = ["Card", "build_cards", "media_to_html"]

_MAX_TEXT_CHARS = 500
_MAX_SHORT_CHARS = 40
_CARD_WIDTHS = {"svg": "210px", "image": "170px", "audio": "270px", "video": "250px"}
_BOX = "border:1px solid rgba(128,128,128,.4);border-radius:8px;padding:8px;box-sizing:border-box"
_ROW = "display:flex;flex-wrap:wrap;gap:10px;align-items:flex-start;line-height:1.35;font-size:13px"


class Card(NamedTuple):
    """How one thing is shown: ``media`` is HTML, all else are texts."""

    kind: str
    """What ``media`` is: ``text``, ``svg``, ``image``, ``audio`` or ``video``."""
    media: str
    title: str
    subtitle: str = ""
    details: Sequence[tuple[str, str]] = ()


def build_cards(cards: Sequence[Card], nothing: str) -> str:
    """Cards side by side, those of texts below each other; ``nothing`` is what stands there without any."""
    body = "".join(map(_format_card, cards)) or f"<em>{escape(nothing)}</em>"
    return f'<div style="{_ROW}">{body}</div>'


def media_to_html(kind: str, value: str, label: str = "", start: float | None = None, end: float | None = None) -> str:
    """A text, an SVG, or the media file that ``value`` names, of a sound or video the part from ``start`` to ``end``.

    In place of a file that cannot be shown stands its name.
    """
    if kind == "text":
        return (
            f'<div style="white-space:pre-wrap;overflow-wrap:anywhere">{escape(shorten(value, _MAX_TEXT_CHARS))}</div>'
        )
    if kind == "svg":
        return _svg_to_html(value, label)
    assert kind in ("image", "audio", "video")
    path = Path(value)
    preview = preview_media(kind, path, start, end)  # type: ignore[arg-type]
    return _missing_to_html(path) if preview is None else _player_to_html(kind, preview, label or path.name)


def _format_card(card: Card) -> str:
    width = _CARD_WIDTHS.get(card.kind)
    size = f"width:{width}" if width else "flex:1 1 100%"
    details = "".join(_format_detail(name, shorten(value, _MAX_TEXT_CHARS)) for name, value in card.details)
    return (
        f'<div style="{_BOX};{size}">{card.media}'
        f'<div style="margin-top:6px;overflow-wrap:anywhere"><strong>{escape(card.title)}</strong> '
        f'<span style="opacity:.65">{escape(card.subtitle)}</span></div>{details}</div>'
    )


def _format_detail(name: str, value: str) -> str:
    """Short ones stand beside each other, a long one on lines of its own."""
    tag = "span" if len(value) <= _MAX_SHORT_CHARS else "div"
    name = f'<span style="opacity:.65">{escape(name)}</span>'
    return f'<{tag} style="margin-right:12px;overflow-wrap:anywhere">{name} {escape(value)}</{tag}> '


def _svg_to_html(source: str, label: str) -> str:
    if 'xmlns="http://www.w3.org/2000/svg"' not in source and "xmlns='http://www.w3.org/2000/svg'" not in source:
        source = re.sub(r"<svg\b", '<svg xmlns="http://www.w3.org/2000/svg"', source, count=1)
    uri = _data_uri(Preview(source.encode(errors="replace"), "image/svg+xml"))
    style = "display:block;max-width:100%;max-height:190px;background:#fff;border-radius:4px"
    return f'<img alt="{escape(label)}" src="{uri}" style="{style}">'


def _player_to_html(kind: str, preview: Preview, label: str) -> str:
    uri, name = _data_uri(preview), escape(label)
    style = "display:block;max-width:100%;border-radius:4px"
    if kind == "image":
        return f'<img alt="{name}" src="{uri}" style="{style}">'
    if kind == "audio":
        return f'<audio controls preload="metadata" title="{name}" src="{uri}" style="{style}"></audio>'
    return f'<video controls muted preload="auto" title="{name}" src="{uri}" style="{style}"></video>'


def _missing_to_html(path: Path) -> str:
    try:
        size = path.stat().st_size
    except (OSError, ValueError):
        reason = "the file no longer exists"
    else:
        reason = f"{size / 1e6:.1f} MB" if size > MAX_FILE_BYTES else "cannot be shown here"
    return f'<div style="opacity:.65;overflow-wrap:anywhere">{escape(path.name)} ({reason})</div>'


def _data_uri(preview: Preview) -> str:
    return f"data:{preview.media_type};base64,{b64encode(preview.data).decode()}"
