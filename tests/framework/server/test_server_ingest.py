"""Runs over HTTP: in the background, watched, called off; searches go on meanwhile."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from inprocess_server import ROWS, problem, serving

MORE = [(f"n{number}", f"new {number}", 1) for number in range(600)]
JOB = {
    *("id", "kind", "state", "seen", "new", "updated", "unchanged", "removed", "failed", "total", "items_per_second"),
    *("eta_seconds", "seconds", "started", "ended", "error", "hint", "warnings"),
}


@pytest.fixture
def slow(workshop):
    """A run of 660 items takes a second at least."""
    workshop.write(ROWS)
    things = workshop.solution(encoder="{type: hashed, window: 32, pause: 0.05}")
    things.ingest()
    workshop.write([*ROWS, *MORE, ("b", "bad text", 1)])
    with serving(things) as site:
        yield site


def events_of(site, job):
    """The events of a run, as name and data."""
    found = []
    with site.client.stream("GET", f"/api/things/ingest/{job['id']}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                found.append((name, json.loads(line[6:])))
    return found


def test_a_run_is_watched_from_beginning_to_end_and_searched_meanwhile(slow):
    problem(slow.get("/api/things/ingest"), 404)
    answer = slow.post("/api/things/ingest")
    assert answer.status_code == 202
    job = answer.json()
    assert set(job) == JOB
    assert answer.headers["location"] == f"/api/things/ingest/{job['id']}"
    problem(slow.post("/api/things/ingest"), 409)
    problem(slow.post("/api/things/items", json={"key": "x", "content": "x"}), 409)
    with ThreadPoolExecutor(1) as pool:
        watched = pool.submit(events_of, slow, job)
        asked = 0
        while not watched.done():
            assert slow.search("text 7", limit=1).json()["hits"][0]["key"] == "k7"
            asked += 1
        events = watched.result()
    assert asked > 1
    assert [name for name, _ in events[:-1]] == ["progress"] * (len(events) - 1)
    assert len(events) > 3
    seen = [data["seen"] for _, data in events]
    assert seen == sorted(seen)
    name, last = events[-1]
    assert (name, last["state"], last["ended"] is not None) == ("end", "done", True)
    counts = {name: last[name] for name in ("seen", "new", "unchanged", "failed", "total")}
    assert counts == {"seen": 661, "new": 600, "unchanged": 60, "failed": 1, "total": counts["total"]}
    assert slow.get("/api/things/ingest").json() == slow.get(f"/api/things/ingest/{job['id']}").json()
    assert slow.get("/api/solutions").json()["solutions"][0]["run"] == job["id"]
    assert slow.search("new 599", limit=1).json()["hits"][0]["key"] == "n599"
    failures = slow.get("/api/things/failures").json()
    assert (failures["total"], failures["next"]) == (1, None)
    assert failures["failures"][0]["message"] == "the text says bad"


def test_a_run_that_is_called_off_keeps_what_is_done(slow):
    job = slow.post("/api/things/ingest").json()
    while slow.get("/api/things/ingest").json()["new"] == 0:
        time.sleep(0.01)
    answer = slow.delete(f"/api/things/ingest/{job['id']}")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelling")
    ended = slow.finish(answer.json())
    assert ended["state"] == "cancelled"
    assert 0 < ended["new"] < 600
    problem(slow.delete(f"/api/things/ingest/{job['id']}"), 409)
    assert slow.ingest()["new"] == 600 - ended["new"]


def test_prune_limit_and_what_cannot_be_asked(workshop):
    workshop.write(ROWS)
    with serving(workshop.solution()) as site:
        assert site.ingest(limit=10)["new"] == 10
        assert site.ingest()["new"] == 50
        workshop.write(ROWS[5:])
        assert site.ingest(prune=True)["removed"] == 5
        problem(site.post("/api/things/ingest", json={"prune": True, "limit": 3}), 422)
        problem(site.post("/api/things/ingest", json={"limit": 0}), 422)
        problem(site.post("/api/things/ingest", json={"path": "../../etc/passwd"}), 422)
        problem(site.get("/api/things/ingest/..%2F..%2Fetc%2Fpasswd"), 404)
        problem(site.get("/api/things/ingest/nothing/events"), 404)


def test_failures_are_paged_and_tried_again(workshop):
    workshop.write([*ROWS, *((f"b{n}", "bad", 1) for n in range(5))])
    with serving(workshop.solution()) as site:
        assert site.ingest()["failed"] == 5
        page = site.get("/api/things/failures", params={"limit": 3}).json()
        assert [failure["key"] for failure in page["failures"]] == ["b0", "b1", "b2"]
        page = site.get("/api/things/failures", params={"limit": 3, "cursor": page["next"]}).json()
        assert ([failure["key"] for failure in page["failures"]], page["next"]) == (["b3", "b4"], None)
        workshop.write([*ROWS, *((f"b{n}", "good", 1) for n in range(5))])
        answer = site.post("/api/things/failures/retry")
        assert (answer.status_code, answer.json()["kind"]) == (202, "retry")
        assert site.finish(answer.json())["new"] == 5
        assert site.get("/api/things/failures").json()["total"] == 0


def test_a_run_that_fails_says_why(lite):
    things = lite.solution()
    with serving(things) as site:
        job = site.ingest()
    assert job["state"] == "failed"
    assert "items.csv" in job["error"]


def test_streams_are_bounded_and_the_server_lives(lite):
    lite.write(MORE)
    things = lite.solution(encoder="{type: hashed, window: 32, pause: 0.3}")
    with serving(things, max_streams=5, heartbeat_seconds=0.3) as site:
        job = site.post("/api/things/ingest").json()
        url = f"{site.url}/api/things/ingest/{job['id']}/events"
        refused, opened, leave = [], [], threading.Event()

        def stream():
            with httpx.Client(timeout=30) as client, client.stream("GET", url) as answer:
                if answer.status_code != 200:
                    answer.read()
                    refused.append(answer)
                    return
                opened.append(answer)
                leave.wait(30)

        with ThreadPoolExecutor(60) as pool:
            streams = [pool.submit(stream) for _ in range(60)]
            while len(refused) + len(opened) < 60:
                time.sleep(0.01)
            assert site.get("/healthz").json() == {"ok": True}
            leave.set()
            for one in streams:
                one.result(30)
        assert (len(opened), len(refused)) == (5, 55)
        for answer in refused:
            problem(answer, 429)
            assert "retry-after" in answer.headers
        site.delete(f"/api/things/ingest/{job['id']}")
        assert events_of(site, job)[-1][1]["state"] == "cancelled"  # those that left made room


def test_a_stream_without_news_carries_a_heartbeat(lite):
    lite.write(ROWS)
    things = lite.solution(encoder="{type: hashed, pause: 1.5}")
    with serving(things, heartbeat_seconds=0.3) as site:
        job = site.post("/api/things/ingest").json()
        with site.client.stream("GET", f"/api/things/ingest/{job['id']}/events") as answer:
            assert ": still here" in list(answer.iter_lines())


def test_the_end_of_the_server_calls_a_run_off(lite):
    lite.write(MORE)
    things = lite.solution(encoder="{type: hashed, window: 32, pause: 0.1}")
    with serving(things) as site:
        site.post("/api/things/ingest")
        while not site.get("/api/things/ingest").json()["new"]:
            time.sleep(0.01)
    assert site.app.state.vicinal.services["things"].jobs.latest.state == "cancelled"
    assert 0 < things.status()["items"] < 600
