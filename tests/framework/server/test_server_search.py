"""POST /api/{name}/search: what the command line answers, over HTTP; together with others, and alone where it fails."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

import file_encoders
from inprocess_server import problem, serving

HIT = {
    *("key", "rank", "distance", "similarity", "uri", "metadata", "content", "segment"),
    *("kind", "content_url"),
}


def keys(answer):
    assert answer.status_code == 200, answer.text
    return [hit["key"] for hit in answer.json()["hits"]]


def test_a_text_finds_what_the_solution_finds(site):
    answer = site.search("text 7", limit=3).json()
    assert answer["solution"] == "things"
    assert set(answer["timings_ms"]) == {"decode", "encode", "search", "metadata", "total"}
    assert all(set(hit) == HIT for hit in answer["hits"])
    best = answer["hits"][0]
    assert (best["key"], best["rank"], best["content"], best["metadata"]) == ("k7", 1, "text 7", {"year": "2007"})
    assert best["similarity"] > 0.9999
    assert (best["kind"], best["content_url"]) == ("text", "/api/things/items/k7/content")


def test_limit_filter_and_the_key_of_an_item(site):
    assert len(keys(site.search("text 7", limit=5))) == 5
    assert len(keys(site.search("text 7"))) == 10
    assert keys(site.search("text 7", limit=60, filter="year == 2003")) != []
    assert {hit["metadata"]["year"] for hit in site.search("x", filter="year > 2008").json()["hits"]} == {"2009"}
    assert "k7" not in keys(site.search("@k7", limit=60))


def test_many_queries_in_one_call_are_answered_in_their_order(site):
    answer = site.post("/api/things/search", json={"queries": ["text 1", "@k2", "text 3"], "limit": 1}).json()
    assert answer["solution"] == "things"
    best = [result["hits"][0]["key"] for result in answer["results"]]
    assert (best[0], best[2]) == ("k1", "k3")
    body = problem(site.post("/api/things/search", json={"queries": ["text 1", "bad", "@none"]}), 422)
    assert body["errors"] == ["queries.1: the text says bad", "queries.2: no item has the key 'none'"]


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"query": "bad"}, 422, "query: the text says bad"),
        ({"query": "@none"}, 404, "query: no item has the key 'none'"),
        ({"query": "x", "limit": 0}, 422, "limit: Input should be greater than or equal to 1"),
        ({"query": "x", "limit": 1001}, 422, "limit: 1 to 1,000 hits can be asked for"),
        ({"query": "x" * 10_001}, 422, "query: longer than 10,000 characters"),
        ({"query": "x", "queries": ["y"]}, 422, "body: write either query or queries"),
        ({}, 422, "body: write either query or queries"),
        ({"queries": []}, 422, "queries: 1 to 256 can be asked in one call"),
        ({"queries": ["x"] * 257}, 422, "queries: 1 to 256 can be asked in one call"),
        ({"query": "x", "topk": 3}, 422, "topk: Extra inputs are not permitted"),
        ({"query": 7}, 422, "query: Input should be a valid string"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_place(texts, body, status, error):
    assert problem(texts.post("/api/things/search", json=body), status)["errors"] == [error]


@pytest.mark.parametrize(
    "filter",
    [
        *('year == "', "year ==", "name == 'x'", "'; drop", 'year == 1 or ""', "x" * 10_001),
        *("id == 1", "vector == 1", "year == 9223372036854775808", "year > 1e999", "year / 0 == 1"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(site, filter):
    answer = site.search("text 1", filter=filter)
    body = problem(answer, 422)
    assert body["errors"][0].startswith("filter: ")
    assert ".vicinal" not in answer.text


def test_a_filter_may_hold_quotes(workshop):
    workshop.write([("a", "one", "say \\'so\\'")])
    workshop.write([("a", "one", 'x"y')], "unused.csv")
    (workshop.folder / "items.jsonl").write_text('{"key": "a", "text": "one", "year": "it\'s \\"it\\""}\n')
    things = workshop.solution(
        source="{type: table, path: items.jsonl, key: key, content: text}", extra="fields: {year: varchar(20)}"
    )
    things.ingest()
    with serving(things) as site:
        assert keys(site.search("one", filter='year == "it\'s \\"it\\""')) == ["a"]


def test_what_is_not_json_or_not_a_form_is_refused(texts):
    url = "/api/things/search"
    problem(texts.post(url, content=b"{", headers={"content-type": "application/json"}), 422)
    problem(texts.post(url, content=b'{"query": "\\ud800"}', headers={"content-type": "application/json"}), 422)
    problem(texts.post(url, content=b"a=b", headers={"content-type": "text/plain"}), 415)
    problem(texts.post(url, content=b"x", headers={"content-type": "multipart/form-data"}), 400)
    problem(texts.post(url, files={"file": b"x"}), 422)
    problem(texts.post("/api/nothing/search", json={"query": "x"}), 404)


def test_a_file_finds_files(files):
    upload = {"file": ("../../etc/passwd", b"\x03" * 70)}
    answer = files.post("/api/things/search", files=upload, data={"limit": "2", "filter": ""})
    assert keys(answer)[0] == "f3.png"
    best = answer.json()["hits"][0]
    assert (best["kind"], best["content_url"]) == ("image", "/api/things/items/f3.png/content")
    assert len(keys(answer)) == 2
    assert keys(files.search("@f3.png", limit=1)) != ["f3.png"]


@pytest.mark.parametrize(
    ("content", "data", "error"),
    [
        (b"bad picture", {}, "file: the file is bad"),
        (b"crash", {}, "file: it cannot be read: RuntimeError"),
        (b"", {}, "file: is empty"),
        (b"x", {"limit": "many"}, "limit: is not a whole number"),
        (b"x", {"limit": "0"}, "limit: 1 to 1,000 hits can be asked for"),
    ],
)
def test_a_file_that_cannot_be_read_says_why_and_names_no_path(files, content, data, error):
    answer = files.post("/api/things/search", files={"file": ("a.png", content)}, data=data)
    assert problem(answer, 422)["errors"] == [error]
    assert "/tmp" not in answer.text


def test_a_text_from_outside_is_never_read_as_a_path(lite):
    folder = lite.folder / "files"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"abc")
    secret = folder / "a.png"
    made = {
        name: lite.solution(name, encoder=f"{{type: {name}}}", source="{type: folder, path: files}")
        for name in ("bytes", "either", "undeclared")
    }
    for solution in made.values():
        solution.ingest()
    with serving(*made.values()) as site:
        for name in ("bytes", "undeclared"):
            for query in (str(secret), "../../etc/passwd", "file:///etc/passwd"):
                assert "is not searched by texts" in problem(site.search(query, name), 422)["error"]
        for query in (str(secret), "../../etc/passwd", f"\\@{secret}", f"text:{secret}"):
            assert site.search(query, "either").status_code == 200
        assert file_encoders.Either.opened == []
        assert problem(site.post("/api/undeclared/search", files={"file": b"abc"}), 422)


def test_searches_at_the_same_time_are_encoded_together_and_fail_alone(lite):
    lite.write([(f"k{n}", f"text {n}", 1) for n in range(40)])
    things = lite.solution(encoder="{type: hashed, pause: 0.05}")
    things.ingest()
    sizes = []
    encode = things.encoder.encode
    things.encoder.encode = lambda samples: sizes.append(len(samples)) or encode(samples)
    with serving(things) as site, ThreadPoolExecutor(20) as pool:
        asked = [f"text {n}" for n in range(38)] + ["bad", "@none"]
        answers = list(pool.map(lambda query: site.search(query, limit=1), asked))
    assert [keys(answer) for answer in answers[:38]] == [[f"k{n}"] for n in range(38)]
    assert [answer.status_code for answer in answers[38:]] == [422, 404]
    assert sum(sizes) == 38
    assert max(sizes) >= 8


def test_a_query_that_spoils_a_batch_is_the_only_one_to_fail(lite):
    lite.write([(f"k{n}", f"text {n}", 1) for n in range(20)])
    things = lite.solution(encoder="{type: hashed, pause: 0.05}")
    things.ingest()
    with serving(things) as site, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: site.search(f"text {n}" if n else "spoil", limit=1), range(20)))
    assert [answer.status_code for answer in answers] == [422] + [200] * 19


def test_nothing_is_indexed_yet(lite):
    lite.write([])
    with serving(lite.solution()) as site:
        assert problem(site.search("x"), 409)["error"] == "nothing is indexed in 'things' yet"
        described = site.get("/api/solutions").json()["solutions"][0]
        assert (described["items"], described["ready"]) == (0, True)


def test_more_queries_than_may_wait_are_turned_away(lite):
    lite.write([("k", "text", 1)])
    things = lite.solution(encoder="{type: hashed, pause: 0.3}")
    things.ingest()
    with serving(things, max_waiting=2, max_batch=1) as site, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: site.search("text"), range(8)))
    turned_away = [answer for answer in answers if answer.status_code != 200]
    assert turned_away
    for answer in turned_away:
        problem(answer, 503)
        assert int(answer.headers["retry-after"]) > 0


def test_an_answer_that_takes_too_long_is_given_up(lite):
    lite.write([("k", "text", 1)])
    things = lite.solution(encoder="{type: hashed, pause: 0.6}")
    things.ingest()
    with serving(things, max_seconds=0.2) as site:
        assert "no answer within 0.2 s" in problem(site.search("text"), 503)["error"]


def test_what_another_process_changed_is_noticed(workshop, manager, monkeypatch):
    from vicinal import Solution
    from vicinal.server import served

    if workshop.embedded:
        pytest.skip("an embedded Milvus belongs to one process")
    monkeypatch.setattr(served, "_REFRESH_SECONDS", 0.0)
    workshop.write([("a", "one", 1)])
    things = workshop.solution()
    things.ingest()
    with serving(things) as site, Solution.from_yaml(workshop.folder / "things.yaml", manager=manager) as other:
        assert keys(site.search("one")) == ["a"]
        other.drop()
        workshop.write([("b", "two", 1)])
        other.ingest()
        assert keys(site.search("two")) == ["b"]
