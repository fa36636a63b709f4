"""Mistakes of encoders: each is a failure or an error that names the encoder."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

from encoders import Hashed, Letters
from ingest_helpers import ListSource, assert_consistent, make_items
from vicinal import Item, ItemError, Segment, Space
from vicinal.errors import PluginError, VicinalError


class Reusing(Hashed):
    """Returns its buffer, or a part of it, and fills it again in the next call."""

    def __init__(self):
        super().__init__()
        self._buffer = np.zeros((64, 16), np.float32)

    def encode(self, samples):
        vectors = super().encode(samples)
        self._buffer[: len(samples)] = vectors
        return self._buffer if len(samples) == len(self._buffer) else self._buffer[: len(samples)]


def test_buffer_that_the_encoder_fills_again_is_copied(lite):
    solution = lite.solution()
    solution.encoder = Reusing()
    solution.source = ListSource([*make_items(3_000), Item("x", "spoil")])
    assert solution.ingest().rows == 3_000
    expected = Hashed().encode([f"text {number}" for number in range(3_000)])
    stored = solution.vectors.fetch_vectors(
        [row["id"] for batch in solution.vectors.iter_rows(["id"]) for row in batch]
    )
    assert {np.asarray(vector, np.float32).tobytes() for vector in stored.values()} == {
        vector.tobytes() for vector in expected
    }
    results = solution.search([f"text {number}" for number in range(0, 3_000, 100)], limit=1)
    assert [result[0].key for result in results] == [f"k{number}" for number in range(0, 3_000, 100)]


class Scaling(Hashed):
    """Scales the vectors of texts that end in 7, and of the query "scaled"."""

    factor: float

    def encode(self, samples):
        scaled = [sample.endswith("7") or sample == "scaled" for sample in samples]
        with np.errstate(invalid="ignore", over="ignore"):
            return np.where(
                np.array(scaled)[:, None], super().encode(samples) * np.float32(self.factor), super().encode(samples)
            )


@pytest.mark.parametrize(
    ("metric", "factor", "reason"),
    [
        ("COSINE", 0.0, "encoder Scaling returned a vector of zeros, which has no direction to compare (COSINE)"),
        ("COSINE", 1e-30, "encoder Scaling returned a vector of zeros, which has no direction to compare (COSINE)"),
        ("COSINE", 1e30, "encoder Scaling returned a vector that is too long for float32"),
        ("L2", np.inf, "encoder Scaling returned NaN or infinity"),
        ("IP", 1e30, "encoder Scaling returned a vector that is too long for float32"),
    ],
)
def test_vectors_that_cannot_be_compared_are_failures_of_their_items(lite, metric, factor, reason):
    solution = lite.solution(extra=f"index: {{metric: {metric}}}")
    solution.encoder = Scaling()
    solution.encoder.factor = factor
    solution.source = ListSource(make_items(100))
    report = solution.ingest()
    assert (report.new, report.failed) == (90, 10)
    assert {failure.key for failure in solution.failures()} == {f"k{number}" for number in range(7, 100, 10)}
    assert {(failure.stage, failure.message) for failure in solution.failures()} == {("encode", reason)}
    with pytest.raises(ItemError, match=re.escape(reason)):
        solution.search("scaled")
    assert solution.search("text 1", limit=1)[0].key == "k1"


@pytest.mark.parametrize("metric", ["L2", "IP"])
def test_vectors_of_zeros_are_valid_under_other_metrics(lite, metric):
    solution = lite.solution(extra=f"index: {{metric: {metric}}}")
    solution.encoder = Scaling()
    solution.encoder.factor = 0.0
    solution.source = ListSource(make_items(100))
    assert solution.ingest().new == 100
    assert len(solution.search("scaled", limit=100)) == 100


class Decoding(Hashed):
    """Decodes an item, and a query, into what ``results`` says."""

    results: object

    def decode(self, item):
        return self.results(str(item.content))


def segments_one_by_one(text):
    yield Segment(text)


@pytest.mark.parametrize(
    ("results", "described"),
    [
        (lambda text: text, "a str"),
        (lambda text: [text], "a list of str"),
        (lambda text: [Segment(text), text], "a list of Segment, str"),
        (lambda text: Segment(text), "a Segment"),
        (lambda text: {"sample": text}, "a dict"),
        (segments_one_by_one, "a generator"),
    ],
)
def test_decode_that_returns_no_segments_ends_the_run_and_the_search(lite, results, described):
    solution = lite.solution()
    solution.source = ListSource(make_items(20))
    solution.ingest()
    solution.encoder = Decoding()
    solution.encoder.results = results
    solution.source = ListSource(make_items(40))
    solution.refresh()
    message = f"encoder Decoding: decode{{}} returned {described}, not a list of Segment"
    with pytest.raises(PluginError) as error:
        solution.ingest()
    assert (str(error.value), error.value.hint) == (message.format(""), "return [Segment(sample)]")
    with pytest.raises(PluginError) as error:
        solution.search("text 1")
    assert str(error.value) == message.format("_query")


def test_two_segments_of_an_encoder_that_is_not_segmented_end_the_run(lite):
    solution = lite.solution()
    solution.encoder = Decoding()
    solution.encoder.results = lambda text: [Segment(word) for word in text.split()]
    solution.source = ListSource(make_items(20))
    with pytest.raises(
        PluginError, match="encoder Decoding: decode returned 2 segments for 'k0', but is not segmented"
    ) as error:
        solution.ingest()
    assert error.value.hint == "set `segmented = True` in the encoder's class, or return one segment an item"
    assert solution.metadata.state()["items"] == 0


@pytest.mark.parametrize(
    ("labelled", "segment", "returned"),
    [
        (False, Segment("a"), "segments without times for 'k0', but is segmented"),
        (False, Segment("a", label="word"), "labels for 'k0', but is not labelled"),
        (True, Segment("a"), "a segment without a label for 'k0', but is labelled"),
    ],
)
def test_segments_that_cannot_be_told_apart_end_the_run(lite, labelled, segment, returned):
    solution = lite.solution()
    solution.encoder = type("Cutting", (Decoding,), {"segmented": True, "labelled": labelled})()
    solution.encoder.results = lambda text: [segment, segment]
    solution.source = ListSource(make_items(20))
    with pytest.raises(PluginError) as error:
        solution.ingest()
    assert str(error.value) == f"encoder Cutting: decode returned {returned}"
    assert error.value.hint


class DecodingMany(Hashed):
    results: object

    def decode_many(self, items):
        return self.results(super().decode_many(items))


@pytest.mark.parametrize(
    ("results", "described"),
    [(lambda found: found[1:], "a list of list"), (lambda found: None, "None"), (lambda found: [], "an empty list")],
)
def test_decode_many_that_returns_another_number_of_results_ends_the_run(lite, results, described):
    solution = lite.solution()
    solution.encoder = DecodingMany()
    solution.encoder.results = results
    solution.source = ListSource(make_items(16))
    with pytest.raises(PluginError) as error:
        solution.ingest()
    assert str(error.value) == f"encoder DecodingMany: decode_many returned {described} for 16 items"


class Exiting(Hashed):
    """Calls sys.exit at some texts, as libraries do that are programs at heart."""

    def decode(self, item):
        if "leave" in str(item.content):
            sys.exit(3)
        return super().decode(item)

    def encode(self, samples):
        if any("exit" in sample for sample in samples):
            sys.exit("fatal: cannot go on")
        return super().encode(samples)


def test_sys_exit_at_one_item_is_its_failure(lite):
    solution = lite.solution()
    solution.encoder = Exiting()
    solution.source = ListSource([*make_items(30), Item("x", "leave"), Item("y", "exit"), *make_items(60)[30:]])
    report = solution.ingest()
    assert (report.new, report.failed) == (60, 2)
    assert {failure.key: (failure.stage, failure.message) for failure in solution.failures()} == {
        "x": ("decode", "encoder Exiting called sys.exit(3) in decode"),
        "y": ("encode", "encoder Exiting called sys.exit('fatal: cannot go on') in encode"),
    }
    assert_consistent(solution, 60)
    for query, method in (("leave", "3) in decode_query"), ("exit", "'fatal: cannot go on') in encode")):
        with pytest.raises(PluginError, match=re.escape(f"encoder Exiting called sys.exit({method}")):
            solution.search(query)
        with pytest.raises(VicinalError, match=r"encoder Exiting called sys\.exit"):
            solution.add(Item("new", query))


def test_sys_exit_at_every_item_ends_the_run_with_an_error(lite):
    solution = lite.solution()
    solution.encoder = Exiting()
    solution.source = ListSource([Item(f"y{number}", "exit") for number in range(20)])
    with pytest.raises(
        PluginError, match=re.escape("encoder Exiting called sys.exit('fatal: cannot go on') in encode")
    ):
        solution.ingest()
    assert solution.failures() == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("signature", None, "encoder Odd: signature is None, not a text"),
        ("signature", "", "encoder Odd: signature is '', not a text"),
        ("signature", b"odd", "encoder Odd: signature is b'odd', not a text"),
        ("space", None, "encoder Odd: space is None, not a Space"),
        ("space", 16, "encoder Odd: space is 16, not a Space"),
        ("space", Space(16, "binary"), "encoder Odd: its space is binary and its metric COSINE"),
        ("space", Space(16, "float", "JACCARD"), "encoder Odd: its space is float and its metric JACCARD"),
    ],
)
def test_encoder_without_signature_or_space_is_refused_before_anything_is_stored(lite, name, value, message):
    lite.write([("a", "text", 1)])
    solution = lite.solution()
    solution.encoder = type("Odd", (Hashed,), {name: value})()
    for use in (solution.ingest, lambda: solution.add(Item("k", "text"))):
        with pytest.raises(PluginError) as error:
            use()
        assert str(error.value) == message
    assert solution.metadata.state() == {}


def test_fingerprints_of_zeros_are_failures(lite):
    class Blank(Letters):
        def encode(self, samples):
            return super().encode(samples) * np.array([["blank" not in sample] for sample in samples], np.uint8)

    solution = lite.solution(encoder="{type: letters}")
    solution.encoder = Blank()
    solution.source = ListSource([Item("a", "blank"), Item("b", "text")])
    solution.ingest()
    assert [(failure.key, failure.message) for failure in solution.failures()] == [
        ("a", "the fingerprint is all zeros")
    ]
