"""The API below the path prefix of a proxy: the addresses that it returns have the prefix, and keys are required."""

from __future__ import annotations

import httpx
import pytest

from inprocess_server import ROWS, check_error, run_server
from prefix_proxy import run_prefix_proxy
from vicinal.errors import ConfigError
from vicinal.server import Settings


@pytest.fixture
def solution(lite):
    lite.write(ROWS)
    solution = lite.solution()
    solution.ingest()
    return solution


@pytest.mark.parametrize("strips_prefix", [True, False], ids=["stripped", "kept"])
def test_addresses_have_the_prefix(solution, strips_prefix):
    with (
        run_server(solution, root_path="/tools/search") as server,
        run_prefix_proxy(server.url, "/tools/search", strips_prefix=strips_prefix) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        hit = client.post("/tools/search/api/things/search", json={"query": "text 7"}).json()["hits"][0]
        assert hit["content_url"] == "/tools/search/api/things/items/k7/content"
        assert client.get(hit["content_url"]).text == "text 7"
        item = client.get("/tools/search/api/things/items/k7").json()
        assert item["content_url"] == hit["content_url"]
        job = client.post("/tools/search/api/things/ingest", json={})
        assert job.headers["location"] == f"/tools/search/api/things/ingest/{job.json()['id']}"
        assert client.get(job.headers["location"]).status_code == 200
        assert client.get("/tools/search/openapi.json").json()["servers"] == [{"url": "/tools/search"}]
        docs = client.get("/tools/search/docs").text
        assert f"curl {url}/tools/search/api/solutions" in docs
        assert client.get("/api/solutions").text == "another application"


@pytest.mark.parametrize("strips_prefix", [True, False], ids=["stripped", "kept"])
def test_keys_are_required_below_the_prefix(solution, strips_prefix):
    with (
        run_server(solution, root_path="/search", api_keys=("key",)) as server,
        run_prefix_proxy(server.url, "/search", strips_prefix=strips_prefix) as url,
        httpx.Client(base_url=f"{url}/search", timeout=60) as client,
    ):
        for path in ("/api/solutions", "/api/things/items/k7/content", "/metrics"):
            check_error(client.get(path), 401)
            check_error(server.get(path), 401)
            check_error(server.get(f"/search{path}"), 401)
        response = client.post("/api/session", json={"key": "key"})
        assert "Path=/search;" in response.headers["set-cookie"]
        assert client.get("/api/solutions").status_code == 200
        assert client.delete("/api/session").status_code == 204
        check_error(client.get("/api/solutions"), 401)


def test_server_without_a_root_path_works_behind_a_proxy_that_strips_the_prefix(solution):
    with run_server(solution) as server, run_prefix_proxy(server.url, "/search") as url:
        assert httpx.get(f"{url}/search/api/things/items/k7/content").text == "text 7"
        assert httpx.get(f"{url}/search/healthz").json() == {"ok": True}


@pytest.mark.parametrize("path", ["/search", "/search/", "/a/b-c/d_e.f~1", "", "/"])
def test_valid_root_paths(path):
    assert Settings.from_environment({"VICINAL_ROOT_PATH": path}).root_path == path.rstrip("/")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("search", "must be a path such as /search"),
        ("/sea rch", "must be a path such as /search"),
        ("/a//b", "must be a path such as /search"),
        ('/"><script>', "must be a path such as /search"),
        ("https://example.org/search", "must be a path such as /search"),
        ("/api", "must not begin with a path of the server itself, such as /api"),
        ("/docs/search", "must not begin with a path of the server itself, such as /api"),
    ],
)
def test_invalid_root_path_is_refused(path, reason):
    with pytest.raises(ConfigError) as raised:
        Settings.from_environment({"VICINAL_ROOT_PATH": path})
    assert raised.value.problems == (f"VICINAL_ROOT_PATH: {reason}",)
