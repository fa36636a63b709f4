"""A reindex under a running server: clients are answered all the time, each by the old or by the new generation."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import httpx
import pytest

from generation_helpers import MORE, QUERIES, ROWS, index_learning
from inprocess_server import check_error, run_server
from vicinal import Solution

pytestmark = pytest.mark.long_on_server


@pytest.fixture
def learning(workshop):
    return index_learning(workshop)


@pytest.fixture
def client(learning):
    with run_server(learning, health_interval_seconds=0.1) as client:
        yield client


class Clients:
    """Clients that search again and again, and what they were answered."""

    def __init__(self, url, number=4):
        self.answers = []
        self._url = url
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(number)
        self._clients = [self._pool.submit(self._search) for _ in range(number)]

    def _search(self):
        with httpx.Client(base_url=self._url, timeout=60) as http:
            while not self._ended.is_set():
                for query in QUERIES:
                    self.answers.append((query, ask(http, query)))
                assert http.get("/api/learning/items/k7").status_code == 200
                assert http.get("/readyz").status_code == 200

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ended.set()
        for client in self._clients:
            client.result(60)
        self._pool.shutdown()

    def wait_for_more(self):
        """Wait until each query has been answered several times since."""
        wanted = len(self.answers) + 40
        while len(self.answers) < wanted and not any(client.done() for client in self._clients):
            time.sleep(0.01)


def ask(http, query):
    """All items; in a batch of queries distances are rounded otherwise, so that equal ones change places."""
    response = http.post("/api/learning/search", json={"query": query, "limit": 100})
    assert response.status_code == 200, response.text
    return sorted((round(hit["distance"], 5), hit["key"], hit["metadata"]["year"]) for hit in response.json()["hits"])


def ask_all(http):
    return {query: ask(http, query) for query in QUERIES}


def check_answers(clients, old, new):
    assert all(old[query] != new[query] for query in QUERIES)
    assert [query for query, found in clients.answers if found not in (old[query], new[query])] == []
    assert {found == old[query] for query, found in clients.answers} == {True, False}


def test_a_reindex_by_the_server_itself(client, workshop):
    old = ask_all(client.http)
    with Clients(client.url) as clients:
        clients.wait_for_more()
        workshop.write(MORE)
        job = client.post("/api/learning/reindex").json()
        assert (job["kind"], job["state"]) == ("reindex", "running")
        job = client.wait_for_job(job, "learning")
        assert (job["state"], job["new"], job["rows"], job["failed"]) == ("done", 90, 90, 0), job
        clients.wait_for_more()
    check_answers(clients, old, ask_all(client.http))
    stats = client.get("/api/learning/stats").json()
    assert (stats["generation"], stats["items"], stats["reindex"]) == (2, 90, None)


@pytest.mark.parametrize("workshop", ["server"], indirect=True)
def test_a_reindex_by_another_process(client, workshop, manager):
    old = ask_all(client.http)
    with Clients(client.url) as clients:
        for rows in (MORE, ROWS, MORE):
            clients.wait_for_more()
            workshop.write(rows)
            with Solution.from_yaml(workshop.folder / "learning.yaml", manager=manager) as other:
                other.reindex()
        clients.wait_for_more()
    check_answers(clients, old, ask_all(client.http))
    assert client.get("/api/learning/stats").json()["generation"] == 4


def test_a_reindex_can_be_cancelled_and_is_the_only_writer(client, workshop, learning):
    old = ask_all(client.http)
    workshop.write([*MORE, *((f"m{number}", f"more word{number}", 1) for number in range(4_000))])
    job = client.post("/api/learning/reindex").json()
    error = check_error(client.post("/api/learning/ingest", json={}), 409)
    assert error["error"] == "'learning' is already being indexed"
    client.delete(f"/api/learning/ingest/{job['id']}")
    assert client.wait_for_job(job, "learning")["state"] == "cancelled"
    assert ask_all(client.http) == old
    assert client.get("/api/learning/stats").json()["generation"] == 1
    assert client.ingest("learning")["new"] == 4_030


def test_items_that_are_sent_meanwhile_are_in_what_replaces_the_old(client, workshop):
    """Added, replaced and deleted ones, while others search."""
    with Clients(client.url) as clients:
        clients.wait_for_more()
        workshop.write(MORE)
        job, numbers, sent = client.post("/api/learning/reindex").json(), count(), []
        while client.get(f"/api/learning/ingest/{job['id']}").json()["state"] == "running":
            key = f"mine{next(numbers)}"
            response = client.post(
                "/api/learning/items", json={"key": key, "content": "common mine", "metadata": {"year": 1}}
            )
            assert response.status_code == 201, response.text
            sent.append(key)
            if len(sent) % 3 == 0:
                assert client.delete(f"/api/learning/items/{sent.pop(0)}").json() == {"removed": 1}
        assert client.wait_for_job(job, "learning")["state"] == "done"
        clients.wait_for_more()
    assert len(sent) > 1
    listed = client.get("/api/learning/items", params={"prefix": "mine", "limit": 100}).json()["items"]
    assert sorted(item["key"] for item in listed) == sorted(sent)
    assert client.get("/api/learning/stats").json()["items"] == 90 + len(sent)


def test_a_gate_and_the_way_back(client, workshop):
    old = ask_all(client.http)
    workshop.write(MORE)
    judgments = [{"query": "common word7 rest1", "relevant": {"k7": 1}}, {"query": "@k1", "relevant": {"k4": 1}}]
    gate = {"conditions": ["P@1>=0", "mAP@10>=live-1"], "judgments": judgments}
    job = client.wait_for_job(
        client.post("/api/learning/reindex", json={"gate": gate, "keep": True}).json(), "learning"
    )
    assert (job["state"], job["gate"]["passed"], len(job["gate"]["checks"])) == ("done", True, 2), job
    new = ask_all(client.http)
    stats = client.get("/api/learning/stats").json()
    assert (stats["generation"], stats["previous"]["generation"]) == (2, 1)
    job = client.wait_for_job(client.post("/api/learning/reindex", json={"action": "rollback"}).json(), "learning")
    assert (job["state"], job["rows"], job["warnings"]) == ("done", 60, [])
    assert ask_all(client.http) == old != new
    gate = {"conditions": ["P@1>=1"], "judgments": judgments, "drop_failed": True}
    job = client.wait_for_job(client.post("/api/learning/reindex", json={"gate": gate}).json(), "learning")
    assert (job["state"], job["error_type"]) == ("failed", "GateFailedError")
    assert client.get("/api/learning/stats").json()["reindex"] is None
    for action in ("drop_old", "drop_new"):
        job = client.wait_for_job(client.post("/api/learning/reindex", json={"action": action}).json(), "learning")
        assert (job["state"], job["removed"]) == ("done", int(action == "drop_old"))
    job = client.wait_for_job(client.post("/api/learning/reindex", json={"action": "rollback"}).json(), "learning")
    assert (job["state"], job["error"][:42]) == ("failed", "nothing is kept that 'learning' could be r")


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"action": "rollback", "keep": True}, 422, "keep: does not go with the action rollback"),
        ({"action": "undo"}, 422, "action: "),
        ({"gate": {"conditions": ["mAP@10=live"], "labels": "year"}}, 422, "gate.LabelGate.conditions.0"),
        ({"gate": {"conditions": ["mAP@10>=live"]}}, 422, "gate"),
        ({"checksum": "another"}, 409, "the server reads another YAML of 'learning'"),
    ],
)
def test_what_is_refused(client, body, status, message):
    error = check_error(client.post("/api/learning/reindex", json=body), status)
    assert message in "; ".join(error["errors"])


def test_a_server_goes_on_after_a_reindex_by_a_changed_yaml(client, workshop, manager):
    """Without a restart: whoever reindexes, its encoder and its fields are the new ones."""
    workshop.yaml("learning", encoder="{type: hashed}", extra="fields: {year: int64}")
    if workshop.embedded:
        assert client.wait_for_job(client.post("/api/learning/reindex").json(), "learning")["state"] == "done"
    else:
        with Solution.from_yaml(workshop.folder / "learning.yaml", manager=manager) as other:
            other.reindex()
    hits = client.search("common word7 rest1", "learning", filter="year == 2007").json()["hits"]
    assert [(hit["key"], round(hit["similarity"], 3)) for hit in hits] == [("k7", 1.0)]
    (described,) = client.get("/api/solutions").json()["solutions"]
    assert (described["encoder"]["type"], described["fields"]) == ("hashed", [{"name": "year", "type": "int64"}])
    assert client.post("/api/learning/items", json={"key": "mine", "content": "x", "metadata": {"year": 1}}).is_success
    assert client.ingest("learning")["unchanged"] == 60
