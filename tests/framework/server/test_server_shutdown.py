"""A server that gets SIGTERM: it says so, answers what it has, and ends."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import httpx
import pytest

from load_balancer import Replica
from servers import wait_until

ROWS = [(f"k{number}", f"text {number}", 2000) for number in range(20)]


@pytest.fixture
def replica(lite, request):
    """A server that drains for so many seconds, whose encoder takes so many for each batch; it writes its spans."""
    lite.write(ROWS)
    solution = lite.solution()
    solution.ingest()
    solution.close()
    drain_seconds, pause = request.param
    yaml = lite.yaml(encoder=f"{{type: hashed, pause: {pause}}}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_TRACES_EXPORTER", "console")
        made = Replica(yaml, lite.folder / "serve.log", drain_seconds=drain_seconds)
    made.wait_until_ready()
    yield made
    if made.process.poll() is None:
        made.end(signal.SIGKILL)


def search(replica):
    url = f"http://{replica.address}/api/things/search"
    response = httpx.post(url, json={"query": "text 7", "limit": 1}, timeout=30)
    assert (response.status_code, response.json()["hits"][0]["key"]) == (200, "k7")
    return response


@pytest.mark.parametrize("replica", [(0, 1.0), pytest.param((0, 6.0), marks=pytest.mark.long)], indirect=True)
def test_searches_in_flight_are_answered_after_sigterm(lite, replica):
    """The first search is encoded alone, those that came meanwhile in one batch after it."""
    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(search, replica) for _ in range(4)]
        next(as_completed(answers))
        assert not all(answer.done() for answer in answers)
        assert replica.end(signal.SIGTERM) == -signal.SIGTERM
        assert [answer.result().status_code for answer in answers] == [200] * 4
    assert (lite.folder / "serve.log").read_text().count('"name": "POST /api/{name}/search"') == 4


@pytest.mark.parametrize("replica", [(3, 1.0)], indirect=True)
def test_readiness_fails_first_and_searches_go_on(replica):
    with httpx.Client(base_url=f"http://{replica.address}", timeout=30) as kept:
        assert kept.get("/readyz").headers.get("connection") != "close"
        replica.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        wait_until(lambda: kept.get("/readyz").status_code == 503)
        ready = kept.get("/readyz")
        assert ready.json()["error"] == "not ready: the server is stopping"
        assert kept.get("/healthz").json() == {"ok": True}
        assert search(replica).headers["connection"] == ready.headers["connection"] == "close"
    assert replica.process.wait(20) == -signal.SIGTERM
    assert time.monotonic() - began >= 2.9


@pytest.mark.long
@pytest.mark.parametrize("replica", [(60, 1.0)], indirect=True)
def test_a_second_signal_ends_a_server_that_drains(replica):
    replica.process.send_signal(signal.SIGTERM)
    wait_until(lambda: replica.get("/readyz").status_code == 503)
    assert replica.end(signal.SIGTERM) == -signal.SIGTERM
