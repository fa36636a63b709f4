"""A server in the tests' own process, a client of it, and what every error must look like."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager

import httpx
import uvicorn

from vicinal.server import Settings, create_app

ROWS = [(f"k{number}", f"text {number}", 2000 + number % 10) for number in range(60)]
FIELDS = "fields: {year: 'int64 = 0'}"


class Site:
    """A server that runs in this process, and a client of it."""

    def __init__(self, app, url):
        self.app = app
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=60)

    def __getattr__(self, method):
        return getattr(self.client, method)

    def search(self, query, name="things", **more):
        return self.client.post(f"/api/{name}/search", json={"query": query, **more})

    def finish(self, job, name="things"):
        """The job once it has ended."""
        deadline = time.monotonic() + 60
        while job["state"] in ("running", "cancelling"):
            assert time.monotonic() < deadline, job
            time.sleep(0.02)
            job = self.client.get(f"/api/{name}/ingest/{job['id']}").json()
        return job

    def ingest(self, name="things", **options):
        answer = self.client.post(f"/api/{name}/ingest", json=options)
        assert answer.status_code == 202, answer.text
        return self.finish(answer.json(), name)


@contextmanager
def serving(*solutions, **settings):
    app = create_app(solutions, settings=Settings(**{"warm": False, **settings}))
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=3))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the server ended while it started"
                time.sleep(0.01)
            site = Site(app, f"http://127.0.0.1:{listener.getsockname()[1]}")
            with site.client:
                yield site
        finally:
            app.state.vicinal.is_closing = True
            server.should_exit = True
            thread.join(30)


def problem(answer, status):
    """The error body, which must be whole."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body["ok"] is False
    assert body["status"] == status
    assert isinstance(body["error"], str)
    assert body["error"]
    assert body["errors"]
    assert all(isinstance(line, str) for line in body["errors"])
    assert isinstance(body["hint"], str)
    assert "Traceback" not in answer.text
    return body
