"""A Redis that Sentinels watch: how it is reached, and what becomes of a run when its master dies."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
import redis

from ingest_helpers import ListSource, Observer, make_items
from redis_helpers import index_item, read_counts
from redis_servers import WatchedRedis
from servers import free_port, wait_until
from vicinal.cli.output import describe_redis
from vicinal.errors import StoreError, StoreUnreachableError
from vicinal.stores.redis import MetadataStore


@pytest.fixture
def watch(tmp_path):
    """Starts a watched Redis."""
    started = []

    def watch(**given):
        started.append(WatchedRedis(tmp_path, **given))
        return started[-1]

    yield watch
    for watched in started:
        watched.end()


def test_an_ingest_and_searches_go_on_when_the_master_dies(lite, watch):
    watched = watch()
    lite.manager.register(Observer(watched.master.kill), "observer")
    solution = lite.solution(
        encoder="{type: hashed, batch_size: 20, pause: 0.04}",
        extra=f"stores: {{redis: '{watched.url}'}}\ningest: {{batch_size: 20}}",
    )
    solution.source = ListSource(make_items(800))
    report = solution.ingest()
    assert (report.new, report.failed) == (800, 0)
    status = solution.status()["stores"]["redis"]
    shown = f", redis+sentinel://{watched.hosts}/mymaster/0, master 127.0.0.1:{watched.replica.port}"
    assert describe_redis(**status).endswith(shown)
    solution.ingest()  # what the replica had not received when the master died
    assert solution.check().consistent
    assert solution.metadata.state()["items"] == 800
    assert solution.search("text 7", limit=1)[0].content == "text 7"


@pytest.mark.long
def test_searches_are_unreachable_at_most_until_the_replica_is_the_master(lite, watch):
    watched = watch()
    solution = lite.solution(extra=f"stores: {{redis: '{watched.url}'}}")
    solution.source = ListSource(make_items(20))
    solution.ingest()
    assert solution.search("text 7", limit=1)[0].key == "k7"
    watched.master.kill()

    def search():
        with suppress(StoreUnreachableError):
            return solution.search("text 7", limit=1)[0].key

    wait_until(lambda: search() == "k7", 30)
    assert solution.metadata.masters() == [f"127.0.0.1:{watched.replica.port}"]
    watched.master.start()  # comes back as a replica
    with redis.Redis(port=watched.master.port) as client:
        wait_until(lambda: client.info("replication")["role"] == "slave", 120)
    assert solution.search("text 7", limit=1)[0].key == "k7"
    assert solution.ingest().unchanged == 20


def test_passwords_of_the_servers_and_of_the_sentinels(watch):
    watched = watch(password="right", sentinel_password="hunter2", sentinels=1)
    url = f"redis+sentinel://:right@{watched.hosts}/mymaster/1"
    with MetadataStore("things", f"{url}?sentinel_password=hunter2") as store:
        index_item(store, "a", 1)
        assert read_counts(store) == (1, 1)
        assert store.client.info("keyspace").keys() == {"db1"}
        assert store.masters() == [f"127.0.0.1:{watched.master.port}"]
    for wrong in (
        f"{url}?sentinel_password=hunter3",
        url.replace("right", "hunter3") + "?sentinel_password=hunter2",
        url,
    ):
        with pytest.raises(StoreError, match="refused: ") as error:
            MetadataStore("things", wrong)
        assert not isinstance(error.value, StoreUnreachableError)
        assert "hunter" not in str(error.value) + error.value.hint
    with pytest.raises(StoreError, match="watch no service 'other'") as error:
        MetadataStore("things", f"redis+sentinel://{watched.hosts}/other?sentinel_password=hunter2")
    assert error.value.hint == "they watch: mymaster"


def test_sentinels_that_do_not_respond_are_reported_at_once():
    host = f"127.0.0.1:{free_port()}"
    started = time.monotonic()
    with pytest.raises(StoreUnreachableError, match=f"{host}/mymaster does not respond: no Sentinel") as error:
        MetadataStore("things", f"redis+sentinel://:hunter2@{host}/mymaster")
    assert time.monotonic() - started < 2
    assert "hunter2" not in str(error.value)


def test_a_redis_in_place_of_a_sentinel_is_named(redis_url):
    host = redis_url.removeprefix("redis://").removesuffix("/0")
    with pytest.raises(StoreError, match=f"{host}/mymaster is no Sentinel") as error:
        MetadataStore("things", f"redis+sentinel://{host}/mymaster")
    assert not isinstance(error.value, StoreUnreachableError)
