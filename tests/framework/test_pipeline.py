"""The way in when something goes wrong: encoders, sources, stores that go away, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from urllib.parse import urlsplit

import numpy as np
import pytest

from encoders import Hashed
from proxy import Proxy
from servers import end, free_port, wait_for_port
from vicinal import Failure, Item, Segment, Source, hookimpl, ingest
from vicinal.errors import DependencyMissing, PluginError, SourceError, StoreUnreachable
from vicinal.stores import milvus
from vicinal.stores.local import redis_server

ROWS = [(f"k{number}", f"text {number}", 1) for number in range(100)]


class Listed(Source):
    """Items from a list, or from a generator."""

    def __init__(self, things):
        super().__init__()
        self.things = things

    def __iter__(self):
        return iter(self.things() if callable(self.things) else self.things)


class Observer:
    """What the hooks were told, and something to do at the first batch."""

    def __init__(self, then=None):
        self.calls = []
        self._then = then

    @hookimpl
    def ingest_started(self, solution, total):
        self.calls.append(("started", solution, total))

    @hookimpl
    def batch_written(self, solution, new, updated, unchanged):
        self.calls.append(("written", new, updated, unchanged))
        if self._then is not None:
            then, self._then = self._then, None
            then()

    @hookimpl
    def item_failed(self, solution, failures):
        self.calls.append(("failed", sorted(failure.key for failure in failures)))

    @hookimpl
    def ingest_finished(self, solution, report):
        self.calls.append(("finished", report))


def items(count):
    return [Item(f"k{number}", f"text {number}") for number in range(count)]


def assert_exact(things, count):
    """Milvus, metadata and ledger hold exactly these items."""
    state = things.metadata.state()
    assert (state["items"], state["rows"], things.vectors.count()) == (count, count, count)
    assert things.check().to_dict() == {
        "solution": things.name, "items": count, "rows": count, "unfinished": 0, "missing_vectors": 0,
        "missing_metadata": 0, "orphan_vectors": 0, "orphan_metadata": 0, "wrong_counts": 0, "repaired": False,
        "sound": True,
    }  # fmt: skip


# --- what observers are told


def test_observers_are_told_of_every_item_once(lite):
    observer = Observer()
    lite.manager.register(observer, "observer")
    lite.write([*ROWS, ("b", "bad text", 1)])
    things = lite.solution(extra="ingest: {batch: 30}")
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
        (lambda vectors: None, "object of shape (1,)"),
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
        ("encode", "its vector is not finite")
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
    things = lite.solution(extra="ingest: {batch: 20}")
    things.encoder = encoder()
    missing = DependencyMissing("the weights are gone", hint="fetch them")
    beyond = [Item(f"x{number}", missing, version="1") for number in range(100)]
    things.source = Listed([*items(200), Item("bad", "bad text"), *beyond])
    with pytest.raises(DependencyMissing, match="the weights are gone") as error:
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

    things = lite.solution(extra="ingest: {batch: 10}")
    things.encoder = Counting()
    things.source = Listed(
        Item(f"k{number}", [Segment(f"{number} {part}", float(part)) for part in range(4)], version="1")
        for number in range(8)
    )
    report = things.ingest()
    assert (report.new, report.rows) == (8, 32)
    assert sizes == [12, 12, 8]


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


def test_a_defect_of_a_source_keeps_its_traceback(lite):
    things = lite.solution()
    things.source = Listed(lambda: (Item(f"k{1 // number}", "x") for number in (1, 0)))
    with pytest.raises(ZeroDivisionError):
        things.ingest()


def test_what_a_source_could_not_read_is_recorded_and_never_pruned(lite):
    things = lite.solution()
    things.source = Listed(items(5))
    things.ingest()
    things.source = Listed(
        [Failure("k1", "read", "damaged", "file:///k1"), *items(1), Failure("new", "read", "damaged")]
    )
    report = things.ingest(prune=True)
    assert (report.seen, report.unchanged, report.failed, report.removed, report.rows) == (3, 1, 2, 3, 2)
    assert [(failure.key, failure.message) for failure in things.failures()] == [("k1", "damaged"), ("new", "damaged")]
    assert things.search("text 1", limit=1)[0].key == "k1"


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
    assert 1_000 <= ahead <= 1_000 + 5 * 16 + 4 * 32 + 32


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
    assert things.vectors.count() == done
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


# --- stores that go away


class OwnRedis:
    """A redis-server with an append-only file, which a test may kill and start again."""

    def __init__(self, folder):
        self.port = free_port()
        self._folder = folder
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self):
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", self._folder, "--appendonly", "yes"]
        self.process = subprocess.Popen(
            [redis_server(), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        wait_for_port(self.port, self.process, 20)

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def own_redis(tmp_path):
    redis = OwnRedis(tmp_path)
    yield redis
    if redis.process.poll() is None:
        end(redis.process)


def slow(lite, redis, count):
    """A solution whose ingest of this many items takes two seconds or more."""
    things = lite.solution(
        encoder="{type: hashed, window: 20, pause: 0.04}", extra=f"stores: {{redis: '{redis}'}}\ningest: {{batch: 20}}"
    )
    things.source = Listed(items(count))
    return things


def reachable(things):
    """Whether Milvus answers; its client waits a while before it tries again to connect."""
    try:
        return things.vectors.exists()
    except StoreUnreachable:
        return False


def wait_until(true, seconds=30):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)


def later(seconds, call):
    timer = threading.Timer(seconds, call)
    timer.start()
    return timer


def test_a_redis_that_is_killed_and_comes_back_is_waited_for(lite, own_redis):
    def fall():
        own_redis.kill()
        later(1.5, own_redis.start)

    lite.manager.register(Observer(fall), "observer")
    things = slow(lite, own_redis.url, 1_200)
    things.source = Listed([*items(1_150), *(Item(f"b{number}", "bad") for number in range(50))])
    report = things.ingest()
    assert (report.new, report.failed, report.rows) == (1_150, 50, 1_150)
    assert len(things.failures()) == 50
    assert_exact(things, 1_150)


def test_a_redis_that_stands_still_for_a_while_is_waited_for(lite, own_redis):
    def freeze():
        own_redis.process.send_signal(signal.SIGSTOP)
        later(1, lambda: own_redis.process.send_signal(signal.SIGCONT))

    lite.manager.register(Observer(freeze), "observer")
    assert slow(lite, own_redis.url, 400).ingest().rows == 400


def test_a_redis_that_stays_away_ends_the_run_with_what_is_done_committed(lite, own_redis, monkeypatch):
    monkeypatch.setattr(ingest, "_RETRY_SECONDS", 1)
    lite.manager.register(Observer(own_redis.kill), "observer")
    things = slow(lite, own_redis.url, 1_500)
    started = time.monotonic()
    with pytest.raises(StoreUnreachable, match=f"Redis at {own_redis.url} does not answer"):
        things.ingest()
    assert time.monotonic() - started < 10
    own_redis.start()
    done = things.metadata.state()["items"]
    assert 20 <= done < 1_500
    report = things.ingest()
    assert (report.new, report.unchanged) == (1_500 - done, done)
    assert_exact(things, 1_500)


def test_the_answers_of_a_redis_may_be_lost_one_by_one(lite, redis_url):
    """Whatever transaction goes unanswered, it is sent again and counts once."""
    with Proxy(urlsplit(redis_url).port) as wire:

        class Losing(Observer):
            @hookimpl
            def batch_written(self):
                wire.lose_answer_to(b"EXEC")

        lite.manager.register(Losing(), "losing")
        things = slow(lite, f"redis://127.0.0.1:{wire.port}/0", 200)
        report = things.ingest()
        assert (report.new, report.rows) == (200, 200)
        assert_exact(things, 200)
        things.drop()


@pytest.fixture
def wired(milvus_server, redis_url, lite):
    """A solution on a Milvus server behind a wire that can be cut."""
    with Proxy(urlsplit(milvus_server).port) as wire:
        lite.milvus, lite.redis = f"http://127.0.0.1:{wire.port}", redis_url
        things = lite.solution("wired", encoder="{type: hashed, window: 20, pause: 0.04}", extra="ingest: {batch: 20}")
        things.source = Listed(items(400))
        yield things, wire
        wire.mend()
        things.drop()
        things.close()
        lite.milvus = None


def test_a_milvus_that_goes_away_and_comes_back_is_waited_for(wired, manager):
    things, wire = wired

    def fall():
        wire.cut()
        later(1.5, wire.mend)

    manager.register(Observer(fall), "observer")
    report = things.ingest()
    assert (report.new, report.rows) == (400, 400)
    assert_exact(things, 400)


def test_a_milvus_that_stays_away_ends_the_run_with_what_is_done_committed(wired, manager, monkeypatch):
    monkeypatch.setattr(ingest, "_RETRY_SECONDS", 1)
    monkeypatch.setattr(milvus, "_CALL_SECONDS", 1)
    things, wire = wired
    manager.register(Observer(wire.cut), "observer")
    started = time.monotonic()
    with pytest.raises(StoreUnreachable, match=r"Milvus at .* does not answer"):
        things.ingest()
    assert time.monotonic() - started < 15
    wire.mend()
    wait_until(lambda: reachable(things))
    done = things.metadata.state()["items"]
    assert 20 <= done < 400
    report = things.ingest()
    assert (report.new, report.unchanged, report.rows) == (400 - done, done, 400)
    assert_exact(things, 400)
