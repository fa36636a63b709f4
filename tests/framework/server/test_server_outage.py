"""A store is unreachable under load and returns: 503 with the error body and Retry-After meanwhile, and no restart."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from inprocess_server import ROWS, check_error, run_server
from proxy import Proxy
from redis_servers import RunningRedis

FREQUENT_CHECKS = {"health_interval_seconds": 0.2}


class SearchLoad:
    """Threads that search all the time, and the responses that they get."""

    def __init__(self, client):
        self.responses = []
        self._client = client
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(4)

    def __enter__(self):
        for _ in range(4):
            self._pool.submit(self._search)
        self.wait_for(200)
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._pool.shutdown()

    def _search(self):
        while not self._stop.is_set():
            self.responses.append(self._client.search("text 7", limit=1))
            time.sleep(0.005)

    def wait_for(self, status, seconds=30):
        """Wait until a request that is sent from now on gets this status."""
        start, deadline = len(self.responses), time.monotonic() + seconds
        while status not in {response.status_code for response in self.responses[start + 4 :]}:
            assert time.monotonic() < deadline, [response.text for response in self.responses[-3:]]
            time.sleep(0.01)


def is_ready(client):
    response = client.get("/readyz")
    if response.status_code != 200:
        body = check_error(response, 503)
        assert "retry-after" in response.headers
        assert body["solutions"]["things"]["reason"]
        return False
    return True


def wait_for_readiness(client, ready, seconds=30):
    deadline = time.monotonic() + seconds
    while is_ready(client) is not ready:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def check_outage_and_recovery(client, stop, restart, seconds=30):
    """Stop a store under load and restart it; it responds again within so many seconds."""
    with SearchLoad(client) as load:
        assert is_ready(client)
        stop()
        load.wait_for(503)
        wait_for_readiness(client, False)
        for response in (client.search("text 7"), client.get("/api/things/items"), client.get("/api/things/stats")):
            check_error(response, 503)
            assert int(response.headers["retry-after"]) > 0
        described = client.get("/api/solutions").json()["solutions"][0]
        assert (described["ready"], described["items"]) == (False, 60)
        assert "does not respond" in described["reason"]
        assert client.get("/healthz").status_code == 200
        restart()
        wait_for_readiness(client, True, seconds)
        response = client.search("text 7", limit=1)
        assert response.status_code == 200, response.text  # what is ready responses
        load.wait_for(200)
    assert {response.status_code for response in load.responses} == {200, 503}
    for response in load.responses:
        if response.status_code == 503:
            check_error(response, 503)
        else:
            assert response.json()["hits"][0]["key"] == "k7"
    assert client.search("text 7", limit=1).json()["hits"][0]["key"] == "k7"


@pytest.fixture
def make_workshop(tmp_path, manager, lite):
    """Creates a workshop on given stores."""

    def make(milvus, redis):
        workshop = type(lite)(tmp_path, manager, milvus, redis)
        workshop.write(ROWS)
        return workshop

    return make


def test_service_recovers_when_milvus_is_reachable_again(make_workshop, milvus_server, redis_url):
    with Proxy(urlsplit(milvus_server).port) as proxy:
        solution = make_workshop(f"http://127.0.0.1:{proxy.port}", redis_url).solution()
        solution.ingest()
        with run_server(solution, **FREQUENT_CHECKS) as client:
            check_outage_and_recovery(client, proxy.disconnect, proxy.restore)
        solution.drop()


@pytest.mark.long
def test_service_recovers_when_milvus_is_killed_and_restarted(make_workshop, own_milvus, redis_url):
    """It listens at once, but loads nothing until the leases of the killed server have expired, after half a minute."""
    if own_milvus is None:
        pytest.skip("VICINAL_TEST_MILVUS names a server that this run must not kill")
    solution = make_workshop(own_milvus.uri, redis_url).solution()
    solution.ingest()
    with run_server(solution, request_timeout_seconds=5, **FREQUENT_CHECKS) as client:
        check_outage_and_recovery(client, own_milvus.kill, own_milvus.start_again, seconds=120)
    solution.drop()


def test_service_recovers_when_redis_is_killed_and_restarted(make_workshop, milvus_server, tmp_path):
    redis = RunningRedis(tmp_path, "--appendonly", "yes")
    try:
        solution = make_workshop(milvus_server, redis.url).solution()
        solution.ingest()
        with run_server(solution, **FREQUENT_CHECKS) as client:
            check_outage_and_recovery(client, redis.kill, redis.start)
        solution.drop()
        solution.close()
    finally:
        redis.end()


def test_server_starts_without_its_stores_and_connects_later(make_workshop, milvus_server, redis_url):
    with Proxy(urlsplit(milvus_server).port) as proxy:
        workshop = make_workshop(f"http://127.0.0.1:{proxy.port}", redis_url)
        solution = workshop.solution()
        solution.ingest()
        solution.close()
        proxy.disconnect()
        with run_server(solution, preload_models=True, **FREQUENT_CHECKS) as client:
            assert not is_ready(client)
            check_error(client.search("text 7"), 503)
            proxy.restore()
            wait_for_readiness(client, True)
            assert client.search("text 7", limit=1).json()["hits"][0]["key"] == "k7"
        solution.drop()


def test_killed_embedded_redis_is_restarted(lite):
    lite.write(ROWS)
    solution = lite.solution()
    solution.ingest()
    with run_server(solution, **FREQUENT_CHECKS) as client, SearchLoad(client) as load:
        os.kill(int(solution.metadata.call("info", "server")["process_id"]), signal.SIGKILL)
        load.wait_for(200)
        wait_for_readiness(client, True)
        assert client.search("text 7", limit=1).json()["hits"][0]["key"] == "k7"
        assert client.post("/api/things/items", json={"key": "x", "content": "x"}).status_code == 201
    assert {response.status_code for response in load.responses} <= {200, 503}
    assert Path(lite.folder / ".vicinal").is_dir()
