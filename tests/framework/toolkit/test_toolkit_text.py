"""Text for messages and tables."""

from vicinal.toolkit.text import shorten


def test_longer_texts_end_in_an_ellipsis():
    assert shorten("seven letters", 13) == "seven letters"
    assert shorten("seven letters", 12) == "seven lette…"
    assert shorten("seven letters", 7) == "seven…"  # no space before the ellipsis
    assert shorten("", 5) == ""
