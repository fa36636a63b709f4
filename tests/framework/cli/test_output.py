"""How hits look in a terminal."""

from __future__ import annotations

import pytest
from rich.console import Console

from vicinal.cli.output import build_hits_table
from vicinal.types import Hit

WIDTH = 80


def render(*hits):
    """The lines of the hits on a terminal of 80 columns."""
    console = Console(width=WIDTH, highlight=False)
    with console.capture() as capture:
        console.print(build_hits_table(hits))
    return [line.rstrip() for line in capture.get().splitlines()]


def hit(rank=1, *, content=None, start=None, **metadata):
    segment = {"number": 0, "start": start, "end": start} if start is not None else None
    return Hit(f"k{rank}", rank, 0.5, 0.5, "", metadata, content, segment)


def test_short_hits_are_rows_of_a_table():
    lines = render(hit(content="a text", year=1999), hit(2, content="another", year=2001))
    assert lines[1].split() == ["#", "similarity", "key", "content", "year"]
    assert lines[3].split() == ["1", "0.500", "████", "k1", "a", "text", "1999"]


def test_long_hits_are_cards_with_a_line_of_rank_key_time_and_short_metadata():
    lines = render(hit(start=200.0, description="a train leaves", title="w" * 90))
    assert lines[1] == " 1  0.500 ████      k1  3:20  description: a train leaves"
    lines = render(hit(content="w" * 90, year=1999, topic="index"))
    assert lines[1] == " 1  0.500 ████      k1  year: 1999  topic: index"
    assert render(hit(content="w" * 90))[1] == " 1  0.500 ████      k1"


def test_a_labelled_segment_is_shown_by_its_label_and_excerpt():
    segment = {"number": 4, "label": "characters 401 to 420", "excerpt": "the part that is near"}
    lines = render(Hit("k", 1, 0.5, 0.5, "", {}, "w" * 3_000, segment))
    assert lines[1].split()[-4:] == ["similarity", "key", "at", "content"]
    assert lines[3].split()[3:] == ["k", "characters", "401", "to", "420", "the", "part", "that", "is", "near"]
    segment["excerpt"] = "v" * 90
    lines = render(Hit("k", 1, 0.5, 0.5, "", {}, "w" * 3_000, segment))
    assert lines[1] == " 1  0.500 ████      k  characters 401 to 420"
    assert "".join(line.strip() for line in lines[2:]) == "v" * 90


@pytest.mark.parametrize("letters", [3_000, 3_000_000])
def test_texts_of_thousands_of_letters_are_shortened(letters):
    text = "word " * (letters // 5)
    lines = render(hit(content=text, abstract=text))
    assert len(lines) < 20
    assert sum(line.endswith("…") for line in lines) == 2
    assert max(map(len, lines)) <= WIDTH
    shown = " ".join(line.strip() for line in lines[2:9])
    assert shown == text[:499].strip() + "…"


def test_texts_of_500_letters_are_shown_whole():
    lines = render(hit(content="x" * 500))
    assert "".join(line.strip() for line in lines[2:]) == "x" * 500
