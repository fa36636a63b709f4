"""The tools of ``vicinal mcp``: what they find, and what their errors say."""

from __future__ import annotations

import asyncio
import shutil

import pytest
from mcp import MCPError

from inprocess_server import FIELDS, ROWS
from mcp_assistant import keys
from serve_process import run_server_process
from servers import ROOT, free_port
from vicinal import Solution

TOOLS = ["list_solutions", "search", "more_like_this", "get_item", "status"]


@pytest.mark.all_encoders
def test_the_answer_about_nprobe_is_found(assistant, tmp_path):
    shutil.copy(ROOT / "configs" / "qa.yaml", tmp_path)
    shutil.copytree(ROOT / "configs" / "data", tmp_path / "data", ignore=lambda *_: ["images", "videos", "sounds"])
    with Solution.from_yaml(tmp_path / "qa.yaml") as qa:
        qa.ingest()
        expected = qa.search("how do I pick nprobe", limit=3)
    search, more, item, status, solutions = assistant.call(
        tmp_path / "qa.yaml",
        calls=[
            ("search", {"query": "how do I pick nprobe", "limit": 3}),
            ("more_like_this", {"key": "nprobe", "limit": 2, "filter": 'topic == "index"'}),
            ("get_item", {"key": "nprobe"}),
            ("status", {}),
            ("list_solutions", {}),
        ],
    )
    answer = "nprobe is how many of the nlist clusters of an IVF index one search scans."
    assert search.structured_content["hits"] == [
        {**hit.to_dict(), "similarity": pytest.approx(hit.similarity), "distance": pytest.approx(hit.distance)}
        for hit in expected
    ]
    lines = search.content[0].text.splitlines()
    assert lines[0] == f"1. nprobe: similarity {expected[0].similarity:.3f}"
    assert lines[1] == "   What is nprobe, the number of clusters to scan, and how do I choose it?"
    assert lines[3].startswith(f"   answer: {answer}")
    assert (keys(more)[0], len(keys(more))) == ("nlist", 2)
    assert item.structured_content["metadata"]["answer"].startswith(answer)
    assert answer in item.content[0].text
    assert status.structured_content["items"] == 175
    assert status.content[0].text.startswith("qa: 175 items, 175 vectors, 0 failures, index FLAT, last change 20")
    assert solutions.structured_content["solutions"] == [
        {
            "name": "qa",
            "encoder": "sentence",
            "fields": {"topic": "varchar(32)"},
            "items": 175,
            "search_by": "text, @key of an indexed item",
            "takes_text": True,
            "examples": ["how do I begin"],
            "placeholders": ["Ask, or describe what you are looking for"],
            "suggestions": [],
        }
    ]


def test_tools_are_listed_with_their_bounds(assistant, things):
    async def talk():
        async with assistant.connect(things) as client:
            return (await client.list_tools()).tools, client.server_info

    tools, server = asyncio.run(talk())
    assert ([tool.name for tool in tools], server.name) == (TOOLS, "vicinal")
    for tool in tools:
        assert tool.description
        assert tool.annotations.read_only_hint
        assert tool.input_schema["type"] == "object"
        assert tool.input_schema["additionalProperties"] is False
        assert all(value["description"] for value in tool.input_schema["properties"].values())
    search = tools[1].input_schema
    assert list(search["properties"]) == [
        "solution",
        "query",
        "like",
        "unlike",
        "limit",
        "filter",
        "min_similarity",
        "diversity",
    ]
    assert search["required"] == []
    assert tools[2].input_schema["required"] == ["key"]
    assert search["properties"]["solution"]["enum"] == ["things"]
    bounds = {name: {**value, "description": ""} for name, value in search["properties"].items()}
    assert bounds["limit"] == {"type": "integer", "default": 10, "minimum": 1, "maximum": 100, "description": ""}
    query = {"type": "string", "minLength": 1, "maxLength": 10_000}
    assert bounds["query"] == {"anyOf": [query, {"type": "null"}], "default": None, "description": ""}
    assert bounds["like"] == {"type": "array", "items": query, "maxItems": 32, "description": ""}


def test_several_solutions_are_told_apart(assistant, things, lite):
    lite.write([("other", "another text", 1)], name="others.csv")
    source = "{type: table, path: others.csv, key: key, content: text}"
    with lite.solution("others", source=source) as others:
        others.ingest()
    files = (things, lite.folder / "others.yaml")
    first, second, nameless, unknown = assistant.call(
        *files,
        calls=[
            ("search", {"solution": "things", "query": "text 7", "limit": 1, "filter": "year > 2000"}),
            ("search", {"solution": "others", "query": "text 7"}),
            ("search", {"query": "text 7"}),
            ("status", {"solution": "thing"}),
        ],
    )
    assert (keys(first), keys(second)) == (["k7"], ["other"])
    assert nameless.content[0].text == "error: solution: Field required\nhint: the solutions: things, others"
    assert unknown.content[0].text == "error: no solution is named 'thing'\nhint: the solutions: things, others"


def test_examples_are_searched_by(assistant, things, lite):
    with lite.solution(extra=FIELDS) as solution:
        expected = [
            [hit.key for hit in solution.search(query, limit=5, like=like, unlike=unlike)]
            for query, like, unlike in (("text 7", ["@k8"], ["@k9"]), (None, ["@k8", "text 7"], []))
        ]
    found = assistant.call(
        things,
        calls=[
            ("search", {"query": "text 7", "like": ["@k8"], "unlike": ["@k9"], "limit": 5}),
            ("search", {"like": ["@k8", "text 7"], "limit": 5}),
        ],
    )
    assert [keys(result) for result in found] == expected
    assert not {"k8", "k9"} & {*expected[0], *expected[1]}


def test_least_similarity_and_diversity_are_those_of_other_searches(assistant, things, lite):
    with lite.solution(extra=FIELDS) as solution:
        near = solution.search("text 7", limit=60, min_similarity=0.5)
        diverse = solution.search("@k7", limit=5, diversity=0.7)
    calls = [
        ("search", {"query": "text 7", "limit": 60, "min_similarity": 0.5}),
        ("more_like_this", {"key": "k7", "limit": 5, "diversity": 0.7}),
    ]
    expected = [[hit.key for hit in found] for found in (near, diverse)]
    assert [keys(result) for result in assistant.call(things, calls=calls)] == expected
    with run_server_process(things):
        assert [keys(result) for result in assistant.call(things, calls=calls)] == expected
    assert assistant.fail(things, calls=[("search", {"query": "x", "diversity": 2})])[0].startswith(
        "error: diversity: Input should be less than or equal to 1"
    )


# --- what is wrong


def test_errors_say_what_to_do(assistant, things):
    messages = assistant.fail(
        things,
        calls=[
            ("search", {"query": "text 7", "limit": 101}),
            ("search", {"query": "text 7", "limit": 0}),
            ("search", {"query": ""}),
            ("search", {"unlike": ["text 7"]}),
            ("search", {"like": ["text 7"] * 33}),
            ("search", {"like": ["@k7", "@nobody"]}),
            ("search", {"query": "x" * 10_001}),
            ("search", {"query": "text 7", "path": "/etc/passwd"}),
            ("search", {"query": "text 7", "filter": "year >"}),
            ("search", {"query": "text 7", "filter": "colour == 'red'"}),
            ("more_like_this", {"key": "nobody"}),
            ("get_item", {"key": "nobody"}),
            ("get_item", {}),
        ],
    )
    assert [message.split("\n")[0] for message in messages] == [
        "error: limit: Input should be less than or equal to 100",
        "error: limit: Input should be greater than or equal to 1",
        "error: query: String should have at least 1 character",
        "error: arguments: give a query, or an example in `like`",
        "error: like: List should have at most 32 items after validation, not 33",
        "error: no item has the key 'nobody'",
        "error: query: String should have at most 10000 characters",
        "error: path: Extra inputs are not permitted",
        messages[8].split("\n")[0],
        "error: filter \"colour == 'red'\": colour cannot be filtered by",
        "error: no item has the key 'nobody'",
        "error: no item has the key 'nobody'",
        "error: key: Field required",
    ]
    assert messages[8].startswith("error: filter 'year >'")


def test_an_unknown_tool_is_an_error_of_the_protocol(assistant, things):
    async def talk():
        async with assistant.connect(things) as client:
            with pytest.raises(MCPError, match=f"no tool is named 'drop'; the tools are {', '.join(TOOLS)}"):
                await client.call_tool("drop", {})

    asyncio.run(talk())


def test_nothing_indexed_and_stores_out_of_reach(assistant, lite):
    lite.write(ROWS)
    empty = lite.yaml("empty")
    assistant.environment["AWAY_REDIS"] = f"redis://:secret@127.0.0.1:{free_port()}/0"
    stores = f"stores: {{milvus: 'http://127.0.0.1:{free_port()}', redis: '${{AWAY_REDIS}}', timeout: 1}}"
    away = lite.yaml("away", extra=stores)
    nothing, unreachable, solutions = assistant.call(
        empty,
        away,
        calls=[
            ("search", {"solution": "empty", "query": "text"}),
            ("search", {"solution": "away", "query": "text"}),
            ("list_solutions", {}),
        ],
    )
    assert nothing.content[0].text == "error: nothing is indexed in 'empty' yet\nhint: run `vicinal ingest` first"
    assert unreachable.structured_content["type"] == "StoreUnreachableError"
    first, second = solutions.structured_content["solutions"]
    assert (first["items"], "items" in second, bool(second["error"])) == (0, False, True)
    assert "secret" not in str([unreachable, solutions])


def test_a_defect_of_a_plugin_is_logged_and_not_shown(assistant, things):
    async def talk():
        with assistant.log_file.open("w") as log:
            async with assistant.connect(things, log=log) as client:
                return [
                    await client.call_tool("search", {"query": "crash"}),
                    await client.call_tool("search", {"query": "text 7", "limit": 1}),
                ]

    failed, found = asyncio.run(talk())
    assert (failed.is_error, failed.structured_content["error"]) == (True, "internal error")
    assert "defect" not in failed.content[0].text
    assert "RuntimeError: a decoder's own defect" in assistant.log_file.read_text()
    assert keys(found) == ["k7"]


@pytest.mark.long
def test_no_file_that_a_client_names_is_read(assistant, files):
    """An encoder of files and texts takes the path for a text; the file itself would find f2 with similarity 1."""
    yaml, file = files("{type: either}")
    spellings = (str(file), f"text:{file}", file.as_uri(), f"\\@{file}")
    calls = [("search", {"query": spelling}) for spelling in spellings]
    calls += [("search", {"like": [spelling]}) for spelling in spellings]

    def read_similarities(results):
        return [[hit["similarity"] for hit in result.structured_content["hits"]] for result in results]

    alone = read_similarities(assistant.call(yaml, calls=calls))
    assert all(0 < max(similarities) < 0.9 for similarities in alone)
    with run_server_process(yaml):
        served = read_similarities(assistant.call(yaml, calls=calls))
    assert [pytest.approx(similarities) for similarities in alone] == served


def test_a_solution_that_is_searched_by_files_alone_says_so(assistant, files):
    yaml, file = files("{type: bytes}")
    calls = [("search", {"query": str(file)}), ("more_like_this", {"key": str(file)})]
    by_text, by_key = assistant.fail(yaml, calls=calls)
    assert by_text == (
        "error: the solution cannot be searched by a text\nhint: search by a file (image), @key of an indexed item"
    )
    assert by_key.startswith("error: no item has the key")
