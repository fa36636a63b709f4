"""Text for messages and tables."""

from __future__ import annotations

import re

__all__ = ["escape_controls", "shorten"]

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def shorten(text: str, max_chars: int) -> str:
    """The text, or its beginning and an ellipsis where it is longer."""
    return text if len(text) <= max_chars else text[: max_chars - 1].rstrip() + "…"


def escape_controls(text: str) -> str:
    """Escape what a terminal or a log would obey: line ends, colours, the direction of writing."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
