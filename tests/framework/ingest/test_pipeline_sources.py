"""Ingest when a source fails, and when Ctrl-C ends it."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from ingest_helpers import ListSource, Observer, assert_consistent, make_items
from vicinal import Failure, Item, hookimpl
from vicinal.errors import PluginError, SourceError

# --- sources


def test_error_of_the_source_keeps_finished_batches(lite):
    def breaking():
        yield from make_items(3_000)
        raise OSError(5, "Input/output error")

    solution = lite.solution()
    solution.source = ListSource(breaking)
    with pytest.raises(SourceError, match=r"the source cannot be read: \[Errno 5\] Input/output error"):
        solution.ingest()
    done = solution.metadata.state()["items"]
    assert 0 < done <= 3_000
    solution.source = ListSource(make_items(3_000))
    report = solution.ingest()
    assert (report.new, report.unchanged) == (3_000 - done, done)
    assert_consistent(solution, 3_000)


def test_items_of_a_slow_source_are_indexed_before_it_ends(lite):
    solution, written = lite.solution(), threading.Event()
    solution.manager.register(Observer(written.set), "observer")

    def slow():
        yield from make_items(3)
        time.sleep(0.3)
        yield Item("k3", "text 3")
        assert written.wait(30)
        yield from make_items(10)[4:]

    solution.source = ListSource(slow)
    assert solution.ingest().new == 10
    assert_consistent(solution, 10)


def test_unexpected_error_of_a_source_is_raised_unchanged(lite):
    solution = lite.solution()
    solution.source = ListSource(lambda: (Item(f"k{1 // number}", "x") for number in (1, 0)))
    with pytest.raises(ZeroDivisionError):
        solution.ingest()


def test_failures_of_a_source_are_recorded_and_their_items_kept(lite):
    solution = lite.solution()
    solution.source = ListSource(make_items(5))
    solution.ingest()
    solution.source = ListSource([Failure("k1", "read", "damaged", "file:///k1"), *make_items(1)])
    report = solution.ingest(prune=True)
    assert (report.seen, report.unchanged, report.failed, report.removed, report.rows) == (2, 1, 1, 3, 2)
    assert [(failure.key, failure.message) for failure in solution.failures()] == [("k1", "damaged")]
    assert solution.search("text 1", limit=1)[0].key == "k1"


class Returning(ListSource):
    def __iter__(self):
        return self.entries


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (ListSource([("a", "b")]), "source ListSource yielded a tuple of str, not an Item or a Failure"),
        (ListSource([None]), "source ListSource yielded None, not an Item or a Failure"),
        (ListSource([Item(1, "b")]), "source ListSource: the key 1 is an int, not a text"),
        (ListSource([Failure(None, "read", "b")]), "source ListSource: the key None is None, not a text"),
        (ListSource([Item("1", "b", None)]), "source ListSource: the uri None is None, not a text"),
        (Returning([Item("1", "b")]), "source Returning: __iter__ returned a list of Item, not an iterator"),
    ],
)
def test_a_source_that_yields_something_else_ends_the_run(lite, source, message):
    solution = lite.solution()
    solution.source = source
    with pytest.raises(PluginError) as error:
        solution.ingest()
    assert str(error.value) == message


# --- what was not seen is not pruned


def test_prune_keeps_everything_if_a_file_of_many_items_fails(lite):
    """The keys of its records do not say that they are of this file, so any of those not seen may be."""
    records = [Item(f"{name}-{number}", f"{name} {number}") for name in ("a.fasta", "b.fasta") for number in range(84)]
    solution = lite.solution()
    solution.source = ListSource(records)
    solution.ingest()
    unreadable = Failure("b.fasta", "read", "truncated gzip file")
    solution.source = ListSource([*records[:80], unreadable])
    report = solution.ingest(prune=True)
    assert (report.removed, report.failed, report.rows) == (0, 1, 168)
    assert report.warnings == [
        "nothing was pruned: the source could not read 'b.fasta', which may hold indexed items;"
        " repair or exclude it (`vicinal failures` says what is wrong with it)"
    ]
    assert solution.search("b.fasta 83", limit=1)[0].key == "b.fasta-83"
    solution.source = ListSource([*records[:80], *records[84:]])
    report = solution.ingest(prune=True)
    assert (report.removed, report.rows, report.warnings, solution.failures()) == (4, 164, [], [])


def test_one_item_that_can_never_be_read_does_not_keep_others_from_being_pruned(lite):
    """Its source knows that it is one: nothing is hidden behind it, though it was never indexed."""
    broken = Failure("k9", "read", "damaged", hides_items=False)
    solution = lite.solution()
    solution.source = ListSource([*make_items(5), broken])
    solution.ingest()
    solution.source = ListSource([*make_items(3), broken])
    report = solution.ingest(prune=True)
    assert (report.removed, report.failed, report.rows, report.warnings) == (2, 1, 3, [])
    solution.source = ListSource(make_items(3))
    solution.ingest()
    assert solution.failures() == []


def test_an_indexed_item_that_cannot_be_read_any_more_is_kept(lite):
    solution = lite.solution()
    solution.source = ListSource(make_items(5))
    solution.ingest()
    solution.source = ListSource([*make_items(3), Failure("k4", "read", "damaged", hides_items=False)])
    report = solution.ingest(prune=True)
    assert (report.removed, report.failed, report.rows) == (1, 1, 4)
    assert solution.search("text 4", limit=1)[0].key == "k4"


def test_retrying_meets_only_what_hides_items(lite):
    """A retry reads the failed items alone; what stands for another one item says nothing of those."""
    solution = lite.solution()
    solution.source = ListSource([*make_items(3), Item("record", "bad text")])
    solution.ingest()
    solution.source = ListSource([*make_items(3), Failure("other", "read", "damaged", hides_items=False)])
    solution.retry()
    assert solution.failures() == []


def test_prune_keeps_everything_if_the_source_breaks_off(lite):
    def breaking():
        yield from make_items(10)
        raise OSError(5, "Input/output error")

    solution = lite.solution()
    solution.source = ListSource(make_items(50))
    solution.ingest()
    solution.source = ListSource(breaking)
    with pytest.raises(SourceError):
        solution.ingest(prune=True)
    assert_consistent(solution, 50)


def test_failures_in_a_file_that_cannot_be_read_any_more_are_not_cleared(lite):
    solution = lite.solution()
    solution.source = ListSource([*make_items(5), Item("record", "bad text")])
    solution.ingest()
    solution.source = ListSource([*make_items(5), Failure("file", "read", "damaged")])
    solution.ingest()
    assert [failure.key for failure in solution.failures()] == ["file", "record"]
    solution.metadata.clear_failures(["file"])
    assert solution.retry().seen == 0
    assert [failure.key for failure in solution.failures()] == ["record"]
    solution.source = ListSource(make_items(5))
    solution.ingest()
    assert solution.failures() == []


def test_failure_whose_key_is_not_unicode_is_recorded(lite):
    solution = lite.solution()
    solution.source = ListSource([*make_items(5), Failure("caf\udce9", "read", "damaged")])
    assert solution.ingest(prune=True).failed == 1
    assert [failure.key for failure in solution.failures()] == ["caf\\udce9"]


# --- items that cannot be stored


def test_items_that_cannot_be_stored_are_failures(lite):
    solution = lite.solution()
    odd = [
        Item("object", "a", "", {"x": object()}),
        Item("bytes", "a", "", {"x": b"1"}),
        Item("number", "a", "", {"x": 2**70}),
        Item("half", "a", "", {"x": "\ud800"}),
        Item("uri", "a", "\udcff"),
        Item("no metadata", "a", "", None),
        Item("text", "\udcff", version="1"),
        Item("caf\udce9", "a"),
        Item("", "a"),
        Item("k" * 1_025, "a"),
        Item("vast", "a" * 5_000_000),
    ]
    solution.source = ListSource([*odd, *make_items(20)])
    report = solution.ingest()
    assert (report.new, report.failed, report.rows) == (20, 11, 20)
    assert {failure.stage for failure in solution.failures()} == {"read"}
    names = {
        "object",
        "bytes",
        "number",
        "half",
        "uri",
        "text",
        "caf\\udce9",
        "(no key)",
        "k" * 200,
        "vast",
        "no metadata",
    }
    assert {failure.key for failure in solution.failures()} == names
    assert_consistent(solution, 20)


def test_source_is_read_no_further_ahead_than_the_queues_hold(lite):
    read = written = ahead = 0

    def endless():
        nonlocal read
        for item in make_items(6_000):
            read += 1
            yield item

    class Watching:
        @hookimpl
        def batch_written(self, new):
            nonlocal written, ahead
            written += new
            ahead = max(ahead, read - written)

    lite.manager.register(Watching(), "watching")
    solution = lite.solution(encoder="{type: hashed, batch_size: 32, pause: 0.005}")
    solution.source = ListSource(endless)
    assert solution.ingest().rows == 6_000
    # One chunk of 1,000 that is being submitted, four tasks of 16 in the queue and one in work, four batches of 32.
    assert 32 < ahead <= 1_000 + 5 * 16 + 4 * 32 + 32


# --- Ctrl-C


def test_ctrl_c_ends_the_run_after_the_current_batch_and_the_next_one_continues(lite):
    lite.manager.register(Observer(lambda: os.kill(os.getpid(), signal.SIGINT)), "observer")
    solution = lite.solution(encoder="{type: hashed, batch_size: 16, pause: 0.02}")
    solution.source = ListSource(make_items(1_000))
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        solution.ingest()
    assert signal.getsignal(signal.SIGINT) is before
    done = solution.metadata.state()["items"]
    assert 16 <= done < 200
    assert solution.vectors.count_rows() == done
    report = solution.ingest()
    assert (report.new, report.unchanged) == (1_000 - done, done)
    assert_consistent(solution, 1_000)


def test_run_on_another_thread_sets_no_signal_handler(lite):
    solution = lite.solution()
    solution.source = ListSource(make_items(10))
    reports = []
    thread = threading.Thread(target=lambda: reports.append(solution.ingest()))
    thread.start()
    thread.join()
    assert reports[0].new == 10
