"""How a command ends: its exit code, and its error on stderr."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

SCRIPT = Path(sys.executable).with_name("vicinal")


@pytest.fixture
def closed_port():
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_0_done(vicinal, molecules_yaml):
    done = vicinal("search", molecules_yaml, "@caffeine", "--limit", 1)
    assert "theobromine" in done.stdout
    assert done.stderr == ""
    assert vicinal("--version").stdout == f"vicinal, version {version('vicinal')}\n"


def test_1_failed(vicinal, cli, small_yaml):
    cli("ingest", small_yaml)
    done = vicinal("search", small_yaml, "c1ccccc", code=1)
    assert done.stdout == ""
    assert done.stderr == "error: not a SMILES: unclosed ring, in 'c1ccccc'\n"


def test_1_nothing_is_indexed_yet(vicinal, small_yaml):
    done = vicinal("search", small_yaml, "CCO", code=1)
    assert done.stderr == "error: nothing is indexed in 'things' yet\nhint: run `vicinal ingest` first\n"


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ("sarch a.yaml x", "No such command 'sarch'. Did you mean 'search'?", "vicinal --help"),
        ("plugin nwe", "No such command 'nwe'. Did you mean 'new'?", "vicinal plugin --help"),
        ("ingest", "Missing argument 'FILE'.", "vicinal ingest --help"),
        ("search a.yaml", "there is nothing to search for; give QUERY or --like", "vicinal search --help"),
        ("search a.yaml --unlike x", "there is nothing to search for; give QUERY or --like", "vicinal search --help"),
        (
            "search a.yaml x --diversity 2",
            "Invalid value for '--diversity': 2.0 is not in the range 0<=x<=1.",
            "vicinal search --help",
        ),
        (
            "search a.yaml x --min-similarity near",
            "Invalid value for '--min-similarity': 'near' is not a valid float.",
            "vicinal search --help",
        ),
        ("search a.yaml x --fitler 3", "No such option '--fitler'. Did you mean '--filter'?", "vicinal search --help"),
        ("plugin new x --into y", "No such option '--into'. It is now called '--output'.", "vicinal plugin new --help"),
        ("init a.csv --into y", "No such option '--into'. It is now called '--output'.", "vicinal init --help"),
        (
            "search a.yaml x --limit 0",
            "Invalid value for '--limit': 0 is not in the range 1<=x<=16384.",
            "vicinal search --help",
        ),
        (
            "ingest a.yaml --prune --limit 3",
            "--prune and --limit exclude each other: a limited run does not see every item.",
            "vicinal ingest --help",
        ),
        (
            "import a.yaml b.parquet",
            "Invalid value for 'PARQUET': File 'b.parquet' does not exist.",
            "vicinal import --help",
        ),
    ],
)
def test_2_usage(cli, arguments, message, hint):
    assert cli(*arguments.split(), code=2) == ""
    assert cli.err == f"error: {message}\nhint: {hint}\n"


def test_2_usage_in_a_process_of_its_own(vicinal):
    done = vicinal("sarch", code=2)
    assert (done.stdout, done.stderr) == (
        "",
        "error: No such command 'sarch'. Did you mean 'search'?\nhint: vicinal --help\n",
    )


@pytest.mark.parametrize("arguments", [(), ("plugin",)])
def test_2_help_is_shown_without_a_command(cli, arguments):
    assert cli(*arguments, code=2) == ""
    assert cli.err == cli(*arguments, "--help")


def test_2_a_bad_filter(cli, molecules_yaml):
    for filter_, advice in (('use = "NSAID"', "write == to compare; "), ('usage == "NSAID"', ""), ("use ==", "")):
        assert cli("search", molecules_yaml, "@aspirin", "--filter", filter_, code=2) == ""
        first, hint = cli.err.splitlines()
        assert first.startswith(f"error: filter {filter_!r}: ")
        names = "a filter may use item, segment, use; more are declared under `fields` in the YAML"
        assert hint == f"hint: {advice}{names}"


def test_3_a_bad_config(vicinal, cli):
    Path("a.yaml").write_text("nam: a\nsource: {type: line}\n")
    problems = [
        "a.yaml:1:1: encoder: is missing",
        "a.yaml:1:1: nam: unknown key, did you mean 'name'?",
        "a.yaml:1:1: name: is missing",
        "a.yaml:2:10: source.type: unknown source 'line' (did you mean 'lines'?); known: folder, lines, molecules, "
        "movielens, table, vectors; `vicinal plugins` lists what is installed",
    ]
    assert cli("validate", "a.yaml", code=3).splitlines() == problems
    assert vicinal("ingest", "a.yaml", code=3).stderr.splitlines() == [
        "error: a.yaml has 4 mistakes",
        *problems,
        "hint: `vicinal schema` prints every key and its values; editors can use it too",
    ]


def test_3_no_config_at_all(cli, tmp_path):
    for file, reason in [("b.yaml", "No such file or directory"), (tmp_path, "Is a directory")]:
        assert cli("status", file, code=3) == ""
        assert cli.err == f"error: cannot read {file}: {reason}\nhint: `vicinal init` writes a new one\n"


def test_4_the_package_of_an_encoder_is_missing(vicinal, slowpoke):
    slowpoke.write_text(slowpoke.read_text().replace("type: slow", "type: absent"))
    assert vicinal("validate", slowpoke).stdout == "slow.yaml: ok\n"
    assert vicinal("ingest", slowpoke, code=4).stderr.splitlines() == [
        "error: encoder 'absent' needs nobody_has_this, which is not installed",
        'hint: pip install "slowpoke[absent]"',
    ]


@pytest.mark.parametrize("command", [("ingest", "things.yaml"), ("status", "things.yaml")])
def test_5_milvus_does_not_answer(vicinal, small_yaml, closed_port, command):
    done = vicinal(*command, code=5, timeout=10, MILVUS_URI=f"http://127.0.0.1:{closed_port}")
    assert (done.stdout, done.stderr) == (
        "",
        f"error: Milvus at 127.0.0.1:{closed_port} does not respond: Connection refused\n"
        "hint: start it, or set MILVUS_URI; run `vicinal doctor` to diagnose\n",
    )


@pytest.mark.parametrize("command", [("ingest", "things.yaml"), ("search", "things.yaml", "CCO")])
def test_5_redis_does_not_answer(vicinal, small_yaml, closed_port, command):
    done = vicinal(*command, code=5, timeout=10, REDIS_URL=f"redis://:hunter2@127.0.0.1:{closed_port}/0")
    error, hint = done.stderr.splitlines()
    assert error.startswith(f"error: Redis at redis://…@127.0.0.1:{closed_port}/0 does not respond: ")
    assert hint == "hint: start it, or set REDIS_URL; run `vicinal doctor` to diagnose"
    assert "hunter2" not in done.stderr


def test_130_interrupted_run_keeps_finished_batches_and_the_next_one_continues(vicinal, slowpoke, tmp_path):
    process = subprocess.Popen(
        [SCRIPT, "ingest", slowpoke],
        env={**os.environ, "SLOWPOKE_SECONDS": "0.5"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "mark").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == (
        "",
        "\nerror: interrupted; finished batches are kept\nhint: run the same command again to continue\n",
    )
    assert process.returncode == 130

    report = json.loads(vicinal("ingest", slowpoke, "--json").stdout)
    assert (report["seen"], report["failed"], report["rows"]) == (100, 0, 100)
    assert report["unchanged"] + report["new"] == 100
    assert report["unchanged"] >= 10
    assert report["new"] > 0


def test_errors_of_the_file_system_show_no_traceback(cli, molecules_yaml, small_yaml):
    Path("blocked").write_text("not a folder")
    for arguments, message in [
        (("export", molecules_yaml, "blocked/x.parquet"), "blocked: File exists"),
        (
            ("export", molecules_yaml, "/proc/x.parquet"),
            "cannot write /proc/x.parquet: No such file or directory\nhint: name a file in a folder that exists",
        ),
        (("init", "things.csv", "--output", "blocked/x.yaml"), "blocked: File exists"),
        (("demo", "blocked/demo"), "blocked/demo: Not a directory"),
    ]:
        assert cli(*arguments, code=1) == ""
        assert cli.err == f"error: {message}\n"


@pytest.mark.parametrize("command", ["--help", "plugins", "schema", "peek molecule.yaml", "search molecule.yaml CCO"])
def test_closed_pipe_ends_a_command_quietly(molecules_yaml, command):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run([SCRIPT, *command.split()], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
