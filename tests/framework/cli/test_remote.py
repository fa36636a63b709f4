"""Commands while `vicinal serve`, in another process, holds the embedded Milvus: answered through that server."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serve_process import run_server_process
from servers import wait_until
from vicinal.solution.generations import describe_unfinished
from vicinal.stores.redis import MetadataStore

SCRIPT = Path(sys.executable).with_name("vicinal")
ROWS = [f"k{number},text {number},{2000 + number}" for number in range(50)]
YAML = """
name: things
source: {type: table, path: items.csv, key: key, content: text}
encoder: {type: hashed, pause: 0, batch_size: 5}
fields: {year: int64}
"""


class Terminal:
    """Another terminal in the folder of a solution: commands run in this process, beside the server in its own."""

    def __init__(self, cli, environment, monkeypatch):
        self._cli = cli
        self.environment = environment
        """The variables of a command that a test runs in a process of its own."""
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments, code=0, **environment):
        with self._monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            return self._cli(*arguments, code=code)

    def json(self, *arguments, **environment):
        return json.loads(self(*arguments, "--json", **environment))

    def error(self, *arguments, code=1, **environment):
        """The lines of a command's error."""
        assert self(*arguments, code=code, **environment) == ""
        return self._cli.err.splitlines()


@pytest.fixture
def terminal(cli, installed_encoders, monkeypatch):
    return Terminal(cli, installed_encoders, monkeypatch)


@pytest.fixture
def things(tmp_path):
    """The YAML of fifty texts, of which nothing is indexed yet."""
    write_items(ROWS)
    file = tmp_path / "things.yaml"
    file.write_text(YAML)
    return file


def write_items(rows):
    Path("items.csv").write_text("\n".join(["key,text,year", *rows]) + "\n")


def drop_timings(document):
    """A result, or a list of them, without its timings; their names are kept."""
    documents = document if isinstance(document, list) else [document]
    return [{**one, "timings_ms": list(one["timings_ms"])} for one in documents]


SEARCHES = [
    ("text 7", "--limit", 3),
    ("@k7", "--limit", 60),
    ("text 7", "--filter", "year > 2030"),
    ("text 1", "@k2", "text 3", "--limit", 2),
    ("--like", "@k1", "--like", "text 2", "--unlike", "@k3", "--limit", 60),
    ("text 1", "@k2", "--like", "text 9", "--diversity", 0.5),
    ("text 7", "--min-similarity", 0.3, "--diversity", 1),
]


def test_search_and_status_are_the_same_while_a_server_holds_the_file(terminal, things):
    terminal("ingest", things)
    alone = [terminal.json("search", things, *search) for search in SEARCHES]
    table = terminal("search", things, "text 7", "text 8")
    status = terminal.json("status", things)
    with run_server_process(things):
        assert [drop_timings(terminal.json("search", things, *search)) for search in SEARCHES] == [
            drop_timings(result) for result in alone
        ]
        assert without_numbers_of_timings(terminal("search", things, "text 7", "text 8")) == (
            without_numbers_of_timings(table)
        )
        assert terminal.json("status", things) == status


@pytest.mark.long
def test_more_keys_are_removed_than_the_server_takes_at_once(terminal, things):
    write_items([f"k{number},text {number},1" for number in range(1100)])
    terminal("ingest", things)
    with run_server_process(things) as server:
        keys = [f"k{number}" for number in range(1050)]
        assert terminal("remove", things, *keys, *keys) == "things: 1050 removed\n"
        assert server.get("/api/things/stats").json()["items"] == 50


def without_numbers_of_timings(text):
    return re.sub(r"[0-9,]+(\.[0-9])? ms", "… ms", text)


def test_ingest_retry_and_remove_go_through_the_server(terminal, things):
    write_items([*ROWS, "broken,bad,1"])
    with run_server_process(things, log_pattern=".* broken failed to decode: the text says bad\n") as server:
        report = terminal.json("ingest", things)
        assert {name: report[name] for name in ("seen", "new", "failed", "rows")} == {
            "seen": 51,
            "new": 50,
            "failed": 1,
            "rows": 50,
        }
        assert [failure["key"] for failure in terminal.json("failures", things)] == ["broken"]
        write_items([*ROWS[1:], "broken,mended,1", "new,a new text,1"])
        assert terminal.json("failures", things, "--retry")["new"] == 1
        done = terminal("ingest", things, "--prune")
        assert re.fullmatch(
            r"things: 51 items seen in .* s \(.*/s\): 1 new, 50 unchanged, 1 removed; 51 rows indexed\n", done
        )
        assert terminal.json("ingest", things, "--limit", 3)["seen"] == 3
        assert terminal.json("search", things, "a new text", "--limit", 1)["hits"][0]["key"] == "new"
        assert terminal("remove", things, "new", "k1") == "things: 2 removed\n"
        assert server.get("/api/things/stats").json()["items"] == 49
    alone = terminal.json("ingest", things, "--limit", 1)
    assert list(alone) == list(report)
    assert alone["rows"] == 50  # k1 again


@pytest.mark.long
def test_errors_are_those_of_a_command_alone(terminal, things):
    terminal("ingest", things)
    commands = [
        (1, "search", things, "@nobody"),
        (1, "search", things, "text 1", "bad text"),
        (2, "search", things, "text", "--filter", "nope == 1"),
        (1, "search", things, "--like", "@k1", "--like", "@nobody"),
        (1, "search", things, "text 1", "--unlike", "bad text"),
        (1, "search", things, "text 1", "--min-similarity", 1.5),
        (1, "remove", things, "k1", "nobody"),
    ]
    alone = [terminal.error(*command, code=code) for code, *command in commands]
    with run_server_process(things):
        assert [terminal.error(*command, code=code) for code, *command in commands] == alone
        assert terminal.json("status", things)["items"] == 50


def test_nothing_is_indexed_yet(terminal, things):
    with run_server_process(things):
        assert terminal.error("search", things, "text 1") == [
            "error: nothing is indexed in 'things' yet",
            "hint: run `vicinal ingest` first",
        ]


@pytest.mark.long
def test_files_are_uploaded(terminal, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(5):
        (folder / f"f{number}.png").write_bytes(bytes([number]) * 1000)
    (tmp_path / "bad.png").write_bytes(b"bad")
    for encoder in ("bytes", "either"):
        file = tmp_path / f"{encoder}.yaml"
        file.write_text(f"name: {encoder}\nsource: {{type: folder, path: files}}\nencoder: {{type: {encoder}}}\n")
        terminal("ingest", file)
        queries = ["files/f3.png", "@f2.png", *(["text:some words"] if encoder == "either" else [])]
        examples = ["files/f3.png", "--like", "@f1.png", "--unlike", "@f0.png", "--diversity", 0.2]
        alone = terminal.json("search", file, *queries)
        beside = terminal.json("search", file, *examples)
        assert alone[0]["hits"][0]["key"] == "f3.png"
        assert terminal.json("search", file, "--like", "files/f3.png")["hits"][0]["key"] == "f3.png"
        with run_server_process(file):
            assert drop_timings(terminal.json("search", file, *queries)) == drop_timings(alone)
            assert drop_timings(terminal.json("search", file, *examples)) == drop_timings(beside)
            assert terminal.error("search", file, "--like", "files/f3.png") == [
                "error: files/f3.png: a file cannot be an example while a server holds the solution's Milvus",
                "hint: search by it as QUERY, name an indexed item as @key, or stop the server",
            ]
            assert terminal.error("search", file, "bad.png") == ["error: bad.png is bad"]
            assert terminal.error("search", file, "none.png")[0].startswith("error: there is no file none.png")


@pytest.mark.long
def test_ctrl_c_cancels_the_run_of_the_server(terminal, things):
    things.write_text(YAML.replace("pause: 0", "pause: 0.2"))
    with run_server_process(things) as server:
        run = subprocess.Popen([SCRIPT, "ingest", things], env={**os.environ, **terminal.environment}, stderr=-1)
        wait_until(lambda: server.get("/api/things/ingest").json().get("new", 0))
        run.send_signal(signal.SIGINT)
        assert run.communicate(timeout=30)[1].decode().splitlines()[-2:] == [
            "error: interrupted; finished batches are kept",
            "hint: run the same command again to continue",
        ]
        assert run.returncode == 130
        job = server.get("/api/things/ingest").json()
        assert job["state"] == "cancelled"
        assert 0 < job["new"] < 50
        assert terminal.json("ingest", things)["rows"] == 50


@pytest.mark.long
def test_a_run_that_fails_at_the_server_fails_here(terminal, things):
    things.write_text(YAML + "ingest: {max_failures: 1}\n")
    write_items([*ROWS, "x,bad,1", "y,bad,1"])
    with run_server_process(things, log_pattern=".* failed to decode: the text says bad\n"):
        through_server = terminal.error("ingest", things)
    assert through_server == terminal.error("ingest", things)
    assert through_server[0].startswith("error: ")


@pytest.mark.long
def test_a_key_of_the_server_is_needed(terminal, things):
    terminal("ingest", things)
    with run_server_process(things, api_keys="sécret") as server:
        error, hint = terminal.error("search", things, "text 1")
        process = rf"error: {things.parent}/.vicinal/things/milvus.db is in use by process {server.process.pid} on .*"
        assert re.fullmatch(rf"{process}, and its server at {server.url} wants an API key", error)
        assert hint == "hint: set VICINAL_API_KEY to one of its keys"
        wrong = terminal.error("status", things, VICINAL_API_KEY="wrong")
        assert wrong[0].endswith("does not accept the key in VICINAL_API_KEY")
        assert "wrong" not in " ".join(wrong)
        assert terminal.json("status", things, VICINAL_API_KEY="sécret")["items"] == 50
        assert terminal.json("failures", things) == []


@pytest.mark.long
def test_what_the_api_does_not_offer_is_refused(terminal, things):
    terminal("ingest", things)
    (things.parent / "judged.csv").write_text("query,key\ntext 1,k1\n")
    with run_server_process(things) as server:
        for command in (
            ["check", things],
            ["index", things],
            ["drop", things, "--yes"],
            ["export", things, "a.parquet"],
            ["map", things],
            ["duplicates", things],
            ["evaluate", things, "--qrels", "judged.csv"],
            ["compare", things, things, "--qrels", "judged.csv"],
        ):
            error, hint = terminal.error(*command)
            assert f"is in use by process {server.process.pid} on" in error
            assert hint.startswith(f"hint: stop that server ({server.url}) first")
            assert hint.endswith("its page shows map and duplicates")
    assert terminal("check", things).endswith("consistent\n")


@pytest.mark.long
def test_a_solution_of_the_same_name_elsewhere_is_not_the_servers(terminal, things, tmp_path):
    """Each file has its own lock: the server of one is not asked for the other."""
    terminal("ingest", things)
    (tmp_path / "other").mkdir()
    for name in ("things.yaml", "items.csv"):
        shutil.copy(tmp_path / name, tmp_path / "other")
    with run_server_process(things):
        assert terminal.json("status", "other/things.yaml")["items"] == 0
        assert terminal.json("ingest", "other/things.yaml", "--limit", 3)["rows"] == 3
        assert terminal.json("status", things)["items"] == 50


@pytest.mark.long
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda yaml: yaml.replace("name: things", "name: others"), "does not serve 'others'"),
        (lambda yaml: yaml.replace("int64", "int32"), "serves another configuration of 'things'"),
        (lambda yaml: yaml.replace("redis: r", "redis: r2"), "serves another configuration of 'things'"),
    ],
)
def test_a_server_of_something_else_is_not_asked(terminal, things, change, reason):
    """Of one file: another solution in it, a YAML that has changed since, another Redis."""
    things.write_text(YAML + "stores: {milvus: m.db, redis: r}\n")
    terminal("ingest", things)
    other = things.with_name("other.yaml")
    other.write_text(change(things.read_text()))
    with run_server_process(things) as server:
        error, hint = terminal.error("ingest", other)
        assert error.endswith(f"and its server at {server.url} {reason}")
        assert hint.startswith(("hint: stop the server first", "hint: `vicinal reindex` has it use the YAML as it is"))
        assert terminal.json("status", things)["items"] == 50


@pytest.mark.long
def test_a_killed_server_leaves_the_file_free(terminal, things):
    terminal("ingest", things)
    command = [SCRIPT, "serve", things, "--port", "0"]
    environment = {**os.environ, **terminal.environment, "VICINAL_PRELOAD_MODELS": "0"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as server:
        server.stdout.readline()
        assert terminal.json("status", things)["items"] == 50
        server.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        error = terminal.error("status", things)[0]
        assert f"is in use by process {server.pid} on" in error
        assert time.monotonic() - started < 20
        server.kill()
    holder = Path(".vicinal/things/milvus.db.holder")
    assert json.loads(holder.read_text())["url"]
    assert terminal.json("status", things)["items"] == 50
    assert terminal("check", things).endswith("consistent\n")
    assert holder.read_text() == ""


def test_reindex_goes_through_the_server_while_it_answers(terminal, things):
    things.write_text(YAML.replace("{type: hashed, pause: 0, batch_size: 5}", "{type: learner}"))
    write_items([f"k{number},common word{number},{number}" for number in range(50)])
    terminal("ingest", things)
    with run_server_process(things, max_batch=1) as server:
        old = server.post("/api/things/search", json={"query": "common word7"}).json()["hits"]
        write_items([f"k{number},common word{number} word{number % 7},{number}" for number in range(80)])
        answers = []
        with subprocess.Popen(
            [SCRIPT, "reindex", things], env={**os.environ, **terminal.environment}, stdout=-1
        ) as run:
            while run.poll() is None:
                answers.append(server.post("/api/things/search", json={"query": "common word7"}).json()["hits"])
            assert re.fullmatch(
                r"things: 80 items seen in .* s \(.*/s\): 80 new; 80 rows indexed\n", run.stdout.read().decode()
            )
        new = server.post("/api/things/search", json={"query": "common word7"}).json()["hits"]
        assert old != new
        assert answers.count(old) + answers.count(new) == len(answers) > 10
        assert terminal.json("status", things)["generation"] == 2
    assert terminal("check", things).endswith("consistent\n")


def test_a_server_takes_a_changed_yaml_by_a_reindex_and_goes_on(terminal, things):
    terminal("ingest", things)
    with run_server_process(things) as server:
        things.write_text(YAML.replace("pause: 0", "salt: new"))
        assert "serves another configuration" in terminal.error("search", things, "text 7")[0]
        assert terminal.json("reindex", things)["new"] == 50
        assert terminal.json("search", things, "text 7", "--limit", 1)["hits"][0]["key"] == "k7"
        assert terminal.json("status", things)["encoder"]["signature"] == "hashed/16/new"
        assert server.post("/api/things/search", json={"query": "text 7"}).json()["hits"][0]["key"] == "k7"


def test_a_reindex_that_is_killed_leaves_the_old_and_the_next_one_continues(terminal, things):
    terminal("ingest", things)
    things.write_text(YAML.replace("pause: 0", "salt: new, pause: 0.1"))
    with MetadataStore("things", ".vicinal/redis") as metadata:
        run = subprocess.Popen([SCRIPT, "reindex", things], env={**os.environ, **terminal.environment})
        wait_until(lambda: ((describe_unfinished(metadata) or {}).get("items") or 0) >= 5, 60)
        run.kill()
        run.wait()
        begun = describe_unfinished(metadata)["items"]
    things.write_text(YAML)
    assert re.search(
        rf"reindex +begun at \S+, {begun} items so far; `vicinal reindex` continues it",
        terminal("status", things),
    )
    assert terminal.json("search", things, "text 7", "--limit", 1)["hits"][0]["key"] == "k7"
    things.write_text(YAML.replace("pause: 0", "salt: new"))
    report = terminal.json("reindex", things)
    assert begun - 5 <= report["unchanged"] <= begun
    assert report["rows"] == 50
    assert terminal("check", things).endswith("consistent\n")


@pytest.mark.long
def test_backup_reads_the_vectors_through_the_server(terminal, things):
    """Also while the server ingests; to restore, it has to be stopped."""
    things.write_text(YAML.replace("pause: 0", "pause: 0.05"))
    terminal("ingest", things)
    write_items([*ROWS, *(f"new{number},a new text {number},1" for number in range(60))])
    with run_server_process(things) as server:
        job = server.post("/api/things/ingest").json()
        during = terminal.json("backup", things, "--to", "backups")
        wait_until(lambda: server.get(f"/api/things/ingest/{job['id']}").json()["state"] == "done")
        done = terminal.json("backup", things, "--to", "backups", "--keep", 5)
        assert 50 <= during["items"] <= 110
        assert (done["items"], done["rows"], done["incomplete"]) == (110, 110, 0)
        search = drop_timings(terminal.json("search", things, "a new text 7", "--limit", 110))
        refused = terminal.error("restore", things, "--from", "backups", "--replace")
        assert f"stop that server ({server.url}) first" in refused[1]
    things.with_name("away.yaml").write_text(YAML.replace("name: things", "name: away"))
    for report in (during, done):
        restored = terminal.json("restore", "away.yaml", "--from", report["path"], "--replace")
        assert (restored["items"], restored["consistent"]) == (report["items"], True)
    found = drop_timings(terminal.json("search", "away.yaml", "a new text 7", "--limit", 110))
    assert found == [{**result, "solution": "away"} for result in search]
