"""The data of the embedded Redis, read and written by servers of different versions in turn."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from pathlib import Path

import pytest

from redis_helpers import index_item, make_record, read_counts
from redis_servers import SERVERS, name_of
from servers import wait_until
from vicinal.errors import StoreError
from vicinal.stores.append_only_file import prepare_append_only_file
from vicinal.stores.redis import MetadataStore
from vicinal.types import item_id

PAIRS = list(itertools.permutations(SERVERS, 2))
KEYS = [f"k{number}" for number in range(300)]


@pytest.fixture
def open_store(tmp_path, monkeypatch):
    """Opens the store in the folder of the test with a server."""

    def open_store(server):
        monkeypatch.setenv("VICINAL_REDIS_SERVER", server.path)
        return MetadataStore("shared", str(tmp_path / "redis"))

    return open_store


def version_of(store):
    info = store.client.info("server")
    return info.get("valkey_version", info["redis_version"])


def write(store, server, keys):
    assert version_of(store) == ".".join(map(str, server.version))
    for key in keys:
        index_item(store, key, 2)


def rewrite(store):
    """Have the server write its append-only file anew, as it does by itself when that has grown."""
    store.client.bgrewriteaof()
    wait_until(lambda: not store.client.info("persistence")["aof_rewrite_in_progress"])


def assert_holds(store, keys):
    assert store.records([item_id(key) for key in keys]) == [make_record(key) for key in keys]
    assert read_counts(store) == (len(keys), 2 * len(keys))


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=name_of)
def test_data_move_to_another_server_and_back(open_store, first, second):
    with open_store(first) as store:
        write(store, first, KEYS[:100])
        rewrite(store)
        write(store, first, KEYS[100:150])
    with open_store(second) as store:
        assert_holds(store, KEYS[:150])
        write(store, second, KEYS[150:200])
        rewrite(store)
        write(store, second, KEYS[200:250])
    with open_store(first) as store:
        assert_holds(store, KEYS[:250])
        write(store, first, KEYS[250:])
    with open_store(second) as store:
        assert_holds(store, KEYS)


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=name_of)
def test_data_of_a_server_that_was_killed_move_to_another_one(open_store, first, second):
    with open_store(first) as store:
        write(store, first, KEYS)
        os.kill(store.client.info("server")["process_id"], signal.SIGKILL)
    with open_store(second) as store:
        assert_holds(store, KEYS)


# --- the file itself


@pytest.fixture
def folder(tmp_path):
    """A folder in which a server of version 7 wrote a base file and two increments."""
    parts = tmp_path / "appendonlydir"
    parts.mkdir()
    (parts / "appendonly.aof.2.base.aof").write_bytes(b"base;")
    (parts / "appendonly.aof.9.incr.aof").write_bytes(b"nine;")
    (parts / "appendonly.aof.10.incr.aof").write_bytes(b"ten;")
    (parts / "appendonly.aof.1.base.rdb").write_bytes(b"replaced;")
    (parts / "appendonly.aof.manifest").write_text(
        "file appendonly.aof.2.base.aof seq 2 type b\nfile appendonly.aof.1.base.rdb seq 1 type h\n"
        "file appendonly.aof.9.incr.aof seq 9 type i\nfile appendonly.aof.10.incr.aof seq 10 type i\n"
    )
    return tmp_path


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


JOINED = {"appendonly.aof": b"base;nine;ten;"}


def test_parts_are_joined_in_the_order_of_the_manifest(folder):
    before = contents(folder)
    prepare_append_only_file(folder, split=True)
    assert contents(folder) == before
    prepare_append_only_file(folder, split=False)
    assert contents(folder) == JOINED
    prepare_append_only_file(folder, split=False)
    prepare_append_only_file(folder, split=True)
    assert contents(folder) == JOINED


class Killed(BaseException):
    """Ends a join as a kill does."""


@pytest.mark.parametrize("step", range(5))
def test_a_join_that_was_interrupted_is_completed(folder, monkeypatch, step):
    steps = itertools.count()

    def counted(operation):
        def run(*args, **kwargs):
            if next(steps) == step:
                raise Killed
            return operation(*args, **kwargs)

        return run

    with monkeypatch.context() as patch, pytest.raises(Killed):
        for owner, name in ((os, "fsync"), (Path, "unlink"), (Path, "rename"), (shutil, "rmtree")):
            patch.setattr(owner, name, counted(getattr(owner, name)))
        prepare_append_only_file(folder, split=False)
    prepare_append_only_file(folder, split=False)
    assert contents(folder) == JOINED


@pytest.mark.parametrize("head", [b"REDIS0010", b"REDIS0012", b"VALKEY080"])
def test_a_snapshot_of_a_later_version_is_left_as_it_is(folder, head):
    (folder / "appendonlydir" / "appendonly.aof.2.base.aof").write_bytes(head + b"\xfa\x09redis-ver")
    before = contents(folder)
    with pytest.raises(StoreError, match="was written by a later version of Redis") as error:
        prepare_append_only_file(folder, split=False)
    assert error.value.hint.startswith("set VICINAL_REDIS_SERVER to a redis-server of version 7 or later")
    assert contents(folder) == before


def test_a_snapshot_of_version_6_is_joined(folder):
    (folder / "appendonlydir" / "appendonly.aof.2.base.aof").write_bytes(b"REDIS0009...")
    prepare_append_only_file(folder, split=False)
    assert contents(folder) == {"appendonly.aof": b"REDIS0009...nine;ten;"}


@pytest.mark.parametrize("split", [True, False])
def test_two_versions_of_the_data_are_refused_and_both_kept(folder, split):
    (folder / "appendonly.aof").write_bytes(b"older or newer")
    before = contents(folder)
    with pytest.raises(StoreError, match=r"two versions of its data, appendonly\.aof and appendonlydir") as error:
        prepare_append_only_file(folder, split=split)
    assert error.value.hint == "move the one that is out of date elsewhere"
    assert contents(folder) == before


def test_an_empty_single_file_is_no_second_version(folder):
    (folder / "appendonly.aof").touch()
    prepare_append_only_file(folder, split=False)
    assert contents(folder) == JOINED


def test_a_folder_without_data_stays_as_it_is(tmp_path):
    for split in (True, False):
        prepare_append_only_file(tmp_path, split=split)
    assert contents(tmp_path) == {}
