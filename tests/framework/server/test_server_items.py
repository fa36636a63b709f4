"""Items over HTTP: listed, added, replaced, removed; their content by key, and never by path."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from inprocess_server import ROWS, problem, serving
from vicinal.errors import ConfigError
from vicinal.server import Settings, create_app

ITEM = {"key", "uri", "content", "metadata", "kind", "content_url", "added"}


def all_items(site, **params):
    found, cursor = [], ""
    while cursor is not None:
        page = site.get("/api/things/items", params={**params, "cursor": cursor}).json()
        found += page["items"]
        cursor = page["next"]
    return found


def test_pages_hold_every_item_once(site):
    first = site.get("/api/things/items", params={"limit": 7}).json()
    assert (len(first["items"]), first["total"]) == (7, 60)
    assert all(set(item) == ITEM for item in first["items"])
    items = all_items(site, limit=7)
    assert sorted(item["key"] for item in items) == sorted(key for key, *_ in ROWS)
    assert sorted(item["key"] for item in all_items(site, prefix="k5")) == sorted(
        ["k5", *(f"k5{n}" for n in range(10))]
    )


@pytest.mark.parametrize(
    "params", [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"cursor": "../x"}, {"cursor": "9" * 19}]
)
def test_a_page_that_there_is_not_is_refused(texts, params):
    problem(texts.get("/api/things/items", params=params), 422)


def test_one_item(texts):
    assert texts.get("/api/things/items/k7").json() == {
        "key": "k7",
        "uri": texts.get("/api/things/items/k7").json()["uri"],
        "content": "text 7",
        "metadata": {"year": "2007"},
        "kind": "text",
        "content_url": "/api/things/items/k7/content",
        "added": False,
    }
    assert texts.get("/api/things/items/k7/content").text == "text 7"
    assert "k777" in problem(texts.get("/api/things/items/k777"), 404)["error"]
    problem(texts.get("/api/things/items/k777/content"), 404)


def test_a_text_is_added_replaced_found_and_removed(site):
    def add(content):
        body = {"key": "mine/one", "content": content, "metadata": {"year": 1999}}
        answer = site.post("/api/things/items", json=body)
        return answer.status_code, answer.json()

    assert add("a text of mine") == (201, {"key": "mine/one", "status": "new"})
    assert add("a text of mine") == (200, {"key": "mine/one", "status": "unchanged"})
    assert add("another text") == (200, {"key": "mine/one", "status": "updated"})
    best = site.search("another text", limit=1, filter="year == 1999").json()["hits"][0]
    assert (best["key"], best["content"], best["metadata"]) == ("mine/one", "another text", {"year": 1999})
    assert site.get(best["content_url"]).text == "another text"
    assert site.get("/api/things/items/mine%2Fone").json()["added"] is True
    assert site.ingest(prune=True)["removed"] == 0
    assert site.delete("/api/things/items/mine%2Fone").json() == {"removed": 1}
    problem(site.get("/api/things/items/mine%2Fone"), 404)
    problem(site.delete("/api/things/items/mine%2Fone"), 404)


def test_several_items_are_removed_or_none(site):
    def remove(keys):
        return site.request("DELETE", "/api/things/items", json={"keys": keys})

    problem(remove(["k1", "nobody"]), 404)
    assert remove(["k1", "k2", "k1"]).json() == {"removed": 2}
    assert site.get("/api/things/items").json()["total"] == 58
    assert site.search("text 1", limit=1).json()["hits"][0]["key"] != "k1"
    problem(remove([]), 422)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"key": "k", "content": "bad"}, "content: the text says bad"),
        ({"key": "", "content": "x"}, "key: the key is empty"),
        ({"key": "k" * 1025, "content": "x"}, "key: the key has 1025 bytes, at most 1024 fit"),
        ({"key": "k", "content": "x", "metadata": {"year": "soon"}}, "metadata: field 'year' is not an int64: 'soon'"),
        ({"key": "k"}, "content: Field required"),
        ({"key": "k", "content": "x", "path": "/etc/passwd"}, "path: Extra inputs are not permitted"),
    ],
)
def test_an_item_that_cannot_be_added_says_why(texts, body, error):
    assert problem(texts.post("/api/things/items", json=body), 422)["errors"] == [error]


def test_a_file_is_added_kept_under_a_name_of_ours_and_removed(files, lite):
    kept = lite.folder / ".vicinal" / "things" / "uploads"

    def add(content, name="../../../etc/cron.d/x.png", **data):
        return files.post("/api/things/items", files={"file": (name, content)}, data={"key": "up/../load", **data})

    assert add(b"\x09" * 900).status_code == 201
    assert add(b"\x09" * 900).json()["status"] == "unchanged"
    assert add(b"\x0a" * 900, metadata='{"label": "x"}').json()["status"] == "updated"
    assert [path.suffix for path in kept.iterdir()] == [".png"]
    item = files.get(f"/api/things/items/{quote('up/../load', safe='')}").json()
    assert (item["metadata"], item["added"]) == ({"label": "x"}, True)
    assert files.get(item["content_url"]).content == b"\x0a" * 900
    best = files.post("/api/things/search", files={"file": b"\x0a"}, data={"limit": "1"}).json()["hits"][0]
    assert best["key"] == "up/../load"
    assert problem(add(b"bad"), 422)["errors"] == ["content: the file is bad"]
    assert files.get(item["content_url"]).content == b"\x0a" * 900
    assert files.ingest(prune=True)["removed"] == 0
    assert files.request("DELETE", "/api/things/items", json={"keys": ["up/../load"]}).json() == {"removed": 1}
    assert list(kept.iterdir()) == []


def test_uploads_go_to_a_folder_that_is_named_for_them(lite, tmp_path, monkeypatch):
    (lite.folder / "files").mkdir()
    things = lite.solution(encoder="{type: bytes}", source="{type: folder, path: files}")
    monkeypatch.chdir(tmp_path)
    with serving(things, uploads="kept") as site:
        added = site.post("/api/things/items", files={"file": ("x.png", b"abc")})
        assert added.json() == {"key": "x.png", "status": "new"}
        assert [path.read_bytes() for path in (tmp_path / "kept" / "things").iterdir()] == [b"abc"]
        assert site.get("/api/things/items/x.png/content").content == b"abc"
        assert site.request("DELETE", "/api/things/items/x.png").json() == {"removed": 1}
        assert list((tmp_path / "kept" / "things").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"VICINAL_UPLOADS: no file can be kept in .*/file/things: Not a directory"):
        create_app([things], settings=Settings(uploads="file"))


def test_a_form_with_a_field_that_there_is_not_is_refused(files):
    """An old client's ``Num`` would else be passed over, and ten hits come in place of three."""
    for path, fields in (("search", "file, limit, filter"), ("items", "file, key, metadata")):
        body = problem(files.post(f"/api/things/{path}", files={"file": b"\x03"}, data={"Num": "3"}), 422)
        assert body["errors"] == ["Num: is no field of this form"]
        assert body["hint"] == f"it has {fields}"


def test_a_file_is_no_text_and_a_text_no_file(files):
    answer = files.post("/api/things/items", json={"key": "k", "content": "/etc/passwd"})
    assert "are files" in problem(answer, 422)["error"]
    for metadata in ("[1]", "{"):
        answer = files.post("/api/things/items", files={"file": ("a", b"x")}, data={"metadata": metadata})
        assert problem(answer, 422)["error"].startswith("metadata: is not")


def test_a_text_is_no_file(texts):
    assert "are no files" in problem(texts.post("/api/things/items", files={"file": ("a", b"x")}), 422)["error"]


def test_media_come_whole_in_ranges_and_not_again_when_unchanged(files):
    url = "/api/things/items/f3.png/content"
    whole = files.get(url)
    assert (whole.status_code, whole.content) == (200, b"\x03" * 1003)
    assert whole.headers["content-type"] == "image/png"
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["content-disposition"] == "inline; filename*=UTF-8''f3.png"
    assert "sandbox" in whole.headers["content-security-policy"]

    def part(value, **more):
        answer = files.get(url, headers={"range": value, **more})
        return answer.status_code, len(answer.content), answer.headers.get("content-range")

    assert part("bytes=0-9") == (206, 10, "bytes 0-9/1003")
    assert part("bytes=1000-") == (206, 3, "bytes 1000-1002/1003")
    assert part("bytes=-5") == (206, 5, "bytes 998-1002/1003")
    assert part("bytes=900-99999") == (206, 103, "bytes 900-1002/1003")
    assert part("bytes=0-0,5-6") == (200, 1003, None)
    assert part("lines=1-2") == (200, 1003, None)
    assert part("bytes=0-9", **{"if-range": '"another"'}) == (200, 1003, None)
    outside = files.get(url, headers={"range": "bytes=1003-"})
    problem(outside, 416)
    assert outside.headers["content-range"] == "bytes */1003"
    again = files.get(url, headers={"if-none-match": whole.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_key_may_end_like_a_route(files):
    key = quote("sub dir/content", safe="")
    assert files.get(f"/api/things/items/{key}").json()["key"] == "sub dir/content"
    assert files.get(f"/api/things/items/{key}/content").content == b"abc" * 50
    assert files.get(f"/api/things/items/{key}/content").headers["content-type"] == "application/octet-stream"


def test_a_file_that_is_gone_or_no_item_is_not_served(files):
    (files.folder / "f1.png").unlink()
    assert "gone" in problem(files.get("/api/things/items/f1.png/content"), 404)["error"]
    (files.folder / "secret.png").write_bytes(b"secret")
    problem(files.get("/api/things/items/secret.png/content"), 404)


@pytest.fixture
def molecules(lite):
    (lite.folder / "m.csv").write_text('name,smiles,use\nethanol,CCO,"a ""quote"""\nphenol,c1ccccc1O,x\n')
    made = lite.solution(
        "molecules", encoder="{type: morgan}", source="{type: table, path: m.csv, key: name, content: smiles}"
    )
    made.ingest()
    with serving(made) as site:
        yield site


def test_molecules_are_drawn_by_key_and_as_they_are_typed(molecules):
    drawn = molecules.get("/api/molecules/items/phenol/content")
    assert drawn.headers["content-type"] == "image/svg+xml"
    assert "script" not in drawn.text
    assert drawn.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    assert "currentColor" in drawn.text
    coloured = molecules.get("/api/molecules/items/phenol/content", params={"color": "e6e6e6"})
    assert "currentColor" not in coloured.text
    problem(molecules.get("/api/molecules/items/phenol/content", params={"color": '"/><script>'}), 422)
    typed = molecules.post("/api/molecules/render", json={"query": "c1ccccc1O", "color": "e6e6e6"})
    assert (typed.status_code, typed.text) == (200, coloured.text)
    body = problem(molecules.post("/api/molecules/render", json={"query": "c1ccccc"}), 422)
    assert body["error"].startswith("query: not a SMILES: unclosed ring")
    assert molecules.search("CCO", "molecules").json()["hits"][0]["kind"] == "svg"


def test_texts_are_not_drawn(texts):
    assert "draws nothing" in problem(texts.post("/api/things/render", json={"query": "x"}), 422)["error"]
