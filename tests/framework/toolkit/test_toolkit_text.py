"""Text for messages and tables."""

from __future__ import annotations

import pytest

from vicinal.toolkit.text import escape_controls, shorten


def test_longer_texts_end_in_an_ellipsis():
    assert shorten("seven letters", 13) == "seven letters"
    assert shorten("seven letters", 12) == "seven lette…"
    assert shorten("seven letters", 7) == "seven…"  # no space before the ellipsis
    assert shorten("", 5) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, größe 日本 👩‍🔬", "plain, größe 日本 👩‍🔬"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[31mred\x9b\x7f\0", "\\x1b[31mred\\x9b\\x7f\\x00"),
        ("\u202egpj.exe\u2066", "\\u202egpj.exe\\u2066"),
        ("half \ud800", "half \\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text, shown):
    assert escape_controls(text) == shown
