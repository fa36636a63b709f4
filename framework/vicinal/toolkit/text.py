"""What can be seen of a text, and how messages and tables show one."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["describe_kind", "escape_controls", "is_blank", "shorten"]

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_ASCII_BLANKS = "".join(map(chr, range(33))) + "\x7f"
_BLANK_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Mc", "Me", "Mn", "Zl", "Zp", "Zs"))
_BLANK_CHARACTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0\ufffc\ufffe\uffff")
"""Hangul's fillers, the empty Braille pattern, the mark of an embedded object, and a reversed byte order mark."""


def is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen: it has only whitespace, control, zero-width and combining characters.

    Unassigned and private characters count as visible: they may be newer than this Python, or have a font of their own.
    """
    if text.isascii():
        return not text.strip(_ASCII_BLANKS)
    return all(
        character in _BLANK_CHARACTERS or unicodedata.category(character) in _BLANK_CATEGORIES for character in text
    )


def shorten(text: str, max_chars: int) -> str:
    """The text, or its beginning and an ellipsis where it is longer."""
    return text if len(text) <= max_chars else text[: max_chars - 1].rstrip() + "…"


def describe_kind(value: object) -> str:
    """What a value is, for a message that says what a plugin returned: ``None``, ``a dict``, ``a list of int, str``."""
    kind = type(value).__name__
    if value is None:
        return "None"
    if isinstance(value, list | tuple):
        kinds = sorted({type(element).__name__ for element in value})
        return f"a {kind} of {', '.join(kinds)}" if kinds else f"an empty {kind}"
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def escape_controls(text: str) -> str:
    """Escape what a terminal or a log would obey: line ends, colours, the direction of writing."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
