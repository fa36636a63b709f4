"""Ingest when a store becomes unreachable: Redis, then Milvus."""

from __future__ import annotations

import threading
import time
from urllib.parse import urlsplit

import pytest

from ingest_helpers import ListSource, Observer, assert_consistent, make_items
from proxy import Proxy
from redis_servers import RunningRedis
from servers import wait_until
from vicinal import Item, hookimpl
from vicinal.errors import StoreUnreachableError
from vicinal.ingest import store_retry
from vicinal.stores import milvus


@pytest.fixture
def own_redis(tmp_path):
    server = RunningRedis(tmp_path, "--appendonly", "yes")
    yield server
    server.end()


def make_slow_solution(lite, redis, count):
    """A solution whose ingest of this many items takes two seconds or more."""
    solution = lite.solution(
        encoder="{type: hashed, batch_size: 20, pause: 0.04}",
        extra=f"stores: {{redis: '{redis}'}}\ningest: {{batch_size: 20}}",
    )
    solution.source = ListSource(make_items(count))
    return solution


def is_reachable(solution):
    """Whether Milvus responds; its client waits a while before it reconnects."""
    try:
        return solution.vectors.has_collection()
    except StoreUnreachableError:
        return False


def call_later(seconds, call):
    timer = threading.Timer(seconds, call)
    timer.start()
    return timer


def test_run_waits_for_a_killed_redis_to_restart(lite, own_redis):
    def fall():
        own_redis.kill()
        call_later(1.5, own_redis.start)

    lite.manager.register(Observer(fall), "observer")
    solution = make_slow_solution(lite, own_redis.url, 1_200)
    solution.source = ListSource([*make_items(1_150), *(Item(f"b{number}", "bad") for number in range(50))])
    report = solution.ingest()
    assert (report.new, report.failed, report.rows) == (1_150, 50, 1_150)
    assert len(solution.failures()) == 50
    assert_consistent(solution, 1_150)


def test_run_waits_for_a_frozen_redis(lite, own_redis):
    def freeze():
        own_redis.pause()
        call_later(1, own_redis.resume)

    lite.manager.register(Observer(freeze), "observer")
    assert make_slow_solution(lite, own_redis.url, 400).ingest().rows == 400


def test_run_ends_if_redis_stays_unreachable_and_keeps_finished_batches(lite, own_redis, monkeypatch):
    monkeypatch.setattr(store_retry, "_RETRY_SECONDS", 1)
    lite.manager.register(Observer(own_redis.kill), "observer")
    solution = make_slow_solution(lite, own_redis.url, 1_500)
    started = time.monotonic()
    with pytest.raises(StoreUnreachableError, match=f"Redis at {own_redis.url} does not respond"):
        solution.ingest()
    assert time.monotonic() - started < 10
    own_redis.start()
    done = solution.metadata.state()["items"]
    assert 20 <= done < 1_500
    report = solution.ingest()
    assert (report.new, report.unchanged) == (1_500 - done, done)
    assert_consistent(solution, 1_500)


def test_transaction_whose_response_is_lost_counts_once(lite, redis_url):
    """Whichever transaction gets no response is sent again and counts once."""
    with Proxy(urlsplit(redis_url).port) as proxy:

        class Losing(Observer):
            @hookimpl
            def batch_written(self):
                proxy.drop_response_to(b"EXEC")

        lite.manager.register(Losing(), "losing")
        solution = make_slow_solution(lite, f"redis://127.0.0.1:{proxy.port}/0", 200)
        report = solution.ingest()
        assert (report.new, report.rows) == (200, 200)
        assert_consistent(solution, 200)
        solution.drop()


@pytest.fixture
def proxied_solution(milvus_server, redis_url, lite):
    """A solution on a Milvus server behind a proxy that can be disconnected."""
    with Proxy(urlsplit(milvus_server).port) as proxy:
        lite.milvus, lite.redis = f"http://127.0.0.1:{proxy.port}", redis_url
        solution = lite.solution(
            "wired", encoder="{type: hashed, batch_size: 20, pause: 0.04}", extra="ingest: {batch_size: 20}"
        )
        solution.source = ListSource(make_items(400))
        yield solution, proxy
        proxy.restore()
        solution.drop()
        solution.close()
        lite.milvus = None


def test_run_waits_for_milvus_to_reconnect(proxied_solution, manager):
    solution, proxy = proxied_solution

    def fall():
        proxy.disconnect()
        call_later(1.5, proxy.restore)

    manager.register(Observer(fall), "observer")
    report = solution.ingest()
    assert (report.new, report.rows) == (400, 400)
    assert_consistent(solution, 400)


def test_run_ends_if_milvus_stays_unreachable_and_keeps_finished_batches(proxied_solution, manager, monkeypatch):
    monkeypatch.setattr(store_retry, "_RETRY_SECONDS", 1)
    monkeypatch.setattr(milvus, "_CALL_SECONDS", 1)
    solution, proxy = proxied_solution
    manager.register(Observer(proxy.disconnect), "observer")
    started = time.monotonic()
    with pytest.raises(StoreUnreachableError, match=r"Milvus at .* does not respond"):
        solution.ingest()
    assert time.monotonic() - started < 15
    proxy.restore()
    wait_until(lambda: is_reachable(solution), 30)
    done = solution.metadata.state()["items"]
    assert 20 <= done < 400
    report = solution.ingest()
    assert (report.new, report.unchanged, report.rows) == (400 - done, done, 400)
    assert_consistent(solution, 400)
