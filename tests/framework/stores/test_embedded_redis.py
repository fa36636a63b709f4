"""The embedded Redis: who starts it, who shuts it down, and what remains after a kill."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from types import SimpleNamespace

import psutil
import pytest

from redis_helpers import index_item, make_record, read_counts
from redis_servers import SERVERS, name_of
from servers import wait_until
from vicinal.errors import StoreError, StoreUnreachableError
from vicinal.stores.redis import MetadataStore
from vicinal.types import item_id


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
    names = ("redis-server", "valkey-server")
    return [one.pid for one in running if one.info["name"] in names and one.info["cwd"] == str(folder)]


def watchdogs_of(folder):
    """The watchdogs that hold locks of a folder open."""
    running = psutil.process_iter(["cmdline", "open_files"])
    return [
        one.pid
        for one in running
        if any(word.endswith("redis_watchdog.py") for word in one.info["cmdline"] or ())
        and any(file.path == str(folder / "users.lock") for file in one.info["open_files"] or ())
    ]


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


def test_a_killed_server_is_restarted_by_the_next_process(tmp_path):
    folder = tmp_path / "redis"
    with MetadataStore("shared", str(folder)) as store:
        store.set_state(by="me")
        os.kill(store.client.info("server")["process_id"], signal.SIGKILL)
        with pytest.raises(StoreUnreachableError, match="does not respond"):
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
    os.kill(other.server, signal.SIGSTOP)  # like one that loads: it is there and does not respond
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


@pytest.mark.parametrize(
    ("place", "reason"),
    [("file", "it is not a folder"), ("file/redis", "Not a directory"), ("/proc/x", "No such file")],
)
def test_a_place_that_can_be_no_folder_is_refused(tmp_path, place, reason):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=f"cannot open the embedded Redis in .*: {reason}"):
        MetadataStore("things", str(tmp_path / place))


def test_a_failed_start_reports_the_reason(tmp_path):
    folder = tmp_path / "redis"
    folder.mkdir()
    (folder / "appendonly.aof").write_text("this is no append-only file\n")
    with pytest.raises(StoreUnreachableError, match=r"did not start: .*Bad file format") as error:
        MetadataStore("shared", str(folder))
    assert error.value.hint.startswith(f"see {folder / 'redis.log'}; the server is Redis ")
    shutil.rmtree(folder)  # Redis 7 has moved the file into a folder of its own by now
    with MetadataStore("shared", str(folder)) as store:
        assert store.state() == {}
    wait_until(lambda: servers_of(folder) == [])


# --- after a kill, or without its folder


@pytest.fixture(params=SERVERS, ids=name_of)
def server(request, monkeypatch):
    """Each of the real servers in turn runs the embedded Redis."""
    monkeypatch.setenv("VICINAL_REDIS_SERVER", request.param.path)
    return request.param


def test_the_last_process_is_killed_and_the_server_ends_and_loses_nothing(server, tmp_path):
    folder = tmp_path / "redis"
    first, second = other_process(folder), other_process(folder)
    assert first.server == second.server
    first.process.kill()
    first.process.communicate()
    time.sleep(0.3)
    assert servers_of(folder) == [second.server]  # it has a user still
    second.process.kill()
    second.process.communicate()
    wait_until(lambda: not psutil.pid_exists(second.server))
    assert (folder / "redis.log").exists()
    with MetadataStore("shared", str(folder)) as store:
        assert store.client.info("server")["process_id"] != second.server
        assert store.state() == {"by": "other"}


def test_no_process_remains_after_a_kill(tmp_path):
    folder = tmp_path / "redis"
    other = other_process(folder)
    other.process.kill()
    other.process.communicate()
    wait_until(lambda: watchdogs_of(folder) == servers_of(folder) == [])


def test_no_process_remains_after_the_last_user(tmp_path):
    folder = tmp_path / "redis"
    with MetadataStore("shared", str(folder)) as store:
        assert len(watchdogs_of(folder)) == len(servers_of(folder)) == 1
        os.kill(store.client.info("server")["process_id"], signal.SIGKILL)
        with MetadataStore("shared", str(folder)):
            pass
    wait_until(lambda: watchdogs_of(folder) == servers_of(folder) == [])


def test_a_process_that_comes_while_the_last_user_is_killed_finds_all_data(tmp_path):
    folder = tmp_path / "redis"
    for number in range(10):
        other = other_process(folder)
        other.process.kill()
        other.process.communicate()
        time.sleep(number * 0.002)
        with MetadataStore("shared", str(folder)) as store:
            assert store.state() == {"by": "other"}
            time.sleep(0.05)
            assert len(servers_of(folder)) == 1


def test_the_folder_of_a_killed_process_is_deleted_and_the_server_ends(server, tmp_path):
    folder = tmp_path / "redis"
    other = other_process(folder)
    shutil.rmtree(folder)
    other.process.kill()
    other.process.communicate()
    wait_until(lambda: not psutil.pid_exists(other.server))


def test_the_folder_is_deleted_and_the_last_user_shuts_the_server_down(server, tmp_path):
    folder = tmp_path / "redis"
    with MetadataStore("shared", str(folder)) as store:
        process = store.client.info("server")["process_id"]
        shutil.rmtree(folder)
    wait_until(lambda: not psutil.pid_exists(process))


def test_a_new_folder_in_place_of_a_deleted_one_has_a_server_of_its_own(tmp_path):
    folder = tmp_path / "redis"
    with MetadataStore("shared", str(folder)) as old:
        old.set_state(by="old")
        shutil.rmtree(folder)
        with MetadataStore("shared", str(folder)) as new:
            assert new.state() == {}
            new.set_state(by="new")
            assert old.state() == {"by": "old"}
            old.close()
            assert new.state() == {"by": "new"}
    with MetadataStore("shared", str(folder)) as again:
        assert again.state() == {"by": "new"}


def test_a_server_that_died_with_its_folder_is_not_replaced_by_an_empty_one(tmp_path):
    folder = tmp_path / "redis"
    with MetadataStore("shared", str(folder)) as store:
        os.kill(store.client.info("server")["process_id"], signal.SIGKILL)
        shutil.rmtree(folder)
        with pytest.raises(StoreUnreachableError, match=f"{folder}, the folder of the embedded Redis, was deleted"):
            store.ensure_running()
    assert not folder.exists()


def test_a_folder_that_is_moved_keeps_its_server(tmp_path):
    with MetadataStore("shared", str(tmp_path / "redis")) as store:
        store.set_state(by="me")
        (tmp_path / "redis").rename(tmp_path / "moved")
        with MetadataStore("shared", str(tmp_path / "moved")) as moved:
            assert moved.state() == {"by": "me"}


def test_threads_restart_a_server_once(tmp_path):
    folder = tmp_path / "redis"
    with MetadataStore("shared", str(folder)) as store:
        store.set_state(by="me")
        os.kill(store.client.info("server")["process_id"], signal.SIGKILL)
        threads = [threading.Thread(target=store.ensure_running) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(servers_of(folder)) == 1
        assert store.state() == {"by": "me"}
