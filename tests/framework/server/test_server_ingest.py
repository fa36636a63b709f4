"""Ingest over HTTP: in the background, followed, cancelled, while searches work."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from inprocess_server import ROWS, check_error, run_server

pytestmark = pytest.mark.long_on_server

MORE = [(f"n{number}", f"new {number}", 1) for number in range(600)]
JOB = {
    *(
        "id",
        "kind",
        "state",
        "seen",
        "new",
        "updated",
        "unchanged",
        "removed",
        "failed",
        "skipped",
        "truncated",
        "rows",
    ),
    *("total", "items_per_second", "eta_seconds", "seconds", "started", "ended", "error", "error_type", "hint", "gate"),
    "promotion",
    *("warnings", "skip_reasons"),
}


@pytest.fixture
def ingest_client(workshop):
    """A client of sixty indexed texts and 601 that are not; their ingest takes a second at least."""
    workshop.write(ROWS)
    solution = workshop.solution(encoder="{type: hashed, batch_size: 32, pause: 0.05}")
    solution.ingest()
    workshop.write([*ROWS, *MORE, ("b", "bad text", 1)])
    with run_server(solution) as client:
        yield client


def read_events(client, job):
    """Return the events of a job, as name and data."""
    found = []
    with client.http.stream("GET", f"/api/things/ingest/{job['id']}/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in response.iter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                found.append((name, json.loads(line[6:])))
    return found


def test_ingest_streams_events_while_searches_work(ingest_client):
    check_error(ingest_client.get("/api/things/ingest"), 404)
    response = ingest_client.post("/api/things/ingest")
    assert response.status_code == 202
    job = response.json()
    assert set(job) == JOB
    assert response.headers["location"] == f"/api/things/ingest/{job['id']}"
    check_error(ingest_client.post("/api/things/ingest"), 409)
    check_error(ingest_client.post("/api/things/items", json={"key": "x", "content": "x"}), 409)
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(read_events, ingest_client, job)
        searches = 0
        while not following.done():
            assert ingest_client.search("text 7", limit=1).json()["hits"][0]["key"] == "k7"
            searches += 1
        events = following.result()
    assert searches > 1
    assert [name for name, _ in events[:-1]] == ["progress"] * (len(events) - 1)
    assert len(events) > 3
    seen = [data["seen"] for _, data in events]
    assert seen == sorted(seen)
    name, last = events[-1]
    assert (name, last["state"], last["ended"] is not None) == ("end", "done", True)
    counts = {name: last[name] for name in ("seen", "new", "unchanged", "failed", "total")}
    assert counts == {"seen": 661, "new": 600, "unchanged": 60, "failed": 1, "total": counts["total"]}
    assert ingest_client.get("/api/things/ingest").json() == ingest_client.get(f"/api/things/ingest/{job['id']}").json()
    assert ingest_client.get("/api/solutions").json()["solutions"][0]["run"] == job["id"]
    assert ingest_client.search("new 599", limit=1).json()["hits"][0]["key"] == "n599"
    failures = ingest_client.get("/api/things/failures").json()
    assert (failures["total"], failures["next"]) == (1, None)
    assert failures["failures"][0]["message"] == "the text says bad"


def test_cancelled_ingest_keeps_finished_batches_over_http(ingest_client):
    job = ingest_client.post("/api/things/ingest").json()
    while ingest_client.get("/api/things/ingest").json()["new"] == 0:
        time.sleep(0.01)
    response = ingest_client.delete(f"/api/things/ingest/{job['id']}")
    assert (response.status_code, response.json()["state"]) == (202, "cancelling")
    ended = ingest_client.wait_for_job(response.json())
    assert ended["state"] == "cancelled"
    assert 0 < ended["new"] < 600
    check_error(ingest_client.delete(f"/api/things/ingest/{job['id']}"), 409)
    assert ingest_client.ingest()["new"] == 600 - ended["new"]


def test_prune_and_limit(workshop):
    workshop.write(ROWS)
    with run_server(workshop.solution()) as client:
        assert client.ingest(limit=10)["new"] == 10
        assert client.ingest()["new"] == 50
        assert [client.ingest(force=True)[name] for name in ("updated", "unchanged")] == [60, 0]
        workshop.write(ROWS[5:])
        assert client.ingest(prune=True)["removed"] == 5
        check_error(client.post("/api/things/ingest", json={"prune": True, "limit": 3}), 422)
        check_error(client.post("/api/things/ingest", json={"limit": 0}), 422)
        check_error(client.post("/api/things/ingest", json={"path": "../../etc/passwd"}), 422)
        check_error(client.get("/api/things/ingest/..%2F..%2Fetc%2Fpasswd"), 404)
        check_error(client.get("/api/things/ingest/nothing/events"), 404)


def test_failures_are_paged_and_retried(workshop):
    workshop.write([*ROWS, *((f"b{n}", "bad", 1) for n in range(5))])
    with run_server(workshop.solution()) as client:
        assert client.ingest()["failed"] == 5
        page = client.get("/api/things/failures", params={"limit": 3}).json()
        assert [failure["key"] for failure in page["failures"]] == ["b0", "b1", "b2"]
        page = client.get("/api/things/failures", params={"limit": 3, "cursor": page["next"]}).json()
        assert ([failure["key"] for failure in page["failures"]], page["next"]) == (["b3", "b4"], None)
        workshop.write([*ROWS, *((f"b{n}", "good", 1) for n in range(5))])
        response = client.post("/api/things/failures/retry")
        assert (response.status_code, response.json()["kind"]) == (202, "retry")
        assert client.wait_for_job(response.json())["new"] == 5
        assert client.get("/api/things/failures").json()["total"] == 0


def test_failed_ingest_says_why(lite):
    solution = lite.solution()
    with run_server(solution) as client:
        job = client.ingest()
    assert job["state"] == "failed"
    assert "items.csv" in job["error"]


def test_event_streams_beyond_the_limit_are_a_429(lite):
    lite.write(MORE)
    solution = lite.solution(encoder="{type: hashed, batch_size: 32, pause: 0.3}")
    with run_server(solution, max_streams=5, heartbeat_seconds=0.3) as client:
        job = client.post("/api/things/ingest").json()
        url = f"{client.url}/api/things/ingest/{job['id']}/events"
        refused, opened, may_close = [], [], threading.Event()

        def stream():
            with httpx.Client(timeout=30) as client, client.stream("GET", url) as response:
                if response.status_code != 200:
                    response.read()
                    refused.append(response)
                    return
                opened.append(response)
                may_close.wait(30)

        with ThreadPoolExecutor(60) as pool:
            streams = [pool.submit(stream) for _ in range(60)]
            while len(refused) + len(opened) < 60:
                time.sleep(0.01)
            assert client.get("/healthz").json() == {"ok": True}
            may_close.set()
            for future in streams:
                future.result(30)
        assert (len(opened), len(refused)) == (5, 55)
        for response in refused:
            check_error(response, 429)
            assert "retry-after" in response.headers
        client.delete(f"/api/things/ingest/{job['id']}")
        assert read_events(client, job)[-1][1]["state"] == "cancelled"  # the closed streams made room


def test_idle_event_stream_sends_heartbeats(lite):
    lite.write(ROWS)
    solution = lite.solution(encoder="{type: hashed, pause: 1.5}")
    with run_server(solution, heartbeat_seconds=0.3) as client:
        job = client.post("/api/things/ingest").json()
        with client.http.stream("GET", f"/api/things/ingest/{job['id']}/events") as response:
            assert ": still here" in list(response.iter_lines())


def test_shutdown_cancels_the_ingest(lite):
    lite.write(MORE)
    solution = lite.solution(encoder="{type: hashed, batch_size: 32, pause: 0.1}")
    with run_server(solution) as client:
        client.post("/api/things/ingest")
        while not client.get("/api/things/ingest").json()["new"]:
            time.sleep(0.01)
    assert client.app.state.vicinal.services["things"].jobs.latest.state == "cancelled"
    assert 0 < solution.status()["items"] < 600


def test_scipy_is_imported_before_several_ingests_import_it_at_once():
    program = (
        "import sys; from starlette.testclient import TestClient; from vicinal.server import create_app\n"
        "assert 'scipy.sparse' not in sys.modules\n"
        "with TestClient(create_app([])): assert 'scipy.sparse' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
