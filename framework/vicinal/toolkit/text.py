"""Text for messages and tables."""

from __future__ import annotations

__all__ = ["shorten"]


def shorten(text: str, max_chars: int) -> str:
    """The text, or its beginning and an ellipsis where it is longer."""
    return text if len(text) <= max_chars else text[: max_chars - 1].rstrip() + "…"
