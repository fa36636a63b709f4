"""The way in when a source goes wrong, and when Ctrl-C ends it."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from ingest_helpers import Listed, Observer, assert_exact, items
from vicinal import Failure, Item, hookimpl
from vicinal.errors import SourceError

# --- sources


def test_a_source_that_breaks_off_leaves_what_was_done(lite):
    def breaking():
        yield from items(3_000)
        raise OSError(5, "Input/output error")

    things = lite.solution()
    things.source = Listed(breaking)
    with pytest.raises(SourceError, match=r"the source cannot be read: \[Errno 5\] Input/output error"):
        things.ingest()
    done = things.metadata.state()["items"]
    assert 0 < done <= 3_000
    things.source = Listed(items(3_000))
    report = things.ingest()
    assert (report.new, report.unchanged) == (3_000 - done, done)
    assert_exact(things, 3_000)


def test_what_a_slow_source_gave_does_not_wait_for_the_rest(lite):
    things, written = lite.solution(), threading.Event()
    things.manager.register(Observer(written.set), "observer")

    def slow():
        yield from items(3)
        time.sleep(0.3)
        yield Item("k3", "text 3")
        assert written.wait(30)
        yield from items(10)[4:]

    things.source = Listed(slow)
    assert things.ingest().new == 10
    assert_exact(things, 10)


def test_a_defect_of_a_source_keeps_its_traceback(lite):
    things = lite.solution()
    things.source = Listed(lambda: (Item(f"k{1 // number}", "x") for number in (1, 0)))
    with pytest.raises(ZeroDivisionError):
        things.ingest()


def test_failures_of_a_source_are_recorded_and_their_items_kept(lite):
    things = lite.solution()
    things.source = Listed(items(5))
    things.ingest()
    things.source = Listed([Failure("k1", "read", "damaged", "file:///k1"), *items(1)])
    report = things.ingest(prune=True)
    assert (report.seen, report.unchanged, report.failed, report.removed, report.rows) == (2, 1, 1, 3, 2)
    assert [(failure.key, failure.message) for failure in things.failures()] == [("k1", "damaged")]
    assert things.search("text 1", limit=1)[0].key == "k1"


# --- what was not seen is not pruned


def test_prune_keeps_everything_if_a_file_of_many_items_fails(lite):
    """The keys of its records do not say that they are of this file, so any of those not seen may be."""
    records = [Item(f"{name}-{number}", f"{name} {number}") for name in ("a.fasta", "b.fasta") for number in range(84)]
    things = lite.solution()
    things.source = Listed(records)
    things.ingest()
    unreadable = Failure("b.fasta", "read", "truncated gzip file")
    things.source = Listed([*records[:80], unreadable])
    report = things.ingest(prune=True)
    assert (report.removed, report.failed, report.rows) == (0, 1, 168)
    assert report.warnings == [
        "nothing was pruned: the source could not read 'b.fasta', which may hold indexed items;"
        " repair or exclude it (`vicinal failures` says what is wrong with it)"
    ]
    assert things.search("b.fasta 83", limit=1)[0].key == "b.fasta-83"
    things.source = Listed([*records[:80], *records[84:]])
    report = things.ingest(prune=True)
    assert (report.removed, report.rows, report.warnings, things.failures()) == (4, 164, [], [])


def test_prune_keeps_everything_if_the_source_breaks_off(lite):
    def breaking():
        yield from items(10)
        raise OSError(5, "Input/output error")

    things = lite.solution()
    things.source = Listed(items(50))
    things.ingest()
    things.source = Listed(breaking)
    with pytest.raises(SourceError):
        things.ingest(prune=True)
    assert_exact(things, 50)


def test_failures_in_a_file_that_cannot_be_read_any_more_are_not_cleared(lite):
    things = lite.solution()
    things.source = Listed([*items(5), Item("record", "bad text")])
    things.ingest()
    things.source = Listed([*items(5), Failure("file", "read", "damaged")])
    things.ingest()
    assert [failure.key for failure in things.failures()] == ["file", "record"]
    things.metadata.clear_failures(["file"])
    assert things.retry().seen == 0
    assert [failure.key for failure in things.failures()] == ["record"]
    things.source = Listed(items(5))
    things.ingest()
    assert things.failures() == []


def test_failure_whose_key_is_not_unicode_is_recorded(lite):
    things = lite.solution()
    things.source = Listed([*items(5), Failure("caf\udce9", "read", "damaged")])
    assert things.ingest(prune=True).failed == 1
    assert [failure.key for failure in things.failures()] == ["caf\\udce9"]


# --- items that cannot be stored


def test_items_that_cannot_be_kept_are_failures(lite):
    things = lite.solution()
    odd = [
        Item("object", "a", "", {"x": object()}),
        Item("bytes", "a", "", {"x": b"1"}),
        Item("number", "a", "", {"x": 2**70}),
        Item("half", "a", "", {"x": "\ud800"}),
        Item("uri", "a", "\udcff"),
        Item("text", "\udcff", version="1"),
        Item("caf\udce9", "a"),
        Item("", "a"),
        Item("k" * 1_025, "a"),
        Item("vast", "a" * 5_000_000),
    ]
    things.source = Listed([*odd, *items(20)])
    report = things.ingest()
    assert (report.new, report.failed, report.rows) == (20, 10, 20)
    assert {failure.stage for failure in things.failures()} == {"read"}
    names = {"object", "bytes", "number", "half", "uri", "text", "caf\\udce9", "(no key)", "k" * 200, "vast"}
    assert {failure.key for failure in things.failures()} == names
    assert_exact(things, 20)


def test_a_source_is_read_no_further_ahead_than_the_queues_hold(lite):
    read = written = ahead = 0

    def endless():
        nonlocal read
        for item in items(6_000):
            read += 1
            yield item

    class Watching:
        @hookimpl
        def batch_written(self, new):
            nonlocal written, ahead
            written += new
            ahead = max(ahead, read - written)

    lite.manager.register(Watching(), "watching")
    things = lite.solution(encoder="{type: hashed, window: 32, pause: 0.005}")
    things.source = Listed(endless)
    assert things.ingest().rows == 6_000
    # One stretch of 1,000 that is being passed on, four tasks of 16 in the queue and one in hand, four batches of 32.
    assert 32 < ahead <= 1_000 + 5 * 16 + 4 * 32 + 32


# --- Ctrl-C


def test_ctrl_c_finishes_the_batch_in_hand_and_the_next_run_goes_on(lite):
    lite.manager.register(Observer(lambda: os.kill(os.getpid(), signal.SIGINT)), "observer")
    things = lite.solution(encoder="{type: hashed, window: 16, pause: 0.02}")
    things.source = Listed(items(1_000))
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        things.ingest()
    assert signal.getsignal(signal.SIGINT) is before
    done = things.metadata.state()["items"]
    assert 16 <= done < 200
    assert things.vectors.count_rows() == done
    report = things.ingest()
    assert (report.new, report.unchanged) == (1_000 - done, done)
    assert_exact(things, 1_000)


def test_a_run_on_another_thread_leaves_signals_alone(lite):
    things = lite.solution()
    things.source = Listed(items(10))
    reports = []
    thread = threading.Thread(target=lambda: reports.append(things.ingest()))
    thread.start()
    thread.join()
    assert reports[0].new == 10
