"""What can be seen of a text, and how messages and tables show one."""

from __future__ import annotations

import pytest

from vicinal.toolkit.text import escape_controls, is_blank, shorten


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


@pytest.mark.parametrize(
    "text", ["", " \t\r\n", "\x00\x1f\x7f", "\u200b\u200d\ufeff", "\u0301", "\u3164\u2800", "\ud800"]
)
def test_a_text_without_anything_to_see_is_blank(text):
    assert is_blank(text)


@pytest.mark.parametrize("text", ["0", " .", "\u200ba", "é", "e\u0301", "\ue000", "\U000e1000"])
def test_a_text_with_something_to_see_is_not(text):
    assert not is_blank(text)
