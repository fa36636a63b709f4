"""A server in the tests' own process, a client of it, and the check that every error must pass."""

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


class Client:
    """An HTTP client of a server that runs in this process, with the calls that tests make most."""

    def __init__(self, app, url):
        self.app = app
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=60)

    def __getattr__(self, method):
        return getattr(self.http, method)

    def search(self, query, name="things", *, whole=False, **options):
        return self.http.post(f"/api/{name}/search", params={"whole": whole}, json={"query": query, **options})

    def wait_for_job(self, job, name="things"):
        """Return the job once it has ended."""
        deadline = time.monotonic() + 60
        while job["state"] in ("running", "cancelling"):
            assert time.monotonic() < deadline, job
            time.sleep(0.02)
            job = self.http.get(f"/api/{name}/ingest/{job['id']}").json()
        return job

    def ingest(self, name="things", **options):
        response = self.http.post(f"/api/{name}/ingest", json=options)
        assert response.status_code == 202, response.text
        return self.wait_for_job(response.json(), name)


@contextmanager
def run_server(*solutions, **settings):
    """Serve solutions on a free port while the block runs; gives a client."""
    app = create_app(solutions, settings=Settings(**{"preload_models": False, **settings}))
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=3))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the server ended while it started"
                time.sleep(0.01)
            client = Client(app, f"http://127.0.0.1:{listener.getsockname()[1]}")
            with client.http:
                yield client
        finally:
            app.state.vicinal.is_closing = True
            server.should_exit = True
            thread.join(30)


def check_error(response, status):
    """Check that a response is a complete error body; return the body."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body["ok"] is False
    assert body["status"] == status
    assert isinstance(body["error"], str)
    assert body["error"]
    assert body["errors"]
    assert all(isinstance(line, str) for line in body["errors"])
    assert isinstance(body["hint"], str)
    assert "Traceback" not in response.text
    return body
