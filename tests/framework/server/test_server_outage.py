"""A store goes away under load and comes back: 503 with the error body and Retry-After meanwhile, and no restart."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from inprocess_server import ROWS, problem, serving
from proxy import Proxy
from servers import end, free_port, wait_for_port
from vicinal.stores.redis_server import find_redis_server

WATCH = {"watch_seconds": 0.2}


class Redis:
    """A redis-server with an append-only file that a test may kill and start again."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.start()

    def start(self):
        command = [find_redis_server().path, "--port", str(self.port), "--dir", str(self.folder), "--appendonly", "yes"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        wait_for_port(self.port, self.process, 20)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Load:
    """Threads that search all the time, and what they were answered."""

    def __init__(self, site):
        self.answers = []
        self._site = site
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(4)

    def __enter__(self):
        for _ in range(4):
            self._pool.submit(self._ask)
        self.wait_for(200)
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._pool.shutdown()

    def _ask(self):
        while not self._stop.is_set():
            self.answers.append(self._site.search("text 7", limit=1))
            time.sleep(0.005)

    def wait_for(self, status, seconds=30):
        """Until somebody who asks from now on is answered this."""
        start, deadline = len(self.answers), time.monotonic() + seconds
        while status not in {answer.status_code for answer in self.answers[start + 4 :]}:
            assert time.monotonic() < deadline, [answer.text for answer in self.answers[-3:]]
            time.sleep(0.01)


def is_ready(site):
    answer = site.get("/readyz")
    if answer.status_code != 200:
        body = problem(answer, 503)
        assert "retry-after" in answer.headers
        assert body["solutions"]["things"]["reason"]
        return False
    return True


def await_readiness(site, ready, seconds=30):
    deadline = time.monotonic() + seconds
    while is_ready(site) is not ready:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def goes_away_and_comes_back(site, go, come_back, seconds=30):
    """A store that needs up to so many seconds until it answers again."""
    with Load(site) as load:
        assert is_ready(site)
        go()
        load.wait_for(503)
        await_readiness(site, False)
        for answer in (site.search("text 7"), site.get("/api/things/items"), site.get("/api/things/stats")):
            problem(answer, 503)
            assert int(answer.headers["retry-after"]) > 0
        described = site.get("/api/solutions").json()["solutions"][0]
        assert (described["ready"], described["items"]) == (False, 60)
        assert "does not answer" in described["reason"]
        assert site.get("/healthz").status_code == 200
        come_back()
        await_readiness(site, True, seconds)
        answer = site.search("text 7", limit=1)
        assert answer.status_code == 200, answer.text  # what is ready answers
        load.wait_for(200)
    assert {answer.status_code for answer in load.answers} == {200, 503}
    for answer in load.answers:
        if answer.status_code == 503:
            problem(answer, 503)
        else:
            assert answer.json()["hits"][0]["key"] == "k7"
    assert site.search("text 7", limit=1).json()["hits"][0]["key"] == "k7"


@pytest.fixture
def made(tmp_path, manager, lite):
    """Makes a workshop on given stores."""

    def make(milvus, redis):
        shop = type(lite)(tmp_path, manager, milvus, redis)
        shop.write(ROWS)
        return shop

    return make


def test_milvus_goes_away_and_comes_back(made, milvus_server, redis_url):
    with Proxy(urlsplit(milvus_server).port) as wire:
        things = made(f"http://127.0.0.1:{wire.port}", redis_url).solution()
        things.ingest()
        with serving(things, **WATCH) as site:
            goes_away_and_comes_back(site, wire.disconnect, wire.restore)
        things.drop()


def test_milvus_is_killed_and_started_again(made, own_milvus, redis_url):
    """It listens at once, but loads nothing until the leases of the killed one have ended, after half a minute."""
    if own_milvus is None:
        pytest.skip("VICINAL_TEST_MILVUS names a server that is not this run's to kill")
    things = made(own_milvus.uri, redis_url).solution()
    things.ingest()
    with serving(things, max_seconds=5, **WATCH) as site:
        goes_away_and_comes_back(site, own_milvus.kill, own_milvus.start_again, seconds=120)
    things.drop()


def test_redis_is_killed_and_started_again(made, milvus_server, tmp_path):
    server = Redis(tmp_path)
    try:
        things = made(milvus_server, f"redis://127.0.0.1:{server.port}/0").solution()
        things.ingest()
        with serving(things, **WATCH) as site:
            goes_away_and_comes_back(site, server.kill, server.start)
        things.drop()
        things.close()
    finally:
        end(server.process)


def test_a_server_starts_while_its_stores_are_away_and_finds_them_later(made, milvus_server, redis_url):
    with Proxy(urlsplit(milvus_server).port) as wire:
        shop = made(f"http://127.0.0.1:{wire.port}", redis_url)
        things = shop.solution()
        things.ingest()
        things.close()
        wire.disconnect()
        with serving(things, warm=True, **WATCH) as site:
            assert not is_ready(site)
            problem(site.search("text 7"), 503)
            wire.restore()
            await_readiness(site, True)
            assert site.search("text 7", limit=1).json()["hits"][0]["key"] == "k7"
        things.drop()


def test_an_embedded_redis_that_is_killed_is_started_again(lite):
    lite.write(ROWS)
    things = lite.solution()
    things.ingest()
    with serving(things, **WATCH) as site, Load(site) as load:
        os.kill(int(things.metadata.call("info", "server")["process_id"]), signal.SIGKILL)
        load.wait_for(200)
        await_readiness(site, True)
        assert site.search("text 7", limit=1).json()["hits"][0]["key"] == "k7"
        assert site.post("/api/things/items", json={"key": "x", "content": "x"}).status_code == 201
    assert {answer.status_code for answer in load.answers} <= {200, 503}
    assert Path(lite.folder / ".vicinal").is_dir()
