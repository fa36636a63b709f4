"""Items over HTTP: listed, added, replaced, removed; their content is served by key, never by path."""

from __future__ import annotations

import sys
from urllib.parse import quote

import pytest

from inprocess_server import ROWS, check_error, run_server
from vicinal.errors import ConfigError
from vicinal.server import Settings, create_app

pytestmark = pytest.mark.long_on_server

ITEM = {"key", "uri", "title", "content", "metadata", "kind", "content_label", "content_url", "added"}


def list_all_items(client, **params):
    found, cursor = [], ""
    while cursor is not None:
        page = client.get("/api/things/items", params={**params, "cursor": cursor}).json()
        found += page["items"]
        cursor = page["next"]
    return found


def test_pages_contain_every_item_once(client):
    first = client.get("/api/things/items", params={"limit": 7}).json()
    assert (len(first["items"]), first["total"]) == (7, 60)
    assert all(set(item) == ITEM for item in first["items"])
    items = list_all_items(client, limit=7)
    assert sorted(item["key"] for item in items) == sorted(key for key, *_ in ROWS)
    assert sorted(item["key"] for item in list_all_items(client, prefix="k5")) == sorted(
        ["k5", *(f"k5{n}" for n in range(10))]
    )


@pytest.mark.parametrize(
    "params", [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"cursor": "../x"}, {"cursor": "9" * 20}]
)
def test_invalid_page_is_refused(text_client, params):
    check_error(text_client.get("/api/things/items", params=params), 422)


def test_page_after_every_item_is_empty(text_client):
    page = text_client.get("/api/things/items", params={"cursor": "9" * 19}).json()
    assert page == {"items": [], "next": None, "total": 60, "counts": None}


def test_get_one_item(text_client):
    assert text_client.get("/api/things/items/k7").json() == {
        "key": "k7",
        "uri": text_client.get("/api/things/items/k7").json()["uri"],
        "title": None,
        "content": "text 7",
        "metadata": {"year": 2007},
        "kind": "text",
        "content_label": "text",
        "content_url": "/api/things/items/k7/content",
        "added": False,
    }
    assert text_client.get("/api/things/items/k7/content").text == "text 7"
    assert "k777" in check_error(text_client.get("/api/things/items/k777"), 404)["error"]
    check_error(text_client.get("/api/things/items/k777/content"), 404)


def test_text_is_added_replaced_found_and_removed(client):
    def add(content):
        body = {"key": "mine/one", "content": content, "metadata": {"year": 1999}}
        response = client.post("/api/things/items", json=body)
        return response.status_code, response.json()

    assert add("a text of mine") == (201, {"key": "mine/one", "status": "new"})
    assert add("a text of mine") == (200, {"key": "mine/one", "status": "unchanged"})
    assert add("another text") == (200, {"key": "mine/one", "status": "updated"})
    best = client.search("another text", limit=1, filter="year == 1999").json()["hits"][0]
    assert (best["key"], best["content"], best["metadata"]) == ("mine/one", "another text", {"year": 1999})
    assert client.get(best["content_url"]).text == "another text"
    assert client.get("/api/things/items/mine%2Fone").json()["added"] is True
    assert client.ingest(prune=True)["removed"] == 0
    assert client.delete("/api/things/items/mine%2Fone").json() == {"removed": 1}
    check_error(client.get("/api/things/items/mine%2Fone"), 404)
    check_error(client.delete("/api/things/items/mine%2Fone"), 404)


def test_long_content_is_shortened_unless_the_whole_is_asked_for(text_client):
    text = "word " * 20_000
    text_client.post("/api/things/items", json={"key": "long", "content": text})
    for whole in (False, True):
        one = text_client.get("/api/things/items/long", params={"whole": whole}).json()
        listed = text_client.get("/api/things/items", params={"prefix": "long", "whole": whole, "limit": 100}).json()
        request = {"queries": ["x", "y"], "limit": 61}
        found = text_client.post("/api/things/search", params={"whole": whole}, json=request)
        found = found.json()["results"][1]["hits"]
        hit = text_client.search("x", limit=61, whole=whole).json()["hits"]
        items = [one, *listed["items"], *(hit for hit in [*found, *hit] if hit["key"] == "long")]
        assert len(items) == 4
        for item in items:
            assert item["content"] == (text if whole else f"{text[:1_999].rstrip()}…")
    assert text_client.get("/api/things/items/long/content").text == text


def test_item_of_the_same_key_is_kept_on_request(text_client):
    def add(content, **params):
        return text_client.post("/api/things/items", params=params, json={"key": "k1", "content": content})

    refused = check_error(add("another text", replace=False), 409)
    assert (refused["error"], refused["type"]) == ("an item has the key 'k1' already", "ItemExistsError")
    assert text_client.get("/api/things/items/k1").json()["content"] == "text 1"
    assert add("another text", replace=True).json()["status"] == "updated"
    assert add("another text", replace=False).json()["status"] == "unchanged"


def test_file_of_the_same_key_is_kept_on_request(file_client):
    url, upload = "/api/things/items", {"file": ("f3.png", b"other")}
    check_error(file_client.post(url, params={"replace": False}, files=upload), 409)
    assert file_client.get(f"{url}/f3.png/content").content == b"\x03" * 1003
    assert not list((file_client.folder.parent / ".vicinal" / "things" / "uploads").iterdir())


def test_several_items_are_removed_or_none(client):
    def remove(keys):
        return client.request("DELETE", "/api/things/items", json={"keys": keys})

    check_error(remove(["k1", "nobody"]), 404)
    assert remove(["k1", "k2", "k1"]).json() == {"removed": 2}
    assert client.get("/api/things/items").json()["total"] == 58
    assert client.search("text 1", limit=1).json()["hits"][0]["key"] != "k1"
    check_error(remove([]), 422)
    check_error(remove(["k3"] * 1001), 422)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"key": "k", "content": "bad"}, "content: the text says bad"),
        ({"key": "", "content": "x"}, "key: the key is empty"),
        ({"key": "k" * 1025, "content": "x"}, "key: the key has 1025 bytes, at most 1024 fit"),
        ({"key": "k", "content": "x", "metadata": {"year": "soon"}}, "metadata: field 'year' is not an int64: 'soon'"),
        (
            {"key": "k", "content": "x", "metadata": {"number": 2**64}},
            "metadata: cannot be stored as JSON: Integer exceeds 64-bit range",
        ),
        ({"key": "k"}, "content: Field required"),
        ({"key": "k", "content": "x", "path": "/etc/passwd"}, "path: unknown key"),
    ],
)
def test_refused_item_says_why(text_client, body, error):
    assert check_error(text_client.post("/api/things/items", json=body), 422)["errors"] == [error]


def test_uploaded_file_is_saved_under_a_generated_name(file_client, lite):
    kept = lite.folder / ".vicinal" / "things" / "uploads"

    def add(content, name="../../../etc/cron.d/x.png", **data):
        return file_client.post(
            "/api/things/items", files={"file": (name, content)}, data={"key": "up/../load", **data}
        )

    assert add(b"\x09" * 900).status_code == 201
    assert add(b"\x09" * 900).json()["status"] == "unchanged"
    assert add(b"\x0a" * 900, metadata='{"label": "x"}').json()["status"] == "updated"
    assert [path.suffix for path in kept.iterdir()] == [".png"]
    item = file_client.get(f"/api/things/items/{quote('up/../load', safe='')}").json()
    assert (item["metadata"], item["added"]) == ({"label": "x"}, True)
    assert file_client.get(item["content_url"]).content == b"\x0a" * 900
    best = file_client.post("/api/things/search", files={"file": b"\x0a"}, data={"limit": "1"}).json()["hits"][0]
    assert best["key"] == "up/../load"
    assert check_error(add(b"bad"), 422)["errors"] == ["content: the file is bad"]
    assert file_client.get(item["content_url"]).content == b"\x0a" * 900
    assert file_client.ingest(prune=True)["removed"] == 0
    assert file_client.request("DELETE", "/api/things/items", json={"keys": ["up/../load"]}).json() == {"removed": 1}
    assert list(kept.iterdir()) == []


def test_uploads_go_to_the_folder_of_the_settings(lite, tmp_path, monkeypatch):
    (lite.folder / "files").mkdir()
    solution = lite.solution(encoder="{type: bytes}", source="{type: folder, path: files}")
    monkeypatch.chdir(tmp_path)
    with run_server(solution, uploads="kept") as client:
        added = client.post("/api/things/items", files={"file": ("x.png", b"abc")})
        assert added.json() == {"key": "x.png", "status": "new"}
        assert [path.read_bytes() for path in (tmp_path / "kept" / "things").iterdir()] == [b"abc"]
        assert client.get("/api/things/items/x.png/content").content == b"abc"
        assert client.request("DELETE", "/api/things/items/x.png").json() == {"removed": 1}
        assert list((tmp_path / "kept" / "things").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"VICINAL_UPLOADS: cannot write to .*/file/things: Not a directory"):
        create_app([solution], settings=Settings(uploads="file"))


def test_unknown_form_field_is_refused(file_client):
    """Otherwise the ``Num`` of an old client would be ignored, and it would get ten hits instead of three."""
    for path, fields in (
        ("search", "file, limit, filter, item_filters, like, unlike, min_similarity, diversity"),
        ("items", "file, key, metadata"),
    ):
        body = check_error(file_client.post(f"/api/things/{path}", files={"file": b"\x03"}, data={"Num": "3"}), 422)
        assert body["errors"] == ["Num: unknown form field"]
        assert body["hint"] == f"known: {fields}"


def test_solution_of_files_refuses_texts(file_client):
    response = file_client.post("/api/things/items", json={"key": "k", "content": "/etc/passwd"})
    assert "are files" in check_error(response, 409)["error"]
    for metadata in ("[1]", "{"):
        response = file_client.post("/api/things/items", files={"file": ("a", b"x")}, data={"metadata": metadata})
        assert check_error(response, 422)["error"].startswith("metadata: is not")


def test_solution_of_texts_refuses_files(text_client):
    assert (
        "are not files" in check_error(text_client.post("/api/things/items", files={"file": ("a", b"x")}), 409)["error"]
    )


def test_content_supports_ranges(file_client):
    url = "/api/things/items/f3.png/content"
    whole = file_client.get(url)
    assert (whole.status_code, whole.content) == (200, b"\x03" * 1003)
    assert whole.headers["content-type"] == "image/png"
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["content-disposition"] == "inline; filename*=UTF-8''f3.png"
    assert "sandbox" in whole.headers["content-security-policy"]

    def get_range(value, **headers):
        response = file_client.get(url, headers={"range": value, **headers})
        return response.status_code, len(response.content), response.headers.get("content-range")

    assert get_range("bytes=0-9") == (206, 10, "bytes 0-9/1003")
    assert get_range("bytes=1000-") == (206, 3, "bytes 1000-1002/1003")
    assert get_range("bytes=-5") == (206, 5, "bytes 998-1002/1003")
    assert get_range("bytes=-5000") == (206, 1003, "bytes 0-1002/1003")
    assert get_range("bytes=900-99999") == (206, 103, "bytes 900-1002/1003")
    assert get_range("bytes=0-9", **{"if-range": whole.headers["etag"]}) == (206, 10, "bytes 0-9/1003")
    assert get_range("bytes=0-9", **{"if-range": whole.headers["last-modified"]}) == (206, 10, "bytes 0-9/1003")
    assert get_range("bytes=0-9", **{"if-range": '"another"'}) == (200, 1003, None)
    for malformed in ("lines=1-2", "bytes=9-2", "bytes=-", "bytes=x-y", "0-9", "bytes"):
        assert get_range(malformed) == (200, 1003, None), malformed


def test_content_in_several_ranges(file_client):
    response = file_client.get("/api/things/items/f3.png/content", headers={"range": "bytes=0-0,5-6"})
    assert response.status_code == 206
    boundary = response.headers["content-type"].removeprefix("multipart/byteranges; boundary=").encode()
    first, second = response.content.split(b"--" + boundary)[1:3]
    assert first == b"\r\nContent-Type: image/png\r\nContent-Range: bytes 0-0/1003\r\n\r\n\x03\r\n"
    assert second == b"\r\nContent-Type: image/png\r\nContent-Range: bytes 5-6/1003\r\n\r\n\x03\x03\r\n"


@pytest.mark.parametrize("value", ["bytes=1003-", "bytes=5000-6000", "bytes=-0", "bytes=0-1,2000-"])
def test_range_outside_of_the_content_is_a_416(file_client, value):
    response = file_client.get("/api/things/items/f3.png/content", headers={"range": value})
    check_error(response, 416)
    assert response.headers["content-range"] == "bytes */1003"


def test_unchanged_content_is_not_sent_again(file_client):
    url = "/api/things/items/f3.png/content"
    etag = file_client.get(url).headers["etag"]
    for known in (etag, f"W/{etag}", f'"another", {etag}'):
        response = file_client.get(url, headers={"if-none-match": known})
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", etag)
        assert "sandbox" in response.headers["content-security-policy"]
    assert file_client.get(url, headers={"if-none-match": '"another"'}).status_code == 200


def test_head_of_content_sends_the_headers_alone(file_client):
    url = "/api/things/items/f3.png/content"
    for headers in ({}, {"range": "bytes=0-9"}, {"range": "bytes=0-0,5-6"}, {"range": "bytes=1003-"}):
        whole, head = file_client.get(url, headers=headers), file_client.head(url, headers=headers)
        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert head.headers["content-length"] == str(len(whole.content))


@pytest.mark.parametrize(
    ("suffix", "media_type"),
    [
        (".ts", "video/mp2t"),
        (".M2TS", "video/mp2t"),
        (".wmv", "video/x-ms-wmv"),
        (".flv", "video/x-flv"),
        (".3gp", "video/3gpp"),
        (".ogv", "video/ogg"),
        (".opus", "audio/ogg"),
        (".jxl", "image/jxl"),
        (".svg", "application/octet-stream"),
        (".html", "application/octet-stream"),
    ],
)
def test_content_and_uploads_have_their_media_type(file_client, suffix, media_type):
    (file_client.folder / f"indexed{suffix}").write_bytes(b"content")
    file_client.ingest()
    upload = {"file": (f"added{suffix}", b"other content")}
    assert file_client.post("/api/things/items", files=upload).status_code == 201
    for name in ("indexed", "added"):
        response = file_client.get(f"/api/things/items/{name}{suffix}/content")
        assert (response.status_code, response.headers["content-type"]) == (200, media_type)


def test_key_may_end_like_a_route(file_client):
    key = quote("sub dir/content", safe="")
    assert file_client.get(f"/api/things/items/{key}").json()["key"] == "sub dir/content"
    assert file_client.get(f"/api/things/items/{key}/content").content == b"abc" * 50
    assert file_client.get(f"/api/things/items/{key}/content").headers["content-type"] == "application/octet-stream"
    check_error(file_client.delete("/api/things/items/sub%20dir/content"), 405)
    assert file_client.delete(f"/api/things/items/{key}").json() == {"removed": 1}


def test_missing_file_or_unindexed_file_is_not_served(file_client):
    (file_client.folder / "f1.png").unlink()
    assert "no longer exists" in check_error(file_client.get("/api/things/items/f1.png/content"), 404)["error"]
    (file_client.folder / "secret.png").write_bytes(b"secret")
    check_error(file_client.get("/api/things/items/secret.png/content"), 404)


@pytest.fixture
def molecule_client(lite):
    (lite.folder / "m.csv").write_text('name,smiles,use\nethanol,CCO,"a ""quote"""\nphenol,c1ccccc1O,x\n')
    solution = lite.solution(
        "molecules", encoder="{type: morgan}", source="{type: table, path: m.csv, key: name, content: smiles}"
    )
    solution.ingest()
    with run_server(solution) as client:
        yield client


def test_molecules_are_drawn_by_key_and_by_query(molecule_client):
    drawn = molecule_client.get("/api/molecules/items/phenol/content")
    assert drawn.headers["content-type"] == "image/svg+xml"
    assert "script" not in drawn.text
    assert drawn.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    assert "currentColor" in drawn.text
    colored = molecule_client.get("/api/molecules/items/phenol/content", params={"color": "e6e6e6"})
    assert "currentColor" not in colored.text
    check_error(molecule_client.get("/api/molecules/items/phenol/content", params={"color": '"/><script>'}), 422)
    typed = molecule_client.post("/api/molecules/render", json={"query": "c1ccccc1O", "color": "e6e6e6"})
    assert (typed.status_code, typed.text) == (200, colored.text)
    body = check_error(molecule_client.post("/api/molecules/render", json={"query": "c1ccccc"}), 422)
    assert body["error"].startswith("query: not a SMILES: unclosed ring")
    assert molecule_client.search("CCO", "molecules").json()["hits"][0]["kind"] == "svg"


def test_encoder_that_calls_sys_exit_does_not_end_the_server(lite, monkeypatch):
    lite.write(ROWS)
    solution = lite.solution()
    solution.ingest()
    with run_server(solution) as client:
        monkeypatch.setattr(solution.encoder, "render", lambda item: sys.exit(3))
        error = check_error(client.get("/api/things/items/k1/content"), 500)["error"]
        assert error == "a plugin called sys.exit(3)"
        assert client.get("/api/things/items/k1").status_code == 200


def test_texts_are_not_drawn(text_client):
    assert (
        "does not draw queries"
        in check_error(text_client.post("/api/things/render", json={"query": "x"}), 409)["error"]
    )
