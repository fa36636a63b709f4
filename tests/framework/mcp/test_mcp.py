"""``vicinal mcp`` in a process of its own, asked by the client of the protocol's own SDK."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client

from inprocess_server import FIELDS, ROWS
from serve_process import make_plugin_environment, run_server_process
from servers import ROOT, end, free_port, wait_for_port
from vicinal import Solution
from vicinal.cli import main
from vicinal.errors import ExitCode

TOOLS = ["list_solutions", "search", "more_like_this", "get_item", "status"]


class Assistant:
    """Starts the command for some files, as an assistant does, and calls its tools."""

    def __init__(self, folder):
        self.log_file = folder / "mcp.log"
        self.environment = make_plugin_environment(folder, {})

    def connect(self, *files, log=None):
        """A client of a new process; what that writes to stderr goes to ``log``."""
        parameters = StdioServerParameters(
            command=sys.executable, args=["-m", "vicinal", "mcp", *map(str, files)], env=self.environment
        )
        return Client(stdio_client(parameters, errlog=log or sys.stderr), read_timeout_seconds=60)

    def call(self, *files, calls):
        """The results of several calls in one process, which must write nothing to stderr."""

        async def talk():
            with self.log_file.open("w") as log:
                async with self.connect(*files, log=log) as client:
                    return [await client.call_tool(name, arguments) for name, arguments in calls]

        results = asyncio.run(talk())
        assert self.log_file.read_text() == ""
        return results

    def fail(self, *files, calls):
        """The texts of the errors of several calls, each of which must say what to do."""
        results = self.call(*files, calls=calls)
        for result in results:
            assert result.is_error
            assert result.structured_content["hint"]
            assert "Traceback" not in result.content[0].text
        return [result.content[0].text for result in results]


@pytest.fixture
def assistant(tmp_path):
    return Assistant(tmp_path)


@pytest.fixture
def things(lite):
    """The YAML of sixty indexed texts."""
    lite.write(ROWS)
    solution = lite.solution(extra=FIELDS)
    solution.ingest()
    solution.close()
    return lite.folder / "things.yaml"


@pytest.fixture
def files(lite):
    """Makes the YAML of three indexed files, by their encoder, and names one of them."""
    import file_encoders

    assert lite.manager.register(file_encoders, "files of the tests").status == "ok"
    (lite.folder / "files").mkdir()
    for number in range(3):
        (lite.folder / "files" / f"f{number}.png").write_bytes(bytes([number]) * 1000)

    def make(encoder):
        solution = lite.solution("files", encoder=encoder, source="{type: folder, path: files}")
        solution.ingest()
        solution.close()
        return lite.folder / "files.yaml", lite.folder / "files" / "f2.png"

    return make


def keys(result):
    return [hit["key"] for hit in result.structured_content["hits"]]


# --- what the tools do


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


# --- processes


@pytest.mark.long
def test_two_assistants_and_an_ingest_share_an_embedded_milvus(assistant, things):
    async def search_often(client):
        for number in range(8):
            result = await client.call_tool("search", {"query": f"text {number}", "limit": 1})
            assert keys(result) == [f"k{number}"]

    async def talk():
        async with assistant.connect(things) as first, assistant.connect(things) as second:
            await asyncio.gather(search_often(first), search_often(second))
            with (things.parent / "items.csv").open("a") as file:
                file.write("new,a new text,2001\n")
            ingest = [sys.executable, "-m", "vicinal", "ingest", str(things)]
            assert subprocess.run(ingest, env=assistant.environment, timeout=60).returncode == 0
            return await second.call_tool("search", {"query": "a new text", "limit": 1})

    assert keys(asyncio.run(talk())) == ["new"]


def test_calls_go_through_a_server_that_holds_the_file(assistant, things):
    calls = [
        ("search", {"query": "text 7", "limit": 3}),
        ("more_like_this", {"key": "k7", "limit": 3, "filter": "year == 2005"}),
        ("search", {"query": "text 7", "like": ["@k8"], "unlike": ["@k9", "text 1"], "limit": 3}),
        ("search", {"like": ["@k8", "text 7"], "limit": 3}),
        ("get_item", {"key": "k7"}),
        ("status", {}),
        ("list_solutions", {}),
        ("get_item", {"key": "a/b c"}),
        ("search", {"query": "text", "filter": "colour == 1"}),
    ]

    def strip(result):
        data = {name: value for name, value in result.structured_content.items() if name != "timings_ms"}
        return result.is_error, data

    alone = [strip(result) for result in assistant.call(things, calls=calls)]
    with run_server_process(things):
        served = [strip(result) for result in assistant.call(things, calls=calls)]
    assert served == alone


def test_stdout_holds_the_protocol_alone(assistant, things):
    """Whatever a plugin and its child processes print."""
    program = """
import os, encoders
decode = encoders.Hashed.decode
def print_and_decode(self, item):
    print("noise")
    os.system("echo noise of a child")
    return decode(self, item)
encoders.Hashed.decode = print_and_decode
from vicinal.cli import main
raise SystemExit(main())
"""
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    call = {"name": "search", "arguments": {"query": "text 7", "limit": 1}}
    messages = [
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": call},
    ]
    with subprocess.Popen(
        [sys.executable, "-c", program, "mcp", str(things)],
        env=assistant.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdin.write("".join(json.dumps({"jsonrpc": "2.0", **message}) + "\n" for message in messages))
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(2)]
        rest, log = process.communicate(timeout=30)
    assert [answer["id"] for answer in answers] == [1, 2]
    assert answers[1]["result"]["structuredContent"]["hits"][0]["key"] == "k7"
    assert (process.returncode, rest) == (0, "")
    assert {"noise", "noise of a child"} <= set(log.splitlines())


def test_ctrl_c_ends_it(assistant, things):
    with subprocess.Popen(
        [sys.executable, "-m", "vicinal", "mcp", str(things)],
        env=assistant.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        process.stdin.write(b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == -signal.SIGINT


def test_over_http_it_answers_this_machine_alone(assistant, things):
    port = free_port()
    with assistant.log_file.open("w") as log:
        command = [sys.executable, "-m", "vicinal", "mcp", str(things), "--http", str(port)]
        process = subprocess.Popen(command, env=assistant.environment, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}/mcp"

    async def talk():
        async with Client(url, read_timeout_seconds=60) as client:
            return await client.call_tool("search", {"query": "text 7", "limit": 1})

    try:
        wait_for_port(port, process, 60)
        assert keys(asyncio.run(talk())) == ["k7"]
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        for headers in ({"Origin": "https://example.org"}, {"Host": "example.org"}):
            accept = {"Accept": "application/json, text/event-stream"}
            assert httpx.post(url, json=ping, headers=accept | headers).status_code in (403, 421)
        assert assistant.log_file.read_text().splitlines()[0] == f"serving things at {url} (Ctrl-C stops it)"
    finally:
        end(process)


def test_a_taken_port_ends_the_command_before_it_says_that_it_serves(assistant, things):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "vicinal", "mcp", str(things), "--http", str(port)]
        done = subprocess.run(command, env=assistant.environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (ExitCode.FAILED, "")
    assert done.stderr.splitlines() == [
        f"error: cannot listen on 127.0.0.1:{port}: Address already in use",
        "hint: choose another port or address, or end what listens there",
    ]


def test_a_wrong_yaml_and_a_missing_package_end_the_command(tmp_path, capsys, monkeypatch):
    yaml, wrong = tmp_path / "molecules.yaml", tmp_path / "wrong.yaml"
    yaml.write_text("name: molecules\nsource: {type: lines, path: a.smi}\nencoder: {type: fingerprint}\n")
    wrong.write_text("name: wrong\n")
    assert main(["mcp", str(yaml), str(wrong)]) == ExitCode.BAD_CONFIG
    assert main(["mcp", str(yaml), str(yaml)]) == ExitCode.BAD_CONFIG
    assert "two solutions are named 'molecules'" in capsys.readouterr().err
    monkeypatch.delitem(sys.modules, "vicinal.mcp.server")
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    assert main(["mcp", str(yaml)]) == ExitCode.PLUGIN_MISSING
    printed = capsys.readouterr()
    assert (printed.out, printed.err.splitlines()[-1]) == ("", "hint: pip install 'vicinal[mcp]'")
