"""Segments with a label and an excerpt in place of times: what hits and JSON say of them."""

import json

import pytest

from vicinal import Rendering

pytestmark = pytest.mark.long_on_server

TEXT = "gattaca " * 300


@pytest.fixture
def labelled(workshop):
    workshop.write([("long", f"{TEXT}banana", 1), ("short", "cherry", 2)])
    things = workshop.solution("labelled", encoder="{type: labelled}")
    things.ingest()
    return things


def test_a_hit_tells_the_segment_that_was_found(labelled):
    (first, second) = labelled.search("banana", limit=2)
    assert first.key == "long"
    assert first.segment == {"number": 300, "label": "word 301", "excerpt": "banana"}
    assert (second.key, second.segment["label"]) == ("short", "word 1")


def test_json_holds_the_excerpt_and_on_request_the_whole(labelled):
    """A windowed hit of a record of millions of letters is a line of JSON."""
    result = labelled.search("banana", limit=1)
    (hit,) = result.to_dict("labelled")["hits"]
    assert hit["content"] == "banana"
    (whole,) = result.to_dict("labelled", whole=True)["hits"]
    assert whole["content"] == f"{TEXT}banana"
    assert len(json.dumps(hit)) < 500 < len(json.dumps(whole))


def test_it_is_rendered_as_its_excerpt(labelled):
    assert labelled.render(labelled.search("banana", limit=1)[0]) == Rendering("text", "banana")


@pytest.mark.parametrize("render", [lambda item: str(item.content), lambda item: 1 / 0])
def test_what_render_makes_that_is_no_rendering_is_the_text(lite, render):
    lite.write([("a", "some words", 1)])
    things = lite.solution()
    things.ingest()
    things.encoder.render = render
    assert things.render(things.search("words", limit=1)[0]) == Rendering("text", "some words")


def test_a_long_text_without_excerpt_is_shortened_in_json_alone(lite):
    lite.write([("long", "word " * 1000, 1)])
    things = lite.solution()
    things.ingest()
    result = things.search("word", limit=1)
    assert len(result[0].content) > 4_900
    (hit,) = result.to_dict("things")["hits"]
    assert (len(hit["content"]), hit["content"][-1]) == (2_000, "…")


def test_an_export_keeps_labels_and_excerpts(labelled, tmp_path):
    labelled.export(tmp_path / "labelled.parquet")
    labelled.drop()
    labelled.import_(tmp_path / "labelled.parquet")
    assert labelled.search("banana", limit=1)[0].segment == {"number": 300, "label": "word 301", "excerpt": "banana"}
