"""How hits look in a terminal."""

from __future__ import annotations

import pytest
from rich.console import Console

from vicinal.cli.output import build_hits_table
from vicinal.types import Hit, Rendering

WIDTH = 80


def print_hits(*hits, render=None):
    """The lines of the hits on a terminal of 80 columns."""
    console = Console(width=WIDTH, highlight=False)
    with console.capture() as capture:
        console.print(build_hits_table(hits, render=render))
    return [line.rstrip() for line in capture.get().splitlines()]


def hit(rank=1, *, content=None, start=None, **metadata):
    segment = {"number": 0, "start": start, "end": start} if start is not None else None
    return Hit(f"k{rank}", rank, 0.5, 0.5, "", metadata, content, segment)


def test_short_hits_are_rows_of_a_table():
    lines = print_hits(hit(content="a text", year=1999), hit(2, content="another", year=2001))
    assert lines[1].split() == ["#", "similarity", "key", "content", "year"]
    assert lines[3].split() == ["1", "0.500", "████", "k1", "a", "text", "1999"]


def test_long_hits_are_cards_with_a_line_of_rank_key_time_and_short_metadata():
    lines = print_hits(hit(start=200.0, description="a train leaves", title="w" * 90))
    assert lines[1] == " 1  0.500 ████      k1  3:20  description: a train leaves"
    lines = print_hits(hit(content="w" * 90, year=1999, topic="index"))
    assert lines[1] == " 1  0.500 ████      k1  year: 1999  topic: index"
    assert print_hits(hit(content="w" * 90))[1] == " 1  0.500 ████      k1"


def test_texts_are_those_that_the_encoder_renders():
    hits = [hit(content="tt0111161"), hit(2, content="tt0068646")]
    titles = {"tt0111161": "The Shawshank Redemption", "tt0068646": "The Godfather"}
    lines = print_hits(*hits, render=lambda hit: Rendering("text", titles[hit.content]))
    assert [" ".join(line.split()[4:]) for line in lines[3:5]] == list(titles.values())
    lines = print_hits(*hits, render=lambda hit: Rendering("svg", "<svg/>"))  # a terminal draws none
    assert [line.split()[-1] for line in lines[3:5]] == list(titles)


def test_scores_and_notes_of_a_reranker_are_shown():
    lines = print_hits(hit(content="text").with_score(3.14159, "2 words in common"))
    assert lines[1].split() == ["#", "similarity", "key", "score", "content", "note"]
    assert lines[3].split() == ["1", "0.500", "████", "k1", "3.142", "text", "2", "words", "in", "common"]
    found = hit(content="w" * 90).with_score(3.0, "2 words in common")
    assert print_hits(found)[1] == " 1  0.500 ████      k1  score 3  2 words in common"


def test_a_labelled_segment_is_shown_by_its_label_and_excerpt():
    segment = {"number": 4, "label": "characters 401 to 420", "excerpt": "the part that is near"}
    lines = print_hits(Hit("k", 1, 0.5, 0.5, "", {}, "w" * 3_000, segment))
    assert lines[1].split()[-4:] == ["similarity", "key", "at", "content"]
    assert lines[3].split()[3:] == ["k", "characters", "401", "to", "420", "the", "part", "that", "is", "near"]
    segment["excerpt"] = "v" * 90
    lines = print_hits(Hit("k", 1, 0.5, 0.5, "", {}, "w" * 3_000, segment))
    assert lines[1] == " 1  0.500 ████      k  characters 401 to 420"
    assert "".join(line.strip() for line in lines[2:]) == "v" * 90


def test_data_do_not_steer_the_terminal():
    evil, shown = "\x1b[2J\x07[red]\u202e", "\\x1b[2J\\x07[red]\\u202e"
    rows = print_hits(hit(content=f"{evil}\nsecond\tline", **{evil: evil}))
    assert shown in rows[1]
    assert rows[3].count(shown) == 2
    assert rows[4].split() == ["second", "line"]
    cards = print_hits(hit(content=f"{evil}{'w' * 90}", **{evil: evil}))
    assert cards[1].endswith(f"{shown}: {shown}")
    assert cards[2].strip().startswith(shown)
    assert not {"\x1b", "\x07", "\u202e", "\t"} & set("".join(rows + cards))


def test_metadata_may_have_the_names_of_the_columns():
    lines = print_hits(hit(content="a text", start=3.0, at="here", note="mine"))
    assert lines[1].split()[3:] == ["at", "content", "at", "note"]
    assert lines[3].split()[4:] == ["0:03", "a", "text", "here", "mine"]


@pytest.mark.parametrize("letters", [3_000, 3_000_000])
def test_texts_of_thousands_of_letters_are_shortened(letters):
    text = "word " * (letters // 5)
    lines = print_hits(hit(content=text, abstract=text))
    assert len(lines) < 20
    assert sum(line.endswith("…") for line in lines) == 2
    assert max(map(len, lines)) <= WIDTH
    shown = " ".join(line.strip() for line in lines[2:9])
    assert shown == text[:499].strip() + "…"


def test_texts_of_500_letters_are_shown_whole():
    lines = print_hits(hit(content="x" * 500))
    assert "".join(line.strip() for line in lines[2:]) == "x" * 500
