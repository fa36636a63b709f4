"""No face of a solution shows the password of its Redis, whichever way the URL has it, whether it answers or not."""

from __future__ import annotations

import pytest

from inprocess_server import run_server
from redis_servers import RunningRedis


@pytest.fixture
def own_redis(tmp_path):
    """A Redis that only the test uses, with a password and a socket, own.sock."""
    server = RunningRedis(tmp_path, "--unixsocket", str(tmp_path / "own.sock"), "--requirepass", "hunter2")
    yield server
    server.end()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:{port}/0?password=hunter2", "redis://127.0.0.1:{port}/0?password=…"),
        ("redis://:hunter2@127.0.0.1:{port}/0", "redis://…@127.0.0.1:{port}/0"),
        ("unix://{socket}?password=hunter2&db=1", "unix://{socket}?password=…&db=1"),
    ],
)
def test_the_password_of_redis_is_masked_in_every_response(lite, own_redis, tmp_path, monkeypatch, url, shown):
    shown = shown.format(port=own_redis.port, socket=tmp_path / "own.sock")
    monkeypatch.setenv("REDIS_URL", url.format(port=own_redis.port, socket=tmp_path / "own.sock"))
    lite.write([("a", "some text", 1)])
    solution = lite.solution()
    solution.ingest()
    with run_server(solution) as client:
        stats = client.get("/api/things/stats")
        assert stats.json()["stores"]["redis"]["location"] == shown
        responses = [stats, *map(client.get, ("/readyz", "/metrics", "/api/solutions", "/api/things/items"))]
        own_redis.end()
        down = client.get("/api/things/stats")
        assert down.status_code == 503
        assert shown in down.json()["error"]
        responses += [down, client.get("/readyz"), client.search("text"), client.get("/api/things/items")]
    assert all("hunter2" not in response.text for response in responses)
