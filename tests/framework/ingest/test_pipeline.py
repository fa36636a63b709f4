"""The way in when an encoder goes wrong, and what observers are told."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from encoders import Hashed
from ingest_helpers import ROWS, Listed, Observer, assert_exact, items
from vicinal import Item, Segment
from vicinal.errors import DependencyError, PluginError

# --- what observers are told


def test_observers_are_told_of_every_item_once(lite):
    observer = Observer()
    lite.manager.register(observer, "observer")
    lite.write([*ROWS, ("b", "bad text", 1)])
    things = lite.solution(extra="ingest: {batch_size: 30}")
    report = things.ingest()
    assert observer.calls[0][:2] == ("started", "things")
    assert observer.calls[-1] == ("finished", report)
    assert ("failed", ["b"]) in observer.calls
    written = [call[1:] for call in observer.calls if call[0] == "written"]
    assert written == [(30, 0, 0), (30, 0, 0), (30, 0, 0), (10, 0, 0)]
    observer.calls.clear()
    things.ingest(limit=40)
    assert observer.calls[0][2] == 40
    assert [call for call in observer.calls if call[0] == "written"] == [("written", 0, 0, 40)]


# --- encoders


class Meeting(Hashed):
    """Each call of ``encode`` waits a while for another one; knows how many there were at once."""

    encode_is_thread_safe = False

    def __init__(self, concurrent):
        super().__init__()
        self.encode_is_thread_safe, self.at_once, self._now, self._changed = concurrent, 0, 0, threading.Condition()

    def encode(self, samples):
        with self._changed:
            self._now += 1
            self.at_once = max(self.at_once, self._now)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.at_once > 1, timeout=60 if self.encode_is_thread_safe else 0.05)
            self._now -= 1
        return super().encode(samples)


@pytest.mark.parametrize(("concurrent", "at_once"), [(True, 2), (False, 1)])
def test_a_run_has_two_batches_encoded_at_once_where_the_encoder_is_concurrent(lite, concurrent, at_once):
    things = lite.solution(extra="ingest: {batch_size: 20}")
    things.encoder = Meeting(concurrent)
    things.source = Listed(items(200))
    assert things.ingest().new == 200
    assert things.encoder.at_once == at_once
    assert_exact(things, 200)


class Exploding(Hashed):
    """Raises what its samples say."""

    def encode(self, samples):
        for sample in samples:
            if "explode" in sample:
                raise ZeroDivisionError(f"cannot encode {sample}")
        return super().encode(samples)


def test_an_item_that_the_encoder_cannot_bear_is_a_failure_wherever_it_stands(lite):
    things = lite.solution()
    things.encoder = Exploding()
    things.source = Listed([*items(70), Item("x", "explode")])
    for _ in range(2):  # at the end of a batch, then alone in one
        report = things.ingest()
        assert (report.failed, report.rows) == (1, 70)
        (failure,) = things.failures()
        assert (failure.key, failure.stage) == ("x", "encode")
        assert failure.message == "ZeroDivisionError: cannot encode explode"
    things.source = Listed([*items(70), Item("x", "explode"), Item("y", "explode, too")])
    assert things.ingest().failed == 2
    assert_exact(things, 70)


def test_an_encoder_that_can_encode_nothing_ends_the_run_with_its_own_error(lite):
    things = lite.solution()
    things.encoder = Exploding()
    things.source = Listed([Item(f"x{number}", "explode") for number in range(20)])
    with pytest.raises(ZeroDivisionError, match="cannot encode explode") as error:
        things.ingest()
    assert error.value.__notes__ == ["raised by test_pipeline.Exploding.encode"]
    assert things.failures() == []
    things.source = Listed(items(10))
    things.ingest()
    things.source = Listed([*items(10), *(Item(f"x{number}", "explode") for number in range(20))])
    with pytest.raises(ZeroDivisionError):  # it has worked before, but a whole batch in a row is no accident
        things.ingest()
    assert_exact(things, 10)


class Odd(Hashed):
    """Returns vectors that are not what its space says."""

    def __init__(self, change):
        super().__init__()
        self._change = change

    def encode(self, samples):
        return self._change(super().encode(samples))


@pytest.mark.parametrize(
    ("change", "form"),
    [
        (lambda vectors: vectors[:, :8], "float32 of shape (32, 8)"),
        (lambda vectors: vectors[1:], "float32 of shape (31, 16)"),
        (lambda vectors: vectors.ravel(), "float32 of shape (512,)"),
        (lambda vectors: vectors.astype(float), "float64 of shape (32, 16)"),
        (lambda vectors: vectors.tolist(), "float64 of shape (32, 16)"),
        (lambda vectors: None, "object of shape ()"),
    ],
)
def test_vectors_of_a_wrong_form_end_the_run_and_name_the_encoder(lite, change, form):
    things = lite.solution()
    things.encoder = Odd(change)
    things.source = Listed(items(70))
    with pytest.raises(PluginError) as error:
        things.ingest()
    assert str(error.value) == f"encoder Odd returned {form}, not float32 of shape (32, 16)"
    assert error.value.__notes__ == ["raised by test_pipeline.Odd.encode"]
    assert things.metadata.state()["items"] == 0
    assert things.failures() == []


def test_vectors_that_are_not_finite_are_failures_of_their_items(lite):
    def spoil(vectors):
        vectors[vectors[:, 0] > 1.0 / 4] = np.nan
        vectors[vectors[:, 1] > 1.0 / 4] = np.inf
        return vectors

    things = lite.solution()
    encoder = things.encoder
    things.encoder = Odd(spoil)
    things.source = Listed(items(200))
    report = things.ingest()
    whole = np.isfinite(spoil(encoder.encode([f"text {number}" for number in range(200)]))).all(axis=1)
    assert 50 < whole.sum() < 150
    assert (report.new, report.failed) == (whole.sum(), 200 - whole.sum())
    assert {(failure.stage, failure.message) for failure in things.failures()} == {
        ("encode", "encoder Odd returned NaN or infinity")
    }
    assert {failure.key for failure in things.failures()} == {f"k{number}" for number in np.flatnonzero(~whole)}
    assert_exact(things, whole.sum())


class Decoding(Hashed):
    """Raises, or returns, what an item's content is."""

    def decode(self, item):
        if isinstance(item.content, BaseException):
            raise item.content
        return item.content if isinstance(item.content, list) else super().decode(item)


def test_whatever_a_decoder_raises_is_a_failure_of_its_item(lite):
    raised = [
        ValueError("v"),
        KeyError("k"),
        AssertionError(),
        MemoryError("m"),
        RecursionError("r"),
        StopIteration(),
    ]
    things = lite.solution()
    things.encoder = Decoding()
    bad = [Item(f"x{number}", error, version="1") for number, error in enumerate(raised)]
    things.source = Listed([*bad, *items(20), Item("none", [], version="1")])
    report = things.ingest()
    assert (report.new, report.failed) == (20, 7)
    assert {failure.key: failure.message for failure in things.failures()} == {
        "x0": "ValueError: v",
        "x1": "KeyError: 'k'",
        "x2": "AssertionError: ",
        "x3": "MemoryError: m",
        "x4": "RecursionError: r",
        "x5": "StopIteration: ",
        "none": "it has no segment to encode",
    }


class ReadsMany(Decoding):
    """Reads many at once, and fails as a whole where one of them does."""

    def decode_many(self, items):
        return [self.decode(item) for item in items]


@pytest.mark.parametrize("encoder", [Decoding, ReadsMany])
def test_a_decoder_without_what_it_needs_ends_the_run_and_what_was_done_is_kept(lite, encoder):
    things = lite.solution(extra="ingest: {batch_size: 20}")
    things.encoder = encoder()
    missing = DependencyError("the weights are gone", hint="fetch them")
    beyond = [Item(f"x{number}", missing, version="1") for number in range(100)]
    things.source = Listed([*items(200), Item("bad", "bad text"), *beyond])
    with pytest.raises(DependencyError, match="the weights are gone") as error:
        things.ingest()
    assert (error.value.hint, error.value.exit_code) == ("fetch them", 4)
    assert {failure.key for failure in things.failures()} <= {"bad"}
    kept = things.metadata.state()["items"]
    assert kept >= 100
    assert_exact(things, kept)
    things.source = Listed(items(220))
    report = things.ingest()
    assert (report.unchanged, report.new, report.failed) == (kept, 220 - kept, 0)
    assert_exact(things, 220)


def test_a_batch_of_many_segments_is_cut_between_items(lite):
    sizes = []

    class Counting(Decoding):
        segmented = True

        def encode(self, samples):
            sizes.append(len(samples))
            return super().encode(samples)

    things = lite.solution(extra="ingest: {batch_size: 10}")
    things.encoder = Counting()
    things.source = Listed(
        Item(f"k{number}", [Segment(f"{number} {part}", float(part)) for part in range(4)], version="1")
        for number in range(8)
    )
    report = things.ingest()
    assert (report.new, report.rows) == (8, 32)
    assert sizes == [12, 12, 8]
