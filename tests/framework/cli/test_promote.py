"""`vicinal promote` in the terminal: what it prints, what it writes, and how it goes through a server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from serve_process import make_plugin_environment, run_server_process
from servers import wait_until
from vicinal.config.models import StoresConfig
from vicinal.solution.promotion.config_file import describe_variables

YAML = """\
# what we search
name: things
source: {type: table, path: items.csv, key: key, content: text}
encoder: {type: hashed, pause: 0}
fields: {year: int64}   # of the text
"""


@pytest.fixture
def things(installed_encoders, tmp_path):
    """The YAML of fifty texts."""
    write_items(50)
    file = tmp_path / "things.yaml"
    file.write_text(YAML)
    return file


def write_items(count):
    rows = [f"k{number},text {number},{2000 + number}" for number in range(count)]
    Path("items.csv").write_text("\n".join(["key,text,year", *rows]) + "\n")


def to_item(key):
    return {"key": key, "content": "added at the old stores", "metadata": {"year": 2030}}


def test_promotion_is_proved_and_prints_the_variables(cli, things, tmp_path, monkeypatch, redis_url):
    cli("ingest", things)
    cli("promote", things, "--to", "http://127.0.0.1:9", "--redis", "new/redis", code=5)
    assert cli.err.startswith("error: Milvus at 127.0.0.1:9 does not respond")
    done = cli("promote", things, "--to", "new/milvus.db").splitlines()
    assert done[0].startswith("things: 50 items in ") and ": 50 copied (50 rows, " in done[0]
    assert done[2].startswith(f"to:    {tmp_path}/new/milvus.db on ")
    assert done[3] == "proof: 50 items and 50 rows in both"
    assert done[6] == (
        "       50 of 50 stored vectors have the same 10 nearest; the indexes find 100.0% and 100.0% of them"
    )
    variables = [f"MILVUS_URI={tmp_path}/new/milvus.db", f"REDIS_URL={tmp_path}/new/redis"]
    assert done[7:] == ["to use the new stores, set", *variables]
    with_password = f"redis://default:s3cret@{redis_url.removeprefix('redis://').partition('/')[0]}/7"
    done = cli("promote", things, "--to", "other/milvus.db", "--redis", with_password).splitlines()
    assert done[9:] == [
        f"REDIS_URL={with_password.replace('default:s3cret', '…')}",
        "where … stands for the password and the like that you gave",
    ]
    assert "s3cret" not in cli.err
    for variable in variables:
        monkeypatch.setenv(*variable.split("="))
    assert cli.json("ingest", things)["unchanged"] == 50
    assert things.read_text() == YAML


def test_writing_the_stores_into_the_yaml_hands_over(cli, things):
    cli("ingest", things)
    old = things.with_name("old.yaml")
    old.write_text(YAML)
    report = cli.json("promote", things, "--to", "new/milvus.db", "--write")
    assert (report["copied"], report["handed_over"], report["written"]) == (50, True, str(things))
    assert things.read_text() == YAML + "stores:\n  milvus: new/milvus.db\n  redis: new/redis\n"
    assert cli.json("ingest", things)["unchanged"] == 50
    moved = f"moved to {things.parent}/new/milvus.db on "
    assert moved in " ".join(cli("status", old).split())
    assert cli.json("status", old)["promotion"]["state"] == "moved"
    cli("ingest", old, code=1)
    assert "'things' was promoted to " in cli.err and "take its writes now" in cli.err
    assert cli("promote", old, "--release") == "things: takes writes again\n"
    assert cli.json("ingest", old)["unchanged"] == 50


def test_odd_input_is_refused_before_the_work(cli, things):
    cli("promote", things, code=2)
    assert "either --to URI, where the vectors go, or --release is needed" in cli.err
    cli("promote", things, "--release", "--write", code=2)
    cli("promote", things, "--to", "new.db", "--redis", "redis://:secret@localhost:6379/1", "--write", code=1)
    assert "secret" not in cli.err
    assert cli.err.splitlines() == [
        "error: redis://…@localhost:6379/1 has a password or the like, which does not belong into a file",
        "hint: set REDIS_URL to the whole of it, and promote again: the file then says ${REDIS_URL}",
    ]
    stores = StoresConfig(milvus="https://root:secret@milvus", redis="rediss://:secret@redis/0?ssl_password=secret")
    assert describe_variables(stores) == {
        "MILVUS_URI": "https://…@milvus",
        "REDIS_URL": "rediss://…@redis/0?ssl_password=…",
    }
    cli("promote", things, "--to", "http://localhost:19530", code=1)
    assert "hint: --redis names another one" in cli.err
    assert things.read_text() == YAML
    assert not Path("new.db").exists()


def test_a_served_solution_is_promoted_by_its_server(cli, things):
    cli("ingest", things)
    old = things.with_name("old.yaml")
    old.write_text(YAML)
    with run_server_process(things) as server:
        for secret in ("", "0" * 32):
            body = {"milvus": "/tmp/x.db", "redis": "/tmp/x", "secret": secret}
            assert server.post("/api/things/promotion", json=body).status_code == 403
            assert server.post("/api/things/promotion/release", json={"secret": secret}).status_code == 403
        report = cli.json("promote", things, "--to", "new/milvus.db")
        assert (report["copied"], report["proof"]["same_top_10"]) == (50, 50)
        assert server.post("/api/things/items", json=to_item("new")).is_success
        report = cli.json("promote", things, "--to", "new/milvus.db", "--write")
        assert (report["copied"], report["unchanged"]) == (1, 50)
        refused = server.post("/api/things/items", json=to_item("late"))
        assert (refused.status_code, refused.json()["type"]) == (409, "StoreMismatchError")
        assert server.post("/api/things/search", json={"query": "text 7"}).json()["hits"][0]["key"] == "k7"
        assert cli.json("promote", old, "--release") == {"solution": "things", "released": True}
        assert server.post("/api/things/items", json=to_item("late")).is_success
        job = server.get("/api/things/ingest").json()
        assert (job["kind"], job["state"], job["promotion"]["copied"]) == ("promote", "done", 1)
    assert cli.json("status", things)["items"] == 51


class KilledPromotion:
    """Runs `vicinal promote` in processes of its own, and kills them once the target has so many items."""

    def __init__(self, yaml, *arguments, name, redis_url):
        self._command = [Path(sys.executable).with_name("vicinal"), "promote", yaml, *arguments]
        self._environment = {**os.environ, "PYTHONPATH": make_plugin_environment(yaml.parent, {})["PYTHONPATH"]}
        self._state = f"vicinal:{name}:state"
        self._redis = redis.Redis.from_url(redis_url)

    def count(self):
        return int(self._redis.hget(self._state, "items") or 0)

    def run_until(self, items):
        """Returns how many items the target has when it is killed."""
        with subprocess.Popen(self._command, env=self._environment, stdout=subprocess.PIPE) as process:
            wait_until(lambda: self.count() >= items or process.poll() is not None, 120)
            process.kill()
        assert process.returncode == -9
        return self.count()


@pytest.mark.long
def test_next_promotion_continues_after_kill_9(cli, things, milvus_server, redis_url):
    name = "promoted-after-kill"
    things.write_text(YAML.replace("things", name))
    write_items(12_000)
    cli("ingest", things)
    target = ("--to", milvus_server, "--redis", redis_url)
    killed = KilledPromotion(things, *target, name=name, redis_url=redis_url)
    for items in (1, 3_000, 6_000):
        assert items <= killed.run_until(items) < 12_000
    left = 12_000 - killed.count()
    report = cli.json("promote", things, *target, "--write")
    assert report["resumed"]
    assert (report["copied"], report["unchanged"]) == (left, 12_000 - left)
    for name_ in ("items", "rows", "vectors", "metadata", "failures"):
        assert report["proof"][name_]["source"] == report["proof"][name_]["target"]
    assert report["proof"]["items"]["target"] == 12_000
    assert report["proof"]["same_top_10"] == 100
    try:
        assert cli.json("check", things)["consistent"]
        assert cli.json("ingest", things)["unchanged"] == 12_000
    finally:
        cli("drop", things, "--yes")
