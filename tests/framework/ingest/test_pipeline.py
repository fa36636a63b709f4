"""Ingest when an encoder fails, and what observers are notified of."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from encoders import Hashed
from ingest_helpers import ROWS, ListSource, Observer, assert_consistent, make_items
from vicinal import Item, Segment
from vicinal.errors import DependencyError, PluginError

# --- observers


def test_observers_are_notified_of_every_item_once(lite):
    observer = Observer()
    lite.manager.register(observer, "observer")
    lite.write([*ROWS, ("b", "bad text", 1)])
    solution = lite.solution(extra="ingest: {batch_size: 30}")
    report = solution.ingest()
    assert observer.calls[0][:2] == ("started", "things")
    assert observer.calls[-1] == ("finished", report)
    assert ("failed", ["b"]) in observer.calls
    written = [call[1:] for call in observer.calls if call[0] == "written"]
    assert written == [(30, 0, 0), (30, 0, 0), (30, 0, 0), (10, 0, 0)]
    observer.calls.clear()
    solution.ingest(limit=40)
    assert observer.calls[0][2] == 40
    assert [call for call in observer.calls if call[0] == "written"] == [("written", 0, 0, 40)]


# --- encoders


class ConcurrencyCounting(Hashed):
    """Each call of ``encode`` waits a while for another one; ``at_once`` is how many there were at once."""

    encode_is_thread_safe = False

    def __init__(self, is_thread_safe):
        super().__init__()
        self.encode_is_thread_safe, self.at_once, self._now, self._changed = is_thread_safe, 0, 0, threading.Condition()

    def encode(self, samples):
        with self._changed:
            self._now += 1
            self.at_once = max(self.at_once, self._now)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.at_once > 1, timeout=60 if self.encode_is_thread_safe else 0.05)
            self._now -= 1
        return super().encode(samples)


@pytest.mark.parametrize(("is_thread_safe", "at_once"), [(True, 2), (False, 1)])
def test_two_batches_are_encoded_at_once_if_the_encoder_is_thread_safe(lite, is_thread_safe, at_once):
    solution = lite.solution(extra="ingest: {batch_size: 20}")
    solution.encoder = ConcurrencyCounting(is_thread_safe)
    solution.source = ListSource(make_items(200))
    assert solution.ingest().new == 200
    assert solution.encoder.at_once == at_once
    assert_consistent(solution, 200)


def test_two_batches_are_written_to_a_server_at_once_and_one_to_an_embedded_milvus(workshop, monkeypatch):
    solution = workshop.solution(extra="ingest: {batch_size: 20}")
    solution.source = ListSource(make_items(200))
    solution.open()
    upsert, wanted = solution.vectors.upsert_rows, 1 if workshop.embedded else 2
    now, most, changed = 0, 0, threading.Condition()

    def upsert_rows(rows):
        """Each call waits a while for another one."""
        nonlocal now, most
        with changed:
            now += 1
            most = max(most, now)
            changed.notify_all()
            changed.wait_for(lambda: most > 1, timeout=60 if wanted == 2 else 0.05)
        upsert(rows)
        with changed:
            now -= 1

    monkeypatch.setattr(solution.vectors, "upsert_rows", upsert_rows)
    report = solution.ingest()

    assert (report.new, report.rows, most) == (200, 200, wanted)
    assert_consistent(solution, 200)


class Exploding(Hashed):
    """Raises what its samples say."""

    def encode(self, samples):
        for sample in samples:
            if "explode" in sample:
                raise ZeroDivisionError(f"cannot encode {sample}")
        return super().encode(samples)


def test_item_that_makes_encode_raise_is_a_failure_at_any_position(lite):
    solution = lite.solution()
    solution.encoder = Exploding()
    solution.source = ListSource([*make_items(70), Item("x", "explode")])
    for _ in range(2):  # at the end of a batch, then alone in one
        report = solution.ingest()
        assert (report.failed, report.rows) == (1, 70)
        (failure,) = solution.failures()
        assert (failure.key, failure.stage) == ("x", "encode")
        assert failure.message == "ZeroDivisionError: cannot encode explode"
    solution.source = ListSource([*make_items(70), Item("x", "explode"), Item("y", "explode, too")])
    assert solution.ingest().failed == 2
    assert_consistent(solution, 70)


def test_broken_encoder_ends_the_run_with_its_own_error(lite):
    solution = lite.solution()
    solution.encoder = Exploding()
    solution.source = ListSource([Item(f"x{number}", "explode") for number in range(20)])
    with pytest.raises(ZeroDivisionError, match="cannot encode explode") as error:
        solution.ingest()
    assert error.value.__notes__ == ["raised by encoder Exploding in encode"]
    assert solution.failures() == []
    solution.source = ListSource(make_items(10))
    solution.ingest()
    solution.source = ListSource([*make_items(10), *(Item(f"x{number}", "explode") for number in range(20))])
    with pytest.raises(ZeroDivisionError):  # it has succeeded before, but not one item of a whole batch is encoded now
        solution.ingest()
    assert_consistent(solution, 10)


class Altering(Hashed):
    """Returns its vectors as ``change`` alters them."""

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
def test_vectors_of_wrong_shape_or_dtype_end_the_run_and_name_the_encoder(lite, change, form):
    solution = lite.solution()
    solution.encoder = Altering(change)
    solution.source = ListSource(make_items(70))
    with pytest.raises(PluginError) as error:
        solution.ingest()
    assert str(error.value) == f"encoder Altering returned {form}, not float32 of shape (32, 16)"
    assert error.value.__notes__ == ["raised by encoder Altering in encode"]
    assert solution.metadata.state()["items"] == 0
    assert solution.failures() == []


def test_items_with_nan_or_infinite_vectors_are_failures(lite):
    def spoil(vectors):
        vectors[vectors[:, 0] > 1.0 / 4] = np.nan
        vectors[vectors[:, 1] > 1.0 / 4] = np.inf
        return vectors

    solution = lite.solution()
    encoder = solution.encoder
    solution.encoder = Altering(spoil)
    solution.source = ListSource(make_items(200))
    report = solution.ingest()
    whole = np.isfinite(spoil(encoder.encode([f"text {number}" for number in range(200)]))).all(axis=1)
    assert 50 < whole.sum() < 150
    assert (report.new, report.failed) == (whole.sum(), 200 - whole.sum())
    assert {(failure.stage, failure.message) for failure in solution.failures()} == {
        ("encode", "encoder Altering returned NaN or infinity")
    }
    assert {failure.key for failure in solution.failures()} == {f"k{number}" for number in np.flatnonzero(~whole)}
    assert_consistent(solution, whole.sum())


class Decoding(Hashed):
    """Raises, or returns, what an item's content is."""

    def decode(self, item):
        if isinstance(item.content, BaseException):
            raise item.content
        return item.content if isinstance(item.content, list) else super().decode(item)


def test_any_exception_of_decode_is_a_failure_of_its_item(lite):
    raised = [
        ValueError("v"),
        KeyError("k"),
        AssertionError(),
        MemoryError("m"),
        RecursionError("r"),
        StopIteration(),
    ]
    solution = lite.solution()
    solution.encoder = Decoding()
    bad = [Item(f"x{number}", error, version="1") for number, error in enumerate(raised)]
    solution.source = ListSource([*bad, *make_items(20), Item("none", [], version="1")])
    report = solution.ingest()
    assert (report.new, report.failed) == (20, 7)
    assert {failure.key: failure.message for failure in solution.failures()} == {
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
def test_missing_dependency_of_decode_ends_the_run_and_keeps_finished_batches(lite, encoder):
    solution = lite.solution(extra="ingest: {batch_size: 20}")
    solution.encoder = encoder()
    missing = DependencyError("the weights are gone", hint="fetch them")
    beyond = [Item(f"x{number}", missing, version="1") for number in range(100)]
    solution.source = ListSource([*make_items(200), Item("bad", "bad text"), *beyond])
    with pytest.raises(DependencyError, match="the weights are gone") as error:
        solution.ingest()
    assert (error.value.hint, error.value.exit_code) == ("fetch them", 4)
    assert {failure.key for failure in solution.failures()} <= {"bad"}
    kept = solution.metadata.state()["items"]
    assert kept >= 100
    assert_consistent(solution, kept)
    solution.source = ListSource(make_items(220))
    report = solution.ingest()
    assert (report.unchanged, report.new, report.failed) == (kept, 220 - kept, 0)
    assert_consistent(solution, 220)


def test_batch_is_split_between_items_not_within_one(lite):
    sizes = []

    class Counting(Decoding):
        segmented = True

        def encode(self, samples):
            sizes.append(len(samples))
            return super().encode(samples)

    solution = lite.solution(extra="ingest: {batch_size: 10}")
    solution.encoder = Counting()
    solution.source = ListSource(
        Item(f"k{number}", [Segment(f"{number} {part}", float(part)) for part in range(4)], version="1")
        for number in range(8)
    )
    report = solution.ingest()
    assert (report.new, report.rows) == (8, 32)
    assert sizes == [12, 12, 8]
