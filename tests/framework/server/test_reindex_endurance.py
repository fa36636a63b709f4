"""A reindex that is killed again and again, under clients that search and write; then the way back.

No search fails or is answered by both generations, and every write that was acknowledged is in what is put in place.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx
import pytest

from serve_process import make_plugin_environment, run_server_process
from servers import wait_until
from vicinal.solution.generations import describe_unfinished
from vicinal.stores.redis import MetadataStore

SCRIPT = Path(sys.executable).with_name("vicinal")
ROWS = [(f"k{number}", f"text {number}", 2000 + number % 10) for number in range(600)]
QUERIES = ["text 7", "text 33", "@k5"]
OLD = "{type: hashed, batch_size: 10}"
NEW = "{type: hashed, salt: new, batch_size: 10, pause: 0.7}"
FIELDS = "fields: {year: int64}"
SEARCHERS, KILLS = 8, 5
ALL_ENDED = 300


class Clients:
    """Eight clients that search what is never written, and one that adds and removes other items."""

    def __init__(self, url):
        self.url = url
        self.answers, self.kept = [], {}
        self.uncertain = set()
        """The keys of what was sent when the server was killed."""
        self._ended, self._is_killed = threading.Event(), False
        self._numbers = count()

    @contextmanager
    def working(self):
        self._ended.clear()
        self._is_killed = False
        with ThreadPoolExecutor(SEARCHERS + 1) as pool:
            clients = [pool.submit(self._repeat, self._search) for _ in range(SEARCHERS)]
            clients.append(pool.submit(self._repeat, self._write))
            try:
                yield
            finally:
                self._ended.set()
            for client in clients:
                client.result(ALL_ENDED)

    def _repeat(self, work):
        with httpx.Client(base_url=self.url, timeout=60) as http:
            while not self._ended.is_set():
                try:
                    work(http)
                except httpx.TransportError:
                    if not self._is_killed:
                        raise
                    return

    def kill(self, server):
        self._is_killed = True
        server.process.kill()
        server.process.wait()

    def _search(self, http):
        for query in QUERIES:
            self.answers.append((query, ask(http, query)))

    def _write(self, http):
        number = next(self._numbers)
        key, content = f"w{number}", f"written {number}"
        self.uncertain.add(key)
        sent = http.post("/api/things/items", json={"key": key, "content": content, "metadata": {"year": 1}})
        assert sent.status_code == 201, sent.text
        if number % 3:
            self.kept[key] = content
        else:
            assert http.delete(f"/api/things/items/{key}").json() == {"removed": 1}
        self.uncertain.remove(key)

    def wait_for_more(self):
        wanted = len(self.answers) + 4 * SEARCHERS, len(self.kept) + 2
        wait_until(lambda: len(self.answers) >= wanted[0] and len(self.kept) >= wanted[1], ALL_ENDED)


def ask(http, query):
    """In a batch of queries distances are rounded otherwise, so that equal ones change places."""
    body = {"query": query, "limit": 10, "filter": "year >= 2000"}
    response = http.post("/api/things/search", json=body)
    assert response.status_code == 200, response.text
    return sorted((round(hit["distance"], 5), hit["key"]) for hit in response.json()["hits"])


def ask_all(url):
    with httpx.Client(base_url=url, timeout=60) as http:
        return {query: ask(http, query) for query in QUERIES}


def assert_written(url, clients):
    """What was added and not removed is there, and found by its text."""
    with httpx.Client(base_url=url, timeout=60) as http:
        page = {"items": [], "next": ""}
        found = []
        while page["next"] is not None:
            page = http.get("/api/things/items", params={"prefix": "w", "limit": 100, "cursor": page["next"]}).json()
            found += [(item["key"], item["content"]) for item in page["items"]]
        assert {key: content for key, content in found if key not in clients.uncertain} == clients.kept
        for key, content in list(clients.kept.items())[-20:]:
            hits = http.post("/api/things/search", json={"query": content, "limit": 1}).json()["hits"]
            assert (hits[0]["key"], round(hits[0]["similarity"], 4)) == (key, 1.0)
        items = http.get("/api/things/stats").json()["items"]  # what a killed writer has left half is not counted
        assert len(clients.kept) <= items - len(ROWS) <= len(found)


class Reindexing:
    """The command in a process of its own, which is killed; the embedded Milvus' server is killed in its place."""

    def __init__(self, workshop):
        self.workshop = workshop
        self.yaml = workshop.folder / "things.yaml"
        self.environment = make_plugin_environment(workshop.folder, {})
        location = str(workshop.folder / ".vicinal" / "redis") if workshop.embedded else workshop.redis
        self.metadata = MetadataStore("things", location)

    def run(self, *options):
        done = subprocess.run(
            [SCRIPT, "reindex", self.yaml, *options],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=ALL_ENDED,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def begun(self, more=30):
        """A run in progress that has indexed so many items more."""
        before = self.count()
        with subprocess.Popen([SCRIPT, "reindex", self.yaml], env=self.environment, stderr=subprocess.DEVNULL) as run:
            wait_until(lambda: self.count() >= before + more, ALL_ENDED)
            yield run
            run.kill()

    def count(self):
        return (describe_unfinished(self.metadata) or {}).get("items") or 0


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("workshop", ["server"], indirect=True)
def test_a_process_that_reindexes_is_killed_under_a_server_that_goes_on(workshop):
    workshop.write(ROWS)
    workshop.solution(encoder=OLD, extra=FIELDS).ingest()
    reindexing = Reindexing(workshop)
    with run_server_process(reindexing.yaml, request_timeout_seconds=60) as server:
        old, clients = ask_all(server.url), Clients(server.url)
        with clients.working():
            clients.wait_for_more()
            workshop.yaml(encoder=NEW, extra=FIELDS)
            for _ in range(KILLS):
                with reindexing.begun():
                    written = len(clients.kept)
                    wait_until(lambda written=written: len(clients.kept) > written, ALL_ENDED)
            assert 0 < reindexing.count() < len(ROWS)
            reindexing.run("--keep")
            clients.wait_for_more()
        new = ask_all(server.url)
        assert all(old[query] != new[query] for query in QUERIES)
        assert [query for query, found in clients.answers if found not in (old[query], new[query])] == []
        assert_written(server.url, clients)
        with clients.working():
            clients.wait_for_more()
            reindexing.run("--rollback")
            clients.wait_for_more()
        assert ask_all(server.url) == old
        assert [query for query, found in clients.answers if found not in (old[query], new[query])] == []
        assert_written(server.url, clients)
    reindexing.metadata.close()


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("workshop", ["lite"], indirect=True)
def test_a_server_that_reindexes_is_killed_and_started_again(workshop):
    workshop.write(ROWS)
    with workshop.solution(encoder=OLD, extra=FIELDS) as solution:
        solution.ingest()
    reindexing, clients = Reindexing(workshop), Clients("")
    old, kills = None, 0
    while kills < KILLS:
        before = kills
        with pytest.raises(AssertionError), run_server_process(reindexing.yaml, log_pattern=".*") as server:
            clients.url = server.url
            old = old or ask_all(server.url)
            with clients.working():
                clients.wait_for_more()
                workshop.yaml(encoder=NEW, extra=FIELDS)
                least = reindexing.count() + 30
                server.post("/api/things/reindex").raise_for_status()
                wait_until(lambda least=least: reindexing.count() >= least, ALL_ENDED)
                clients.kill(server)
            kills += 1
        assert kills == before + 1
        workshop.yaml(encoder=OLD, extra=FIELDS)
    with run_server_process(reindexing.yaml, request_timeout_seconds=60) as server:
        clients.url = server.url
        assert ask_all(server.url) == old
        assert 0 < reindexing.count() < len(ROWS)
        with clients.working():
            workshop.yaml(encoder=NEW, extra=FIELDS)
            reindexing.run("--keep")
            clients.wait_for_more()
        new = ask_all(server.url)
        assert_written(server.url, clients)
        with clients.working():
            reindexing.run("--rollback")
            clients.wait_for_more()
        assert ask_all(server.url) == old
        assert all(old[query] != new[query] for query in QUERIES)
        assert [query for query, found in clients.answers if found not in (old[query], new[query])] == []
        assert_written(server.url, clients)
    reindexing.metadata.close()
