"""The way in when a store goes away: Redis, then Milvus."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from urllib.parse import urlsplit

import pytest

from ingest_helpers import Listed, Observer, assert_exact, items
from proxy import Proxy
from servers import end, free_port, wait_for_port, wait_until
from vicinal import Item, hookimpl
from vicinal.errors import StoreUnreachableError
from vicinal.ingest import worker_group
from vicinal.stores import milvus
from vicinal.stores.redis_server import find_redis_server


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
            [find_redis_server().path, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
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
        encoder="{type: hashed, window: 20, pause: 0.04}",
        extra=f"stores: {{redis: '{redis}'}}\ningest: {{batch_size: 20}}",
    )
    things.source = Listed(items(count))
    return things


def reachable(things):
    """Whether Milvus answers; its client waits a while before it tries again to connect."""
    try:
        return things.vectors.has_collection()
    except StoreUnreachableError:
        return False


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
    monkeypatch.setattr(worker_group, "_RETRY_SECONDS", 1)
    lite.manager.register(Observer(own_redis.kill), "observer")
    things = slow(lite, own_redis.url, 1_500)
    started = time.monotonic()
    with pytest.raises(StoreUnreachableError, match=f"Redis at {own_redis.url} does not answer"):
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
                wire.drop_response_to(b"EXEC")

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
        things = lite.solution(
            "wired", encoder="{type: hashed, window: 20, pause: 0.04}", extra="ingest: {batch_size: 20}"
        )
        things.source = Listed(items(400))
        yield things, wire
        wire.restore()
        things.drop()
        things.close()
        lite.milvus = None


def test_a_milvus_that_goes_away_and_comes_back_is_waited_for(wired, manager):
    things, wire = wired

    def fall():
        wire.disconnect()
        later(1.5, wire.restore)

    manager.register(Observer(fall), "observer")
    report = things.ingest()
    assert (report.new, report.rows) == (400, 400)
    assert_exact(things, 400)


def test_a_milvus_that_stays_away_ends_the_run_with_what_is_done_committed(wired, manager, monkeypatch):
    monkeypatch.setattr(worker_group, "_RETRY_SECONDS", 1)
    monkeypatch.setattr(milvus, "_CALL_SECONDS", 1)
    things, wire = wired
    manager.register(Observer(wire.disconnect), "observer")
    started = time.monotonic()
    with pytest.raises(StoreUnreachableError, match=r"Milvus at .* does not answer"):
        things.ingest()
    assert time.monotonic() - started < 15
    wire.restore()
    wait_until(lambda: reachable(things), 30)
    done = things.metadata.state()["items"]
    assert 20 <= done < 400
    report = things.ingest()
    assert (report.new, report.unchanged, report.rows) == (400 - done, done, 400)
    assert_exact(things, 400)
