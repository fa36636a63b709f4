"""No face of a solution shows the password of its Redis, whichever way the URL has it, whether it answers or not."""

from __future__ import annotations

import subprocess

import pytest

from inprocess_server import run_server
from servers import end, free_port, wait_for_port
from vicinal.stores.redis_server import find_redis_server


@pytest.fixture
def own_redis(tmp_path):
    """A Redis that only the test uses, with a password: its process, its port and its socket."""
    port, socket = free_port(), tmp_path / "own.sock"
    options = ["--port", str(port), "--unixsocket", str(socket), "--requirepass", "hunter2", "--dir", str(tmp_path)]
    process = subprocess.Popen([find_redis_server().path, *options], stdout=subprocess.DEVNULL, start_new_session=True)
    wait_for_port(port, process, 20)
    yield process, port, socket
    if process.poll() is None:
        end(process)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:{port}/0?password=hunter2", "redis://127.0.0.1:{port}/0?password=…"),
        ("redis://:hunter2@127.0.0.1:{port}/0", "redis://…@127.0.0.1:{port}/0"),
        ("unix://{socket}?password=hunter2&db=1", "unix://{socket}?password=…&db=1"),
    ],
)
def test_the_password_of_redis_is_masked_in_every_response(lite, own_redis, monkeypatch, url, shown):
    process, port, socket = own_redis
    monkeypatch.setenv("REDIS_URL", url.format(port=port, socket=socket))
    lite.write([("a", "some text", 1)])
    solution = lite.solution()
    solution.ingest()
    with run_server(solution) as client:
        stats = client.get("/api/things/stats")
        assert stats.json()["stores"]["redis"]["location"] == shown.format(port=port, socket=socket)
        responses = [stats, *map(client.get, ("/readyz", "/metrics", "/api/solutions", "/api/things/items"))]
        end(process)
        down = client.get("/api/things/stats")
        assert down.status_code == 503
        assert shown.format(port=port, socket=socket) in down.json()["error"]
        responses += [down, client.get("/readyz"), client.search("text"), client.get("/api/things/items")]
    assert all("hunter2" not in response.text for response in responses)
