"""Hostile clients: keys, sizes, paths, bombs, headers. The response is a 4xx with the error body; the server lives."""

from __future__ import annotations

import socket
import struct
import zlib
from urllib.parse import quote

import httpx
import pytest

from inprocess_server import check_error, run_server

HOSTILE_PATHS = (
    "../../etc/passwd",
    "/etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "....//....//etc/passwd",
    "\\..\\..\\etc\\passwd",
    "\0",
)


@pytest.fixture
def locked_client(lite):
    lite.write([("k", "text", 1)])
    solution = lite.solution()
    solution.ingest()
    with run_server(solution, api_keys=("first key", "zweiter-schlüssel")) as client:
        yield client


def test_only_health_page_and_docs_are_public(locked_client):
    for path in ("/api/solutions", "/api/things/items", "/api/things/items/k/content", "/metrics"):
        response = locked_client.get(path)
        check_error(response, 401)
        assert response.headers["www-authenticate"] == "Bearer"
    check_error(locked_client.search("text"), 401)
    assert locked_client.get("/healthz").status_code == 200
    assert locked_client.get("/readyz").json()["solutions"] == {"things": {"ready": True, "reason": ""}}
    assert locked_client.get("/docs").status_code == 200
    assert locked_client.get("/openapi.json").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer first key"},
        {"authorization": "bearer first key"},
        {"X-API-Key": "first key"},
        {"X-API-Key": "zweiter-schlüssel".encode()},
    ],
)
def test_valid_key_is_accepted(locked_client, headers):
    assert locked_client.get("/api/solutions", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"X-API-Key": "first"}, {"Authorization": "first key"}, {"Authorization": "Bearer"}, {"Cookie": "vicinal_key=x"}],
)
def test_invalid_key_is_refused(locked_client, headers):
    check_error(locked_client.get("/api/solutions", headers=headers), 401)


def test_session_stores_the_key_in_a_cookie(locked_client):
    check_error(locked_client.post("/api/session", json={"key": "wrong"}), 401)
    response = locked_client.post("/api/session", json={"key": "zweiter-schlüssel"})
    assert response.status_code == 204
    assert "HttpOnly" in response.headers["set-cookie"]
    assert "SameSite=strict" in response.headers["set-cookie"]
    assert locked_client.get("/api/solutions").status_code == 200
    assert locked_client.delete("/api/session").status_code == 204
    check_error(locked_client.get("/api/solutions"), 401)


def test_every_response_has_the_security_headers(text_client):
    for path in ("/", "/healthz", "/api/solutions", "/docs", "/nothing", "/api/things/items/k1/content"):
        headers = text_client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "unsafe-inline" not in headers["content-security-policy"] or path.endswith("/content")


def test_only_named_origins_may_call(lite):
    origin = {"Origin": "https://example.org"}
    preflight = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    with run_server() as client:
        assert "access-control-allow-origin" not in client.get("/healthz", headers=origin).headers
        check_error(client.options("/api/things/search", headers=preflight), 405)
    with run_server(cors_origins=("https://example.org",), api_keys=("key",)) as client:
        assert client.get("/healthz", headers=origin).headers["access-control-allow-origin"] == "https://example.org"
        assert client.options("/api/things/search", headers=preflight).status_code == 200
        response = client.get("/healthz", headers={"Origin": "https://evil.org"})
        assert "access-control-allow-origin" not in response.headers
        response = client.get("/api/solutions", headers=origin)  # a page can read why it was refused
        assert response.headers["access-control-allow-origin"] == "https://example.org"


@pytest.mark.parametrize("path", HOSTILE_PATHS)
def test_paths_are_refused_in_every_parameter(file_client, path):
    name = quote(path, safe="")
    for response in (
        file_client.get(f"/api/{name}/items"),
        file_client.get(f"/api/{name}/stats"),
        file_client.get(f"/api/things/items/{name}"),
        file_client.get(f"/api/things/items/{name}/content"),
        file_client.delete(f"/api/things/items/{name}"),
        file_client.get("/api/things/items", params={"cursor": path}),
        file_client.get("/api/things/items", params={"limit": path}),
        file_client.get(f"/api/things/ingest/{name}"),
        file_client.get(f"/api/things/ingest/{name}/events"),
        file_client.delete(f"/api/things/ingest/{name}"),
        file_client.post(f"/api/{name}/search", json={"query": "x"}),
        file_client.search(path),
        file_client.search(f"@{path}"),
        file_client.search("@f1.png", filter=path),
        file_client.post("/api/things/search", files={"file": ("x", b"x")}, data={"filter": path}),
        file_client.post("/api/things/search", data={"file": path}, files={"other": b"x"}),
        file_client.post("/api/things/items", json={"key": "x", "content": path}),
        file_client.post("/api/things/items", data={"file": path}, files={"other": b"x"}),
        file_client.post("/api/things/items", data={"key": "x", "metadata": path}, files={"file": ("x", b"x")}),
        file_client.post("/api/things/render", json={"query": path}),
        file_client.get(f"/page/{name}"),
        file_client.get(f"/{name}"),
    ):
        assert response.status_code in range(400, 500), (response.request.url, response.text)
        check_error(response, response.status_code)
        assert "root:" not in response.text
    assert file_client.get("/api/things/failures", params={"cursor": path}).status_code == 200
    assert file_client.get("/api/things/items", params={"prefix": path}).json()["items"] == []


@pytest.mark.parametrize("path", HOSTILE_PATHS[:-1])
def test_upload_file_name_is_never_used_as_a_path(file_client, lite, path):
    response = file_client.post("/api/things/items", files={"file": (path, b"abc")}, data={"key": path})
    assert response.status_code == 201
    kept = list((lite.folder / ".vicinal" / "things" / "uploads").iterdir())
    assert [len(path.name) for path in kept] == [16 + 1 + 32]
    assert file_client.get(f"/api/things/items/{quote(path, safe='')}/content").content == b"abc"


def iter_gigabyte():
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    yield head
    for _ in range(1000):
        yield b"\0" * 1_000_000
    yield b"\r\n--x--\r\n"


def test_huge_upload_is_refused_before_it_is_read(file_client):
    form = {"content-type": "multipart/form-data; boundary=x"}
    for url in ("/api/things/search", "/api/things/items"):
        host, port = file_client.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 10) as connection:
            connection.sendall(
                f"POST {url} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000000\r\n"
                "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n".encode()
            )
            response = b"".join(iter(lambda: connection.recv(65536), b""))  # the server closes the connection
        assert response.startswith(b"HTTP/1.1 413 ")
        assert b"more than the 1.066 MB that the server takes" in response
    sent = 0

    def iter_counted():
        nonlocal sent
        for chunk in iter_gigabyte():
            sent += len(chunk)
            yield chunk

    for url in ("/api/things/search", "/api/things/items"):
        try:
            response = httpx.post(file_client.url + url, headers=form, content=iter_counted(), timeout=60)
        except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
            pass  # the server closed the connection before its response was read
        else:
            check_error(response, 413)
    assert sent < 100_000_000
    check_error(file_client.post("/api/things/search", content=b'{"query": "' + b"x" * 2_000_000 + b'"}'), 413)
    assert file_client.get("/healthz").status_code == 200


def make_png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def test_image_with_too_many_pixels_is_refused_by_its_header(lite):
    (lite.folder / "files").mkdir()
    pictures = lite.solution(encoder="{type: efficientnet_lite0}", source="{type: folder, path: files}")
    with run_server(pictures) as client:
        upload = {"file": ("a.png", make_png(50_000, 50_000))}
        for url in ("/api/things/search", "/api/things/items"):
            assert "pixels" in check_error(client.post(url, files=upload), 422)["error"]
        assert client.get("/healthz").status_code == 200
