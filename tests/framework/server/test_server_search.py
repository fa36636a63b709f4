"""POST /api/{name}/search: the hits of the command line over HTTP; batched with others, and failing alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

import file_encoders
from inprocess_server import check_error, run_server

pytestmark = pytest.mark.long_on_server

HIT = {
    *("key", "rank", "distance", "similarity", "uri", "metadata", "content", "segment"),
    *("score", "note", "title", "kind", "content_label", "content_url"),
}


def hit_keys(response):
    assert response.status_code == 200, response.text
    return [hit["key"] for hit in response.json()["hits"]]


def test_search_returns_the_hits_of_the_solution(client):
    response = client.search("text 7", limit=3).json()
    assert response["solution"] == "things"
    assert set(response["timings_ms"]) == {"decode", "encode", "search", "metadata", "total"}
    assert all(set(hit) == HIT for hit in response["hits"])
    best = response["hits"][0]
    assert (best["key"], best["rank"], best["content"], best["metadata"]) == ("k7", 1, "text 7", {"year": 2007})
    assert best["similarity"] > 0.9999
    assert (best["kind"], best["content_url"]) == ("text", "/api/things/items/k7/content")


def test_hit_of_a_labelled_segment_has_its_excerpt(lite):
    """A hit in a record of three million letters is a line of JSON."""
    record = "gattaca " * 300 + "banana"
    lite.write([("long", record, 1), ("short", "cherry", 2)])
    solution = lite.solution(encoder="{type: labelled}")
    solution.ingest()
    with run_server(solution) as client:
        hit = client.search("banana", limit=1).json()["hits"][0]
        assert hit["segment"] == {"number": 300, "label": "word 301", "excerpt": "banana"}
        assert hit["content"] == "banana"
        whole = client.search("banana", limit=1, whole=True).json()["hits"][0]
        assert (whole["content"], whole["segment"]) == (record, hit["segment"])


def test_limit_filter_and_key_queries(client):
    assert len(hit_keys(client.search("text 7", limit=5))) == 5
    assert len(hit_keys(client.search("text 7"))) == 10
    assert hit_keys(client.search("text 7", limit=60, filter="year == 2003")) != []
    assert {hit["metadata"]["year"] for hit in client.search("x", filter="year > 2008").json()["hits"]} == {2009}
    assert "k7" not in hit_keys(client.search("@k7", limit=60))


def test_whole_number_may_be_written_with_a_point(text_client):
    assert len(hit_keys(text_client.search("text 7", limit=5.0))) == 5
    assert len(text_client.get("/api/things/items?limit=5.0").json()["items"]) == 5
    assert text_client.ingest(limit=5.0)["seen"] == 5


def test_results_of_several_queries_are_in_their_order(client):
    response = client.post("/api/things/search", json={"queries": ["text 1", "@k2", "text 3"], "limit": 1}).json()
    assert response["solution"] == "things"
    best = [result["hits"][0]["key"] for result in response["results"]]
    assert (best[0], best[2]) == ("k1", "k3")
    body = check_error(client.post("/api/things/search", json={"queries": ["text 1", "bad", "@none"]}), 422)
    assert body["errors"] == ["queries.1: the text says bad", "queries.2: no item has the key 'none'"]


def search_for_keys(client, **body):
    return hit_keys(client.post("/api/things/search", json=body))


def test_examples_are_searched_for_as_in_python(client):
    """Of the same solution in the same process: how they are combined is tested there."""
    (service,) = client.app.state.vicinal.services.values()
    for options in (
        {"like": ["@k1", "text 2"]},
        {"like": ["@k1", "\\@home"], "unlike": ["@k3", "another text"], "limit": 60},
        {"query": "text 7", "like": ["@k1"]},
        {"query": "text 7", "unlike": ["@k1"]},
        {"query": "text 7", "diversity": 0.6},
        {"query": "text 7", "min_similarity": 0.25},
        {"like": ["@k1"], "min_similarity": None, "diversity": 0},
    ):
        expected = [hit.key for hit in service.solution.search(**options)]
        assert search_for_keys(client, **options) == expected
        assert expected
    several = {"queries": ["text 7", "@k8"], "like": ["@k1"], "unlike": ["text 9"], "limit": 5}
    found = client.post("/api/things/search", json=several).json()["results"]
    expected = service.solution.search(["text 7", "@k8"], like=["@k1"], unlike=["text 9"], limit=5)
    assert [[hit["key"] for hit in result["hits"]] for result in found] == [
        [hit.key for hit in result] for result in expected
    ]


def test_examples_beside_an_uploaded_file(file_client):
    (service,) = file_client.app.state.vicinal.services.values()
    query, options = file_client.folder / "f3.png", {"like": ["@f1.png"], "unlike": ["@f2.png"], "diversity": 0.5}
    expected = [hit.key for hit in service.solution.search(query, **options)]
    fields = {"like": '["@f1.png"]', "unlike": '["@f2.png"]', "diversity": "0.5", "min_similarity": "-1"}
    upload = {"file": ("f3.png", query.read_bytes())}
    assert hit_keys(file_client.post("/api/things/search", files=upload, data=fields)) == expected
    assert search_for_keys(file_client, like=["@f1.png", "@f3.png"])
    refused = check_error(file_client.post("/api/things/search", json={"like": ["a text"]}), 409)
    assert refused["error"] == "like.0: 'things' cannot be searched by a text"


@pytest.mark.parametrize(
    ("field", "value", "status", "error"),
    [
        ("like", "@f1.png", 422, "must be a JSON array of texts"),
        ("like", '{"a": 1}', 422, "must be a JSON array of texts"),
        ("unlike", "[1]", 422, "must be a JSON array of texts"),
        ("unlike", "[" * 10_000, 422, "must be a JSON array of texts"),
        ("min_similarity", "much", 422, "is not a number"),
        ("min_similarity", "nan", 422, "is not a number"),
        ("min_similarity", "7", 409, "similarities are -1 to 1 here (COSINE)"),
        ("diversity", "", 422, "is not a number"),
        ("diversity", "1.5", 422, "must be 0 to 1"),
    ],
)
def test_wrong_options_of_a_form_are_named(file_client, field, value, status, error):
    response = file_client.post("/api/things/search", files={"file": b"abc"}, data={field: value})
    assert check_error(response, status)["errors"] == [f"{field}: {error}"]
    unknown = file_client.post("/api/things/search", files={"file": b"abc"}, data={"like": '["@none"]'})
    assert check_error(unknown, 404)["errors"] == ["like.0: no item has the key 'none'"]


def test_error_names_the_query_as_a_terminal_does(text_client):
    several = text_client.post("/api/things/search", json={"queries": ["text 1", "a bad text"]})
    for response in (text_client.search("a bad text"), several):
        assert check_error(response, 422)["error"] == "a bad text: the text says bad"
    spoilt = check_error(text_client.search("spoil it"), 422)
    assert (spoilt["error"], spoilt["errors"]) == (
        "spoil it: one sample spoils the batch",
        ["query: one sample spoils the batch"],
    )


def test_error_names_the_uploaded_file(file_client):
    upload = {"file": ("holiday.png", b"bad picture")}
    unreadable = check_error(file_client.post("/api/things/search", files=upload), 422)
    assert (unreadable["error"], unreadable["errors"]) == ("holiday.png: the file is bad", ["file: the file is bad"])


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"query": "bad"}, 422, "query: the text says bad"),
        ({"query": "@none"}, 404, "query: no item has the key 'none'"),
        ({"query": "x", "limit": 0}, 422, "limit: Input should be greater than or equal to 1"),
        ({"query": "x", "limit": 1001}, 422, "limit: must be 1 to 1,000"),
        ({"query": ""}, 422, "query: is empty"),
        ({"queries": ["x", ""]}, 422, "queries.1: is empty"),
        ({"query": "x", "limit": 2.5}, 422, "limit: Input should be a valid integer"),
        ({"query": "x" * 10_001}, 422, "query: must have at most 10,000 characters"),
        ({"query": "x", "queries": ["y"]}, 422, "body: give either query or queries"),
        ({}, 422, "body: give query, queries or like"),
        ({"unlike": ["x"]}, 422, "body: give query, queries or like"),
        ({"like": []}, 422, "like: is empty; give an example, or a query"),
        ({"like": "x"}, 422, "like: Input should be a valid list"),
        ({"like": [7]}, 422, "like.0: Input should be a valid string"),
        ({"like": ["x", ""]}, 422, "like.1: is empty"),
        ({"like": ["x"] * 257}, 422, "like: must be at most 256"),
        ({"query": "x", "unlike": ["x" * 10_001]}, 422, "unlike.0: must have at most 10,000 characters"),
        ({"like": ["@k1", "@none"]}, 404, "like.1: no item has the key 'none'"),
        ({"query": "x", "unlike": ["bad"]}, 422, "unlike.0: the text says bad"),
        ({"queries": ["x", "y"], "like": ["@none"]}, 404, "like.0: no item has the key 'none'"),
        ({"query": "x", "diversity": 1.1}, 422, "diversity: Input should be less than or equal to 1"),
        ({"query": "x", "diversity": "much"}, 422, "diversity: Input should be a valid number"),
        ({"query": "x", "min_similarity": "much"}, 422, "min_similarity: Input should be a valid number"),
        ({"query": "x", "min_similarity": 1.5}, 409, "min_similarity: similarities are -1 to 1 here (COSINE)"),
        ({"queries": []}, 422, "queries: must be 1 to 256 in one call"),
        ({"queries": ["x"] * 257}, 422, "queries: must be 1 to 256 in one call"),
        ({"query": "x", "topk": 3}, 422, "topk: unknown key"),
        ({"query": 7}, 422, "query: Input should be a valid string"),
    ],
)
def test_invalid_search_names_the_parameter(text_client, body, status, error):
    assert check_error(text_client.post("/api/things/search", json=body), status)["errors"] == [error]


KNOWN = "limit, filter, item_filters, like, unlike, min_similarity, diversity, query"


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ({"query": "x", "limits": 3}, "did you mean 'limit'?"),
        ({"query": "x", "similarity": 0.5}, "did you mean 'min_similarity'?"),
        ({"like": ["x"], "topk": 3}, f"known: {KNOWN.removesuffix(', query')}"),
        ({"query": "x", "topk": 3}, f"known: {KNOWN}"),
        ({"queries": ["x"], "fliter": ""}, "did you mean 'filter'?"),
    ],
)
def test_an_unknown_key_is_told_from_a_known_one(text_client, body, hint):
    assert check_error(text_client.post("/api/things/search", json=body), 422)["hint"] == hint


@pytest.mark.parametrize(
    "filter",
    [
        *('year == "', "year ==", "name == 'x'", "'; drop", 'year == 1 or ""', "x" * 10_001),
        *("id == 1", "vector == 1", "year == 9223372036854775808", "year > 1e999", "year / 0 == 1"),
    ],
)
def test_invalid_filter_is_refused(client, filter):
    body = check_error(client.search("text 1", filter=filter), 422)
    assert body["errors"][0].startswith("filter: ")
    assert ".vicinal" not in body["error"]


def test_filter_may_contain_quotes(workshop):
    workshop.write([("a", "one", "say \\'so\\'")])
    workshop.write([("a", "one", 'x"y')], "unused.csv")
    (workshop.folder / "items.jsonl").write_text('{"key": "a", "text": "one", "year": "it\'s \\"it\\""}\n')
    solution = workshop.solution(
        source="{type: table, path: items.jsonl, key: key, content: text}", extra="fields: {year: varchar(20)}"
    )
    solution.ingest()
    with run_server(solution) as client:
        assert hit_keys(client.search("one", filter='year == "it\'s \\"it\\""')) == ["a"]


def test_body_that_is_neither_json_nor_a_form_is_refused(text_client):
    url = "/api/things/search"
    check_error(text_client.post(url, content=b"{", headers={"content-type": "application/json"}), 422)
    check_error(
        text_client.post(url, content=b'{"query": "\\ud800"}', headers={"content-type": "application/json"}), 422
    )
    check_error(text_client.post(url, content=b"a=b", headers={"content-type": "text/plain"}), 415)
    check_error(text_client.post(url, content=b"x", headers={"content-type": "multipart/form-data"}), 400)
    check_error(text_client.post(url, files={"file": b"x"}), 409)
    check_error(text_client.post("/api/nothing/search", json={"query": "x"}), 404)


def test_uploaded_file_finds_files(file_client):
    upload = {"file": ("../../etc/passwd", b"\x03" * 70)}
    response = file_client.post("/api/things/search", files=upload, data={"limit": "2.0", "filter": ""})
    assert hit_keys(response)[0] == "f3.png"
    best = response.json()["hits"][0]
    assert (best["kind"], best["content_url"]) == ("image", "/api/things/items/f3.png/content")
    assert len(hit_keys(response)) == 2
    assert hit_keys(file_client.search("@f3.png", limit=1)) != ["f3.png"]


@pytest.mark.parametrize(
    ("content", "data", "error"),
    [
        (b"bad picture", {}, "file: the file is bad"),
        (b"crash", {}, "file: it cannot be read: RuntimeError"),
        (b"", {}, "file: is empty"),
        (b"x", {"limit": "many"}, "limit: is not a whole number"),
        (b"x", {"limit": "0"}, "limit: must be 1 to 1,000"),
    ],
)
def test_unreadable_upload_says_why_and_names_no_path(file_client, content, data, error):
    response = file_client.post("/api/things/search", files={"file": ("a.png", content)}, data=data)
    assert check_error(response, 422)["errors"] == [error]
    assert "/tmp" not in response.text


def test_text_query_is_never_opened_as_a_path(lite):
    folder = lite.folder / "files"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"abc")
    secret = folder / "a.png"
    solutions = {
        name: lite.solution(name, encoder=f"{{type: {name}}}", source="{type: folder, path: files}")
        for name in ("bytes", "either", "undeclared")
    }
    for solution in solutions.values():
        solution.ingest()
    with run_server(*solutions.values()) as client:
        for name in ("bytes", "undeclared"):
            for query in (str(secret), "../../etc/passwd", "file:///etc/passwd"):
                assert "cannot be searched by a text" in check_error(client.search(query, name), 409)["error"]
        for query in (str(secret), "../../etc/passwd", f"\\@{secret}", f"text:{secret}"):
            assert client.search(query, "either").status_code == 200
        assert file_encoders.FileOrText.opened_paths == []
        assert check_error(client.post("/api/undeclared/search", files={"file": b"abc"}), 409)


def test_concurrent_searches_share_a_batch_and_fail_alone(lite):
    lite.write([(f"k{n}", f"text {n}", 1) for n in range(40)])
    solution = lite.solution(encoder="{type: hashed, pause: 0.05}")
    solution.ingest()
    sizes = []
    encode = solution.encoder.encode
    solution.encoder.encode = lambda samples: sizes.append(len(samples)) or encode(samples)
    with run_server(solution) as client, ThreadPoolExecutor(20) as pool:
        queries = [f"text {n}" for n in range(38)] + ["bad", "@none"]
        responses = list(pool.map(lambda query: client.search(query, limit=1), queries))
    assert [hit_keys(response) for response in responses[:38]] == [[f"k{n}"] for n in range(38)]
    assert [response.status_code for response in responses[38:]] == [422, 404]
    assert sum(sizes) == 38
    assert max(sizes) >= 8


def test_defect_of_the_decoder_at_one_query_affects_no_other(lite, caplog):
    lite.write([(f"k{n}", f"text {n}", 1) for n in range(20)])
    solution = lite.solution(encoder="{type: hashed, pause: 0.05}")
    solution.ingest()
    with run_server(solution) as client, ThreadPoolExecutor(20) as pool:
        responses = list(pool.map(lambda n: client.search(f"text {n}" if n else "crash", limit=1), range(20)))
    assert [response.status_code for response in responses] == [500] + [200] * 19
    assert check_error(responses[0], 500)["error"] == "internal server error"
    assert len(caplog.records) == 1


def test_only_the_query_that_breaks_a_batch_fails(lite):
    lite.write([(f"k{n}", f"text {n}", 1) for n in range(20)])
    solution = lite.solution(encoder="{type: hashed, pause: 0.05}")
    solution.ingest()
    with run_server(solution) as client, ThreadPoolExecutor(20) as pool:
        responses = list(pool.map(lambda n: client.search(f"text {n}" if n else "spoil", limit=1), range(20)))
    assert [response.status_code for response in responses] == [422] + [200] * 19


def test_search_of_an_empty_solution_is_a_409(lite):
    lite.write([])
    with run_server(lite.solution()) as client:
        assert check_error(client.search("x"), 409)["error"] == "nothing is indexed in 'things' yet"
        described = client.get("/api/solutions").json()["solutions"][0]
        assert (described["items"], described["ready"]) == (0, True)


def test_queries_beyond_the_queue_limit_are_a_503(lite):
    lite.write([("k", "text", 1)])
    solution = lite.solution(encoder="{type: hashed, pause: 0.3}")
    solution.ingest()
    with run_server(solution, max_queued_queries=2, max_batch=1) as client, ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: client.search("text"), range(8)))
    refused = [response for response in responses if response.status_code != 200]
    assert refused
    for response in refused:
        check_error(response, 503)
        assert int(response.headers["retry-after"]) > 0


def test_search_beyond_the_timeout_is_a_503(lite):
    lite.write([("k", "text", 1)])
    solution = lite.solution(encoder="{type: hashed, pause: 0.6}")
    solution.ingest()
    with run_server(solution, request_timeout_seconds=0.2) as client:
        assert "no response within 0.2 s" in check_error(client.search("text"), 503)["error"]


@pytest.mark.parametrize("workshop", ["server"], indirect=True)  # an embedded Milvus belongs to one process
def test_changes_by_another_process_are_noticed(workshop, manager, monkeypatch):
    from vicinal import Solution
    from vicinal.server import service

    monkeypatch.setattr(service, "_REFRESH_SECONDS", 0.0)
    workshop.write([("a", "one", 1)])
    solution = workshop.solution()
    solution.ingest()
    with run_server(solution) as client, Solution.from_yaml(workshop.folder / "things.yaml", manager=manager) as other:
        assert hit_keys(client.search("one")) == ["a"]
        other.drop()
        workshop.write([("b", "two", 1)])
        other.ingest()
        assert hit_keys(client.search("two")) == ["b"]


@pytest.mark.parametrize("text", ["[1]", "{", '{"a": 1}', "[" * 10_000])
def test_the_item_filters_of_a_form_are_a_json_object(file_client, text):
    response = file_client.post("/api/things/search", files={"file": b"abc"}, data={"item_filters": text})
    assert response.status_code == 422
    assert response.json()["error"] == "item_filters: must be a JSON object of texts"


def test_an_item_filter_that_no_plugin_has_is_refused(file_client):
    response = file_client.post("/api/things/search", files={"file": b"abc"}, data={"item_filters": '{"a": "b"}'})
    assert response.status_code == 409
    assert response.json()["error"] == "item_filters: 'things' cannot be filtered by 'a'"
    assert response.json()["hint"] == "its item filters: none"
