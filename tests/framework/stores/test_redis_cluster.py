"""A Redis Cluster: how it is reached, how items spread over its shards, and a run in which a master dies."""

from __future__ import annotations

import random
import threading

import pytest
from redis.crc import key_slot

from ingest_helpers import ListSource, Observer, assert_consistent, make_items
from redis_helpers import index_item, make_entry, make_record, read_counts
from redis_servers import SERVERS, RunningCluster, name_of
from servers import free_port
from vicinal.errors import GenerationReplacedError, StoreError, StoreUnreachableError
from vicinal.stores.key_names import KeyNames, hash_tags
from vicinal.stores.redis import MetadataStore


@pytest.fixture
def store(cluster_url, tmp_path):
    with MetadataStore(tmp_path.name, cluster_url) as store:
        yield store
        store.drop()


# --- names of keys


def test_the_names_of_keys_stay_as_they_are():
    """Data that were written are found again by the names of their keys."""
    one, cluster = KeyNames("papers"), KeyNames("papers", is_cluster=True)
    assert one.prefix == "vicinal:papers:"
    assert one.of_solution("live") == "vicinal:papers:live"
    assert one.bucket("ledger", 0x7FFF) == "vicinal:papers:ledger:7fff"
    assert one.of_generation(2).bucket("meta", 5) == "vicinal:papers:g2:meta:5"
    assert cluster.prefix == "vicinal:{papers}:"
    assert cluster.of_solution("live") == "vicinal:{papers}:live"
    assert cluster.bucket("ledger", 0x7FFF) == "vicinal:papers:{42}:ledger:7fff"
    assert cluster.counts(31) == "vicinal:papers:{42}:counts"
    assert cluster.of_generation(2).bucket("meta", 5) == "vicinal:papers:g2:{10}:meta:5"
    assert cluster.of_generation(2).prefix == "vicinal:{papers}:g2:"


def test_hash_tags_lie_evenly_among_the_slots():
    slots = [key_slot(tag.encode()) for tag in hash_tags()]
    assert [slot // 256 for slot in slots] == list(range(64))
    assert hash_tags()[:4] == ("10", "18", "113", "342")


def test_items_spread_evenly_over_the_shards(store):
    rng = random.Random(7)
    ids = [rng.getrandbits(63) for _ in range(3_000)]
    store.begin({id_: make_record(f"{id_:x}") for id_ in ids}, {id_: make_entry(f"{id_:x}", 1) for id_ in ids})
    sizes = [store.client.dbsize(target_nodes=node) for node in store.client.get_primaries()]
    assert len(sizes) == 3
    assert max(sizes) < 1.15 * min(sizes)


def test_parameters_of_the_url_are_those_of_each_connection(cluster_url, tmp_path):
    parameters = "client_name=vicinal&health_check_interval=30&socket_connect_timeout=2.5&socket_timeout=10"
    with MetadataStore(tmp_path.name, f"{cluster_url}?{parameters}") as store:
        for node in store.client.get_primaries():
            assert store.client.client_getname(target_nodes=node) == "vicinal"
        assert store.used_bytes() > 3_000_000


# --- what one server does in one step


def test_records_of_a_generation_that_was_replaced_are_not_read(store):
    index_item(store, "a", 1)
    new = store.of_generation(2, is_live=False)
    index_item(new, "a", 2)
    new.make_live()
    for read in (lambda: store.records([7]), lambda: store.ledger_entries([7]), lambda: list(store.iter_records())):
        with pytest.raises(GenerationReplacedError):
            read()
    assert read_counts(new) == (1, 2)
    store.of_generation(1, is_live=False).drop()
    assert read_counts(new) == (1, 2)
    new.of_generation(2).drop()
    assert not list(store.client.scan_iter(f"vicinal:*{store.name}*"))


def test_counts_that_are_set_are_those_that_are_read(store):
    for key in "abc":
        index_item(store, key, 2)
    assert read_counts(store) == (3, 6)
    store.set_state(items=7, rows=1, encoder="e")
    assert read_counts(store) == (7, 1)
    index_item(store, "d", 4)
    assert read_counts(store) == (8, 5)
    assert store.state()["encoder"] == "e"


# --- a solution


def test_a_solution_is_ingested_searched_reindexed_and_dropped(lite, cluster_url):
    solution = lite.solution(extra=f"stores: {{redis: '{cluster_url}'}}")
    lite.write([(f"k{number}", f"text {number}", 1) for number in range(300)])
    assert solution.ingest().new == 300
    assert solution.search("text 7", limit=1)[0].key == "k7"
    assert solution.check().consistent
    solution.remove(["k7"])
    assert solution.metadata.state()["items"] == 299
    assert solution.ingest().new == 1
    assert solution.reindex().rows == 300
    assert solution.search("text 7", limit=1)[0].key == "k7"
    status = solution.status()
    redis = status["stores"]["redis"]
    assert (status["items"], redis["location"]) == (300, cluster_url)
    assert redis["masters"] == sorted(cluster_url.removeprefix("redis+cluster://").split(","))
    solution.drop()
    assert not list(solution.metadata.client.scan_iter("vicinal:*things*"))


def test_a_solution_moves_to_a_cluster_by_export_and_import(lite, cluster_url, tmp_path):
    lite.write([(f"k{number}", f"text {number}", 1) for number in range(30)])
    old = lite.solution("old")
    new = lite.solution("new", extra=f"stores: {{redis: '{cluster_url}'}}")
    old.ingest()
    old.export(tmp_path / "old.parquet")
    new.import_(tmp_path / "old.parquet")
    assert new.check().consistent
    assert list(new.search("text 7", limit=3)) == list(old.search("text 7", limit=3))
    assert new.ingest().unchanged == 30
    new.drop()


@pytest.mark.long
@pytest.mark.parametrize("server", SERVERS, ids=name_of)
def test_an_ingest_and_searches_go_on_when_a_master_dies(lite, tmp_path, server):
    cluster = RunningCluster(tmp_path, server=server, replicas=1)
    try:
        lite.manager.register(Observer(cluster.nodes[1].kill), "observer")
        solution = lite.solution(
            encoder="{type: hashed, batch_size: 20, pause: 0.04}",
            extra=f"stores: {{redis: '{cluster.url}'}}\ningest: {{batch_size: 20}}",
        )
        solution.source = ListSource(make_items(800))
        report = solution.ingest()
        assert (report.new, report.failed) == (800, 0)
        solution.ingest()  # what the replica had not received when the master died
        assert solution.check().consistent
        assert solution.metadata.state()["items"] == 800
        assert solution.search("text 7", limit=1)[0].content == "text 7"
        solution.close()
    finally:
        cluster.end()


@pytest.mark.long
def test_an_ingest_and_searches_go_on_while_slots_move(lite, tmp_path):
    cluster = RunningCluster(tmp_path)
    names = KeyNames("things", is_cluster=True)
    slots = [key_slot(key.encode()) for key in (*map(names.counts, range(0, 20, 2)), names.prefix + "state")]
    owners = [min(slot // 5461, 2) for slot in slots]

    def move_slots():
        for slot, owner in zip(slots, owners, strict=True):
            cluster.move_slot(slot, owner, (owner + 1) % 3)

    mover = threading.Thread(target=move_slots)
    try:
        lite.manager.register(Observer(mover.start), "observer")
        solution = lite.solution(
            encoder="{type: hashed, batch_size: 20, pause: 0.04}",
            extra=f"stores: {{redis: '{cluster.url}'}}\ningest: {{batch_size: 20}}",
        )
        solution.source = ListSource(make_items(800))
        report = solution.ingest()
        mover.join()
        for slot, owner in zip(slots, owners, strict=True):
            assert cluster.nodes[(owner + 1) % 3].call("CLUSTER COUNTKEYSINSLOT", slot) > 0
        assert (report.new, report.failed) == (800, 0)
        assert_consistent(solution, 800)
        assert solution.search("text 7", limit=1)[0].content == "text 7"
        solution.close()
    finally:
        cluster.end()


# --- errors


def test_a_single_redis_is_no_cluster(redis_url):
    host = redis_url.removeprefix("redis://").removesuffix("/0")
    with pytest.raises(StoreError, match=f"{host} is no Redis Cluster") as error:
        MetadataStore("things", f"redis+cluster://{host}")
    assert error.value.hint == "write redis:// in place of redis+cluster:// where it is a single Redis"
    assert not isinstance(error.value, StoreUnreachableError)


def test_a_cluster_that_does_not_respond_is_unreachable():
    host = f"127.0.0.1:{free_port()}"
    with pytest.raises(StoreUnreachableError, match=f"…@{host} does not respond") as error:
        MetadataStore("things", f"redis+cluster://:hunter2@{host}")
    assert "hunter2" not in str(error.value)


def test_a_wrong_password_is_refused(tmp_path):
    cluster = RunningCluster(tmp_path)
    try:
        for node in cluster.nodes:
            node.call("CONFIG", "SET", "requirepass", "hunter2")
        with MetadataStore("things", cluster.url.replace("//", "//:hunter2@")) as store:
            index_item(store, "a", 1)
            assert read_counts(store) == (1, 1)
        for url in (cluster.url, cluster.url.replace("//", "//:hunter3@")):
            with pytest.raises(StoreError, match="refused: ") as error:
                MetadataStore("things", url)
            assert not isinstance(error.value, StoreUnreachableError)
            assert "hunter" not in str(error.value)
    finally:
        cluster.end()
