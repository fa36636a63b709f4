"""``vicinal mcp`` as a process: beside others, over HTTP, and at its end."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from mcp import Client

from mcp_assistant import keys
from serve_process import run_server_process
from servers import end, free_port, wait_for_port
from vicinal.cli import main
from vicinal.errors import ExitCode


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
