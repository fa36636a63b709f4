"""The writer lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from urllib.parse import urlsplit

import orjson
import pytest

from proxy import Proxy
from servers import wait_until
from vicinal import hookimpl
from vicinal.errors import StoreBusyError, StoreUnreachableError
from vicinal.stores import writer_lock
from vicinal.stores.redis import MetadataStore
from vicinal.stores.writer_lock import WriterLock

pytestmark = pytest.mark.long_on_cluster


@pytest.fixture
def store(any_redis_url, tmp_path):
    with MetadataStore(tmp_path.name, any_redis_url) as store:
        yield store
        store.client.delete(key(store))


@pytest.fixture
def redis_store(redis_url, tmp_path):
    with MetadataStore(tmp_path.name, redis_url) as store:
        yield store
        store.client.delete(key(store))


def key(store):
    return store.names.of_solution("writer")


@pytest.fixture
def writer(store, any_redis_url):
    """Another process that holds the lock; it ends when its input does."""
    script = (
        "import sys\nfrom vicinal.stores.redis import MetadataStore\n"
        "from vicinal.stores.writer_lock import WriterLock\n"
        f"with MetadataStore({store.name!r}, {any_redis_url!r}) as store, WriterLock(store):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_writer_is_refused_by_the_name_of_the_first(store, writer):
    with pytest.raises(
        StoreBusyError, match=rf"is being written by process {writer.pid} on .*\(python.* since 20"
    ) as error:
        WriterLock(store).__enter__()
    assert error.value.hint == "wait until it ends; the lock of a holder that died expires after 15 s"
    writer.communicate("")
    with WriterLock(store):
        assert store.client.exists(key(store))
    assert not store.client.exists(key(store))


def test_a_second_writer_of_the_same_process_is_refused_too(store):
    with WriterLock(store), pytest.raises(StoreBusyError, match=f"process {os.getpid()} on"), WriterLock(store):
        pass
    with WriterLock(store):
        pass


def test_a_lock_that_another_thread_has_just_acquired_is_not_taken_for_that_of_a_dead_one(store, monkeypatch):
    """Two writers at once would lose what one of them wrote."""
    first = WriterLock(store)
    acquire = first._acquire

    def acquire_and_be_interrupted():
        assert acquire()
        with pytest.raises(StoreBusyError), WriterLock(store):
            pass
        return True

    monkeypatch.setattr(first, "_acquire", acquire_and_be_interrupted)
    with first:
        assert store.client.get(key(store)) == first._value


def test_solutions_of_other_names_are_not_locked(store, any_redis_url):
    with MetadataStore(store.name + "-other", any_redis_url) as other, WriterLock(store), WriterLock(other) as held:
        assert not held.lost


def test_the_lock_of_a_killed_holder_is_taken_over_at_once(store, writer):
    writer.kill()
    writer.communicate()
    assert store.client.pttl(key(store)) > 10_000
    started = time.monotonic()
    with WriterLock(store):
        assert time.monotonic() - started < 1
        assert orjson.loads(store.client.get(key(store)))["pid"] == os.getpid()


def test_a_suspended_holder_keeps_its_lock(store, writer):
    os.kill(writer.pid, signal.SIGSTOP)
    with pytest.raises(StoreBusyError), WriterLock(store):
        pass
    os.kill(writer.pid, signal.SIGCONT)
    writer.communicate("")


def test_lock_of_other_host_is_never_stolen(store):
    away = {"holder": "process 7 on elsewhere", "host": "elsewhere", "boot": "b", "pid": 7, "started": "now"}
    store.client.set(key(store), orjson.dumps(away), px=300)
    with pytest.raises(StoreBusyError, match="is being written by process 7 on elsewhere since now"), WriterLock(store):
        pass
    time.sleep(0.35)
    with WriterLock(store):
        pass


def test_a_held_lock_is_renewed(store, monkeypatch):
    monkeypatch.setattr(writer_lock, "_EXPIRY_SECONDS", 0.3)
    with WriterLock(store) as held:
        time.sleep(1)
        assert 0 < store.client.pttl(key(store)) <= 300
        assert not held.lost
    assert not store.client.exists(key(store))


def test_a_lock_that_another_writer_took_over_is_lost_and_not_released(store, monkeypatch):
    monkeypatch.setattr(writer_lock, "_EXPIRY_SECONDS", 0.3)
    with WriterLock(store) as held:
        store.client.set(key(store), "another writer")
        wait_until(lambda: held.lost)
    assert store.client.get(key(store)) == b"another writer"


def test_a_lock_whose_key_was_deleted_is_acquired_again(store, monkeypatch):
    monkeypatch.setattr(writer_lock, "_EXPIRY_SECONDS", 0.3)
    with WriterLock(store) as held:
        store.client.delete(key(store))
        wait_until(lambda: store.client.exists(key(store)))
        assert not held.lost


def test_a_lock_survives_an_outage_of_redis(redis_store, redis_url, monkeypatch):
    monkeypatch.setattr(writer_lock, "_EXPIRY_SECONDS", 0.6)
    with (
        Proxy(urlsplit(redis_url).port) as proxy,
        MetadataStore(redis_store.name, f"redis://127.0.0.1:{proxy.port}/0") as far,
        WriterLock(far) as held,
    ):
        proxy.disconnect()
        wait_until(lambda: not redis_store.client.exists(key(redis_store)))
        proxy.restore()
        wait_until(lambda: redis_store.client.exists(key(redis_store)))
        assert not held.lost
    assert not redis_store.client.exists(key(redis_store))


def test_a_lock_that_could_not_be_released_does_not_block_its_own_process(redis_store, redis_url):
    with (
        Proxy(urlsplit(redis_url).port) as proxy,
        MetadataStore(redis_store.name, f"redis://127.0.0.1:{proxy.port}/0") as far,
    ):
        with WriterLock(far) as held:
            proxy.disconnect()
        assert held.lost
    assert redis_store.client.exists(key(redis_store))
    with WriterLock(redis_store) as again:
        assert not again.lost


def test_a_lock_needs_a_reachable_redis(store, redis_url):
    with Proxy(urlsplit(redis_url).port) as proxy, MetadataStore("x", f"redis://127.0.0.1:{proxy.port}/0") as far:
        proxy.disconnect()
        with pytest.raises(StoreUnreachableError, match="does not respond"), WriterLock(far):
            pass


def test_a_run_that_lost_its_lock_stops(lite, monkeypatch):
    """Whoever stood still for too long must not write beside the writer that took over."""
    monkeypatch.setattr(writer_lock, "_EXPIRY_SECONDS", 0.3)
    lite.write([(f"k{number}", f"text {number}", 1) for number in range(200)])
    solution = lite.solution(encoder="{type: hashed, batch_size: 10, pause: 0.1}")
    taken = []

    class Thief:
        @hookimpl
        def batch_written(self, **_):
            if not taken:
                taken.append(solution.metadata.client.set(key(solution.metadata), "another writer"))

    lite.manager.register(Thief(), "thief")
    with pytest.raises(StoreBusyError, match="lost its lock"):
        solution.ingest()
    assert 10 <= solution.metadata.state()["items"] < 200
    solution.metadata.client.delete(key(solution.metadata))
    assert solution.ingest().rows == 200
