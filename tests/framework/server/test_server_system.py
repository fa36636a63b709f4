"""What the server says about itself, the error body of all routes, and the command that starts it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest

from inprocess_server import check_error, run_server
from serve_process import run_server_process
from servers import wait_until
from vicinal import hookimpl
from vicinal.errors import ConfigError, DependencyError
from vicinal.plugin.reranker import Reranker
from vicinal.server import create_app
from vicinal.server.service import SolutionService, _to_title

pytestmark = pytest.mark.long_on_server


def test_solutions_are_described_for_clients(text_client):
    body = text_client.get("/api/solutions").json()
    assert re.fullmatch("[0-9a-f]{16}", body["solutions"][0].pop("checksum")), "that of the configuration"
    assert body == {
        "solutions": [
            {
                "name": "things",
                "title": "Things",
                "encoder": {"type": "hashed", "summary": "for tests"},
                "items": 60,
                "rows": 60,
                "failures": 0,
                "query": {
                    "modalities": [
                        {
                            "name": "text",
                            "input": "text",
                            "label": "text",
                            "placeholder": "Ask, or describe what you are looking for",
                            "example": "how do I begin",
                            "renders": "text",
                        }
                    ],
                    "renders": "text",
                    "text": True,
                    "file": False,
                    "accept": [],
                    "placeholder": "Ask, or describe what you are looking for",
                    "suggests": False,
                    "item_filters": [],
                },
                "fields": [{"name": "year", "type": "int64"}],
                "segmented": False,
                "max_sorted_items": 200_000,
                "ready": True,
                "reason": "",
                "run": None,
            }
        ]
    }


@pytest.mark.parametrize(
    ("name", "title"),
    [("qa", "QA"), ("images-offline", "Images offline"), ("my_cats", "My cats"), ("things", "Things")],
)
def test_title_is_made_of_the_name(name, title):
    assert _to_title(name) == title


def test_solution_of_files_names_the_accepted_types(file_client):
    query = file_client.get("/api/solutions").json()["solutions"][0]["query"]
    assert [modality["name"] for modality in query["modalities"]] == ["image"]
    assert (query["text"], query["file"], query["accept"]) == (False, True, ["image/*"])


def test_stats_are_those_of_the_status_command(client):
    stats = client.get("/api/things/stats").json()
    assert (stats["solution"], stats["items"], stats["rows"], stats["failures"]) == ("things", 60, 60, 0)
    assert stats["index"]["type"] == "FLAT"
    assert set(stats["stores"]) == {"milvus", "redis"}


def test_health_and_metrics(text_client):
    assert text_client.get("/healthz").json() == {"ok": True}
    assert text_client.get("/readyz").json() == {"ready": True, "solutions": {"things": {"ready": True, "reason": ""}}}
    for _ in range(3):
        text_client.search("text 1")
    text_client.get("/no/such/route")
    text_client.ingest()
    wait_until(lambda: 'vicinal_job_seconds_count{kind="ingest"' in text_client.get("/metrics").text)
    lines = text_client.get("/metrics").text.splitlines()
    for line in (
        'vicinal_requests_total{method="POST",route="/api/{name}/search",status="200"} 3.0',
        'vicinal_requests_total{method="GET",route="unmatched",status="404"} 1.0',
        'vicinal_batch_size_count{solution="things"} 3.0',
        'vicinal_items{solution="things"} 60.0',
        'vicinal_ready{solution="things"} 1.0',
        'vicinal_search_step_seconds_count{solution="things",step="encode"} 3.0',
        'vicinal_queued_queries{solution="things"} 0.0',
        'vicinal_jobs_total{kind="ingest",solution="things",state="done"} 1.0',
        'vicinal_jobs_total{kind="reindex",solution="things",state="failed"} 0.0',
        'vicinal_ingested_items_total{outcome="unchanged",solution="things"} 60.0',
    ):
        assert line in lines
    assert any(line.startswith("vicinal_request_seconds_bucket{") for line in lines)


def test_every_route_fails_with_the_error_body(text_client):
    """Each route with an unknown solution, a method that it does not have, and a body that it does not take."""
    document = text_client.get("/openapi.json").json()
    assert len(document["paths"]) >= 15
    for path, operations in document["paths"].items():
        unknown, known = (re.sub(r"\{(\w+)\}", name, path) for name in ("nothing", "things"))
        check_error(text_client.request("PATCH", unknown), 405)
        for method in operations:
            if "{" in path:
                check_error(text_client.request(method, unknown, json={}), 404)
            if "requestBody" in operations[method]:
                check_error(
                    text_client.request(method, known, content=b"[", headers={"content-type": "application/json"}), 422
                )
                check_error(text_client.request(method, known, content=b"x", headers={"content-type": "text/xml"}), 415)
    check_error(text_client.get("/nothing/at/all"), 404)
    check_error(text_client.get("/page/nothing.js"), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/things/items", "DELETE, GET, HEAD, POST"),
        ("POST", "/api/things/items/k1", "DELETE, GET, HEAD"),
        ("POST", "/api/things/items/a%2Fcontent", "DELETE, GET, HEAD"),
        ("DELETE", "/api/things/items/k1/content", "GET, HEAD"),
        ("POST", "/api/things/items/k1/content", "GET, HEAD"),
        ("OPTIONS", "/api/things/ingest", "GET, HEAD, POST"),
        ("HEAD", "/api/things/search", "POST"),
        ("GET", "/api/session", "DELETE, POST"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("DELETE", "/", "GET, HEAD"),
    ],
)
@pytest.mark.parametrize("root_path", ["", "/search"])
def test_405_names_every_method_that_the_path_allows(lite, method, path, allowed, root_path):
    lite.write([])
    with run_server(lite.solution(), root_path=root_path) as client:
        response = client.request(method, root_path + path)
        assert (response.status_code, response.headers["allow"]) == (405, allowed)
        if method != "HEAD":
            check_error(response, 405)


def test_unknown_parameter_is_refused(text_client):
    """Otherwise the limit of a search would be ignored, and it would find ten hits instead of three."""
    response = text_client.post("/api/things/search?limit=3", json={"query": "text 1"})
    body = check_error(response, 422)
    assert (body["error"], body["hint"]) == ("limit: unknown parameter", "known: whole")
    for method, path in (("GET", "items"), ("DELETE", "items/k1"), ("GET", "items/k1/content"), ("POST", "ingest")):
        check_error(text_client.request(method, f"/api/things/{path}?Num=3"), 422)
    check_error(text_client.post("/api/nothing/search?limit=3", json={"query": "x"}), 422)
    assert text_client.get("/healthz?probe=1").status_code == 200


def test_head_is_get_without_the_body(file_client):
    """On every route for GET, including the event stream and failures."""
    job = file_client.ingest()["id"]
    paths = [
        *(
            path.format(name="things", id=job, key="f1.png")
            for path in file_client.get("/openapi.json").json()["paths"]
        ),
        *("/", "/page/app.js", "/page/nothing.js", "/docs", "/openapi.json", "/api/nothing/stats"),
    ]
    found = set()
    wait_until(lambda: file_client.get("/api/things/duplicates").status_code == 200)
    for path in paths:
        whole, head = file_client.get(path), file_client.head(path)
        assert (head.status_code, head.content) == (whole.status_code, b""), path
        for response in (whole, head):
            response.headers.pop("date")
            if path in ("/metrics", "/api/solutions", "/api/things/stats"):  # each call may report something new
                response.headers.pop("content-length")
            response.headers.pop("transfer-encoding", "")
        assert head.headers == whole.headers, path
        found.add(whole.status_code)
    assert found == {200, 202, 404, 405}
    big = file_client.folder / "f4.png"
    big.write_bytes(b"\0" * 50_000_000)
    response = file_client.head("/api/things/items/f4.png/content", headers={"Range": "bytes=5-"})
    assert (response.status_code, response.headers["content-range"]) == (206, "bytes 5-49999999/50000000")
    assert file_client.get("/healthz").json() == {"ok": True}


def test_unexpected_error_is_logged_and_not_sent(text_client, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("a secret")

    monkeypatch.setattr(SolutionService, "get_record", fail)
    response = text_client.get("/api/things/items/k1")
    assert "secret" not in str(check_error(response, 500))
    assert "a secret" in caplog.text


def test_traceback_of_an_unexpected_error_is_logged_once(lite):
    lite.write([("k", "text", 1)])
    solution = lite.solution()
    solution.ingest()
    solution.close()
    with run_server_process(lite.folder / "things.yaml", log_pattern=".*") as client:
        check_error(client.post("/api/things/search", json={"query": "crash"}), 500)
        log = client.log_file.read_text()
    assert log.count("Traceback (most recent call last)") == 1
    assert log.count("RuntimeError: a decoder's own defect") == 1


def test_every_line_of_a_server_that_logs_json_is_an_object(lite):
    """Those of uvicorn, too, which has handlers of its own."""
    lite.write([("k", "text", 1)])
    solution = lite.solution(extra="plugins: {log: {slow_search_ms: 0}}")
    solution.ingest()
    solution.close()
    with run_server_process(lite.folder / "things.yaml", log_pattern=".*", log_format="json") as client:
        with socket.create_connection(("127.0.0.1", client.port)) as connection:
            connection.sendall(b"garbage\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400")
        assert client.post("/api/things/search", json={"query": "text"}).is_success
    lines = list(map(json.loads, client.log_file.read_text().splitlines()))
    assert [one["logger"] for one in lines] == ["uvicorn.error", "vicinal"]
    assert lines[1]["fields"]["hits"] == 1


class Observer:
    def __init__(self):
        self.searches = []

    @hookimpl
    def search_finished(self, solution, queries, hits, milliseconds):
        self.searches.append((solution, queries, hits))


def test_observers_are_not_notified_of_preloading(lite, monkeypatch):
    observer, is_preloaded = Observer(), threading.Event()
    lite.manager.register(observer, "observer")
    lite.write([("k", "text", 1)])
    solution = lite.solution()
    solution.ingest()
    encode = solution.encoder.encode
    monkeypatch.setattr(solution.encoder, "encode", lambda samples: is_preloaded.set() or encode(samples))
    with run_server(solution, preload_models=True) as client:
        assert is_preloaded.wait(30)
        assert client.search("text").status_code == 200
    assert observer.searches == [("things", 1, 1)]


class Absent(Reranker):
    """Its model is missing."""

    is_asked = threading.Event()

    def rerank(self, query, hits):
        self.is_asked.set()
        raise DependencyError("the reranker's model is missing")


class AbsentPlugin:
    @hookimpl
    def register_rerankers(self, rerankers):
        rerankers.add("absent", "test_server_system:Absent")


def test_preloading_tells_of_a_reranker_whose_model_is_missing(lite, caplog):
    lite.manager.register(AbsentPlugin(), "absent")
    lite.write([("k", "text", 1)])
    solution = lite.solution(extra="rerank: {type: absent}")
    solution.ingest()
    with run_server(solution, preload_models=True, health_interval_seconds=0.05) as client:
        assert Absent.is_asked.wait(30)
        missing = {"things": {"ready": False, "reason": "the reranker's model is missing"}}
        wait_until(lambda: check_error(client.get("/readyz"), 503)["solutions"] == missing)
    messages = [record.getMessage() for record in caplog.records if record.name.startswith("vicinal")]
    assert messages == ["things: not ready: the reranker's model is missing"]


def test_openapi_has_examples_and_docs_need_no_network(text_client):
    document = text_client.get("/openapi.json").json()
    search = document["paths"]["/api/{name}/search"]["post"]
    assert set(search["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    assert document["components"]["schemas"]["SearchRequest"]["examples"][0]["query"]
    assert all("default" in one["responses"] for methods in document["paths"].values() for one in methods.values())
    page = text_client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    for path in document["paths"]:
        assert path in page.text
    assert re.findall(r'(?:src|href)="([^"]+)"', page.text) == ["page/logo.svg", "docs.css", "openapi.json"]
    assert text_client.get("/docs.css").headers["content-type"].startswith("text/css")


def test_openapi_states_the_limits_of_the_settings(lite):
    lite.write([])
    with run_server(lite.solution(), max_limit=20, max_queries=3, max_query_chars=500) as client:
        document = client.get("/openapi.json").json()
    assert "x-bounds" not in str(document)
    models = document["components"]["schemas"]
    one, several = models["SearchRequest"]["properties"], models["MultiSearchRequest"]["properties"]
    assert (one["limit"]["minimum"], one["limit"]["maximum"]) == (1, 20)
    text, vector = one["query"]["anyOf"]
    assert (text["minLength"], text["maxLength"], one["filter"]["maxLength"]) == (1, 500, 500)
    assert (vector["type"], vector["minItems"]) == ("array", 1)
    assert (several["queries"]["minItems"], several["queries"]["maxItems"]) == (1, 3)
    assert several["queries"]["items"]["anyOf"] == [text, vector]
    form = document["paths"]["/api/{name}/search"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert (form["properties"]["limit"]["maximum"], form["properties"]["filter"]["maxLength"]) == (20, 500)
    for path in ("/api/{name}/items", "/api/{name}/failures"):
        parameters = {one["name"]: one["schema"] for one in document["paths"][path]["get"]["parameters"]}
        assert (parameters["limit"]["minimum"], parameters["limit"]["maximum"]) == (1, 20)
    for model, field in (("AddRequest", "key"), ("DeleteRequest", "keys")):
        key = models[model]["properties"][field]
        key = key.get("items", key)
        assert (key["minLength"], key["maxLength"]) == (1, 1024)


def test_two_solutions_with_one_name_are_refused(lite):
    lite.write([])
    with pytest.raises(ConfigError, match="two solutions are named 'things'"):
        create_app([lite.solution(), lite.solution()])


def test_solution_can_be_used_after_it_was_served(lite):
    lite.write([("a", "one", 1)])
    solution = lite.solution()
    solution.ingest()
    for _ in range(2):
        with run_server(solution) as client:
            assert client.search("one").status_code == 200
    assert solution.search("one")[0].key == "a"


def test_serve_command_ends_on_ctrl_c(tmp_path):
    (tmp_path / "m.csv").write_text("name,smiles\nethanol,CCO\n")
    (tmp_path / "m.yaml").write_text(
        "name: molecules\nsource: {type: table, path: m.csv, key: name, content: smiles}\nencoder: {type: morgan}\n"
    )
    vicinal = [sys.executable, "-c", "from vicinal.cli import main; raise SystemExit(main())"]
    subprocess.run([*vicinal, "ingest", tmp_path / "m.yaml"], check=True, capture_output=True)
    with subprocess.Popen(
        [*vicinal, "serve", tmp_path / "m.yaml", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            line = server.stdout.readline()
            url = re.fullmatch(r"serving molecules at (http://127\.0\.0\.1:\d+) \(Ctrl-C stops it\)\n", line)[1]
            response = httpx.post(f"{url}/api/molecules/search", json={"query": "CCO"}, timeout=30)
            assert response.json()["hits"][0]["key"] == "ethanol"
            port = url.rpartition(":")[2]
            again = subprocess.run(
                [*vicinal, "serve", tmp_path / "m.yaml", "--port", port], capture_output=True, text=True, check=False
            )
            assert (again.returncode, again.stdout) == (1, "")
            assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in again.stderr
        finally:
            os.kill(server.pid, signal.SIGINT)
            assert server.wait(20) == 0
        assert server.stderr.read() == ""
