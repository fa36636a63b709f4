"""Strangers: keys, sizes, paths, bombs, headers. The answer is a 4xx with the error body, and the server lives."""

from __future__ import annotations

import socket
import struct
import zlib
from urllib.parse import quote

import httpx
import pytest

from inprocess_server import problem, serving

EVIL = (
    "../../etc/passwd",
    "/etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "....//....//etc/passwd",
    "\\..\\..\\etc\\passwd",
    "\0",
)


@pytest.fixture
def locked(lite):
    lite.write([("k", "text", 1)])
    things = lite.solution()
    things.ingest()
    with serving(things, api_keys=("first key", "zweiter-schlüssel")) as site:
        yield site


def test_without_a_key_only_health_the_page_and_the_docs_are_open(locked):
    for path in ("/api/solutions", "/api/things/items", "/api/things/items/k/content", "/metrics"):
        answer = locked.get(path)
        problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    problem(locked.search("text"), 401)
    assert locked.get("/healthz").status_code == 200
    assert locked.get("/readyz").json()["solutions"] == {"things": {"ready": True, "reason": ""}}
    assert locked.get("/docs").status_code == 200
    assert locked.get("/openapi.json").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer first key"},
        {"authorization": "bearer first key"},
        {"X-API-Key": "first key"},
        {"X-API-Key": "zweiter-schlüssel".encode()},
    ],
)
def test_a_key_opens(locked, headers):
    assert locked.get("/api/solutions", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"X-API-Key": "first"}, {"Authorization": "first key"}, {"Authorization": "Bearer"}, {"Cookie": "vicinal_key=x"}],
)
def test_another_key_does_not(locked, headers):
    problem(locked.get("/api/solutions", headers=headers), 401)


def test_a_browser_shows_its_key_once(locked):
    problem(locked.post("/api/session", json={"key": "wrong"}), 401)
    answer = locked.post("/api/session", json={"key": "zweiter-schlüssel"})
    assert answer.status_code == 204
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=strict" in answer.headers["set-cookie"]
    assert locked.get("/api/solutions").status_code == 200
    assert locked.delete("/api/session").status_code == 204
    problem(locked.get("/api/solutions"), 401)


def test_every_answer_has_the_security_headers(texts):
    for path in ("/", "/healthz", "/api/solutions", "/docs", "/nothing", "/api/things/items/k1/content"):
        headers = texts.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "unsafe-inline" not in headers["content-security-policy"] or path.endswith("/content")


def test_no_other_origin_may_call_unless_it_is_named(lite):
    origin = {"Origin": "https://example.org"}
    preflight = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    with serving() as site:
        assert "access-control-allow-origin" not in site.get("/healthz", headers=origin).headers
        problem(site.options("/api/things/search", headers=preflight), 405)
    with serving(cors_origins=("https://example.org",), api_keys=("key",)) as site:
        assert site.get("/healthz", headers=origin).headers["access-control-allow-origin"] == "https://example.org"
        assert site.options("/api/things/search", headers=preflight).status_code == 200
        answer = site.get("/healthz", headers={"Origin": "https://evil.org"})
        assert "access-control-allow-origin" not in answer.headers
        answer = site.get("/api/solutions", headers=origin)  # a page must be able to read why it was refused
        assert answer.headers["access-control-allow-origin"] == "https://example.org"


@pytest.mark.parametrize("evil", EVIL)
def test_a_path_is_nothing_in_any_place(files, evil):
    name = quote(evil, safe="")
    for answer in (
        files.get(f"/api/{name}/items"),
        files.get(f"/api/{name}/stats"),
        files.get(f"/api/things/items/{name}"),
        files.get(f"/api/things/items/{name}/content"),
        files.delete(f"/api/things/items/{name}"),
        files.get("/api/things/items", params={"cursor": evil}),
        files.get("/api/things/items", params={"limit": evil}),
        files.get(f"/api/things/ingest/{name}"),
        files.get(f"/api/things/ingest/{name}/events"),
        files.delete(f"/api/things/ingest/{name}"),
        files.post(f"/api/{name}/search", json={"query": "x"}),
        files.search(evil),
        files.search(f"@{evil}"),
        files.search("@f1.png", filter=evil),
        files.post("/api/things/search", files={"file": ("x", b"x")}, data={"filter": evil}),
        files.post("/api/things/search", data={"file": evil}, files={"other": b"x"}),
        files.post("/api/things/items", json={"key": "x", "content": evil}),
        files.post("/api/things/items", data={"file": evil}, files={"other": b"x"}),
        files.post("/api/things/items", data={"key": "x", "metadata": evil}, files={"file": ("x", b"x")}),
        files.post("/api/things/render", json={"query": evil}),
        files.get(f"/page/{name}"),
        files.get(f"/{name}"),
    ):
        assert answer.status_code in range(400, 500), (answer.request.url, answer.text)
        problem(answer, answer.status_code)
        assert "root:" not in answer.text
    assert files.get("/api/things/failures", params={"cursor": evil}).status_code == 200
    assert files.get("/api/things/items", params={"prefix": evil}).json()["items"] == []


@pytest.mark.parametrize("evil", EVIL[:-1])
def test_a_file_name_is_only_a_name(files, lite, evil):
    answer = files.post("/api/things/items", files={"file": (evil, b"abc")}, data={"key": evil})
    assert answer.status_code == 201
    kept = list((lite.folder / ".vicinal" / "things" / "uploads").iterdir())
    assert [len(path.name) for path in kept] == [16 + 1 + 32]
    assert files.get(f"/api/things/items/{quote(evil, safe='')}/content").content == b"abc"


def gigabyte():
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    yield head
    for _ in range(1000):
        yield b"\0" * 1_000_000
    yield b"\r\n--x--\r\n"


def test_an_upload_of_a_gigabyte_is_refused_before_it_is_read(files):
    form = {"content-type": "multipart/form-data; boundary=x"}
    for url in ("/api/things/search", "/api/things/items"):
        host, port = files.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 10) as wire:
            wire.sendall(
                f"POST {url} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000000\r\n"
                "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n".encode()
            )
            answer = b"".join(iter(lambda: wire.recv(65536), b""))  # it hangs up by itself
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"more than the 1.066 MB that the server takes" in answer
    sent = 0

    def counted():
        nonlocal sent
        for chunk in gigabyte():
            sent += len(chunk)
            yield chunk

    for url in ("/api/things/search", "/api/things/items"):
        try:
            answer = httpx.post(files.url + url, headers=form, content=counted(), timeout=60)
        except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
            pass  # it hung up on us before we had read its answer
        else:
            problem(answer, 413)
    assert sent < 100_000_000
    problem(files.post("/api/things/search", content=b'{"query": "' + b"x" * 2_000_000 + b'"}'), 413)
    assert files.get("/healthz").status_code == 200


def png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def test_a_picture_of_too_many_pixels_is_refused_by_its_header(lite):
    (lite.folder / "files").mkdir()
    pictures = lite.solution(encoder="{type: efficientnet_lite0}", source="{type: folder, path: files}")
    with serving(pictures) as site:
        upload = {"file": ("a.png", png(50_000, 50_000))}
        for url in ("/api/things/search", "/api/things/items"):
            assert "pixels" in problem(site.post(url, files=upload), 422)["error"]
        assert site.get("/healthz").status_code == 200
