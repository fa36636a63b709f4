"""What Redis stores of a solution: ledger, records, failures and state."""

from __future__ import annotations

import random
from urllib.parse import urlsplit

import pytest
from redis.cluster import RedisCluster

from proxy import Proxy
from redis_helpers import (
    FINGERPRINT,
    begin_item,
    commit_item,
    index_item,
    make_entry,
    make_record,
    merge_parts,
    read_counts,
)
from servers import wait_until
from vicinal.stores import buckets
from vicinal.stores.records import Entry
from vicinal.stores.redis import MetadataStore
from vicinal.types import Failure, item_id


@pytest.fixture
def store(any_redis_url, tmp_path):
    with MetadataStore(tmp_path.name, any_redis_url) as store:
        yield store
        store.drop()


# --- one batch, from begin to commit


def test_an_item_is_in_the_ledger_once_it_is_committed(store):
    id_ = item_id("k")
    assert (store.ledger_entries([id_]), store.records([id_])) == ([None], [None])
    begin_item(store, "k", 3)
    assert store.ledger_entries([id_]) == [Entry(Entry.checksum("k"), bytes(12), 3, 0)]
    assert not store.ledger_entries([id_])[0].is_committed
    assert store.records([id_, item_id("other")]) == [make_record("k"), None]
    assert read_counts(store) == (0, 0)
    commit_item(store, "k", 3)
    assert store.ledger_entries([id_]) == [make_entry("k", 3)]
    assert store.ledger_entries([id_])[0].is_committed
    assert read_counts(store) == (1, 3)


def test_counts_are_exact_after_a_crash_between_begin_and_commit_and_a_repeat(store):
    begin_item(store, "new", 2)  # crash
    begin_item(store, "new", 2)  # crash again
    index_item(store, "new", 2)
    assert read_counts(store) == (1, 2)
    begin_item(store, "new", 1)  # an update to one segment, and a crash: Milvus may hold two rows or one
    assert store.ledger_entries([item_id("new")]) == [Entry(Entry.checksum("new"), bytes(12), 2, 2)]
    assert read_counts(store) == (1, 2)
    index_item(store, "new", 1)
    assert read_counts(store) == (1, 1)
    index_item(store, "new", 4)
    assert read_counts(store) == (1, 4)


def test_a_commit_whose_response_is_lost_counts_once(redis_url, tmp_path):
    with (
        MetadataStore(tmp_path.name, redis_url) as store,
        Proxy(urlsplit(redis_url).port) as proxy,
        MetadataStore(store.name, f"redis://127.0.0.1:{proxy.port}/0") as far,
    ):
        begin_item(far, "k", 2)
        proxy.drop_response_to(FINGERPRINT)
        commit_item(far, "k", 2)  # the client sends it again by itself
        assert read_counts(store) == (1, 2)
        proxy.drop_response_to(item_id("k").to_bytes(8, "big"))
        far.delete([item_id("k")])
        assert read_counts(store) == (0, 0)
        store.drop()


def test_delete_removes_an_item_from_ledger_metadata_and_counts(store):
    for key, segments in (("a", 1), ("b", 2), ("c", 3)):
        index_item(store, key, segments)
    begin_item(store, "d", 5)
    store.delete([item_id("b"), item_id("d"), item_id("never there")])
    assert store.ledger_entries([item_id(key) for key in "abcd"]) == [
        make_entry("a", 1),
        None,
        make_entry("c", 3),
        None,
    ]
    assert store.records([item_id("b")]) == [None]
    assert read_counts(store) == (2, 4)


def test_mark_pending_keeps_the_count_of_an_item_that_is_indexed_again(store):
    index_item(store, "a", 2)
    store.mark_pending({item_id("a"): make_entry("a", 2)})
    assert store.ledger_entries([item_id("a")]) == [Entry(Entry.checksum("a"), bytes(12), 2, 2)]
    index_item(store, "a", 2)
    assert read_counts(store) == (1, 2)


def test_every_entry_and_record_is_listed_once(store):
    keys = [f"k{number}" for number in range(300)]
    store.begin({item_id(key): make_record(key, n=1) for key in keys}, {})
    store.commit({item_id(key): make_entry(key, 1) for key in keys})
    assert read_counts(store) == (300, 300)
    ledger, metadata = merge_parts(store.iter_ledger()), merge_parts(store.iter_records())
    assert len(ledger) == len(metadata) == 300
    assert ledger == {item_id(key): make_entry(key, 1) for key in keys}
    assert metadata == {item_id(key): make_record(key, n=1) for key in keys}
    store.drop_metadata([item_id("k0")])
    assert store.records([item_id("k0"), item_id("k1")]) == [None, make_record("k1", n=1)]


def test_a_name_with_glob_characters_reads_and_drops_its_own_keys_only(any_redis_url):
    for name, other in (("a*", "ab"), ("[ab]", "a"), ("a?", "ax"), ("back\\slash", "backslash")):
        with MetadataStore(name, any_redis_url) as mine, MetadataStore(other, any_redis_url) as theirs:
            index_item(mine, "mine", 1)
            index_item(theirs, "theirs", 1)
            assert [found.key for found in merge_parts(mine.iter_records()).values()] == ["mine"]
            mine.drop()
            assert (merge_parts(mine.iter_ledger()), merge_parts(mine.iter_records()), mine.state()) == ({}, {}, {})
            assert [found.key for found in merge_parts(theirs.iter_records()).values()] == ["theirs"]
            theirs.drop()


# --- buckets


@pytest.fixture(params=["small", "large"])
def shared_redis(request, store, monkeypatch):
    """A Redis with few keys of others, and one that counts as large, in which SCAN would take too long."""
    for number in range(100):
        store.client.set(f"other:{number}", number)
    if request.param == "large":
        monkeypatch.setattr(buckets, "_MAX_KEYS_TO_SCAN", 100)
    yield store.client
    store.client.delete(*(f"other:{number}" for number in range(100)))


def count_scans(client):
    """How often the server, or those of the cluster, were asked to SCAN."""
    shards = client.get_primaries() if isinstance(client, RedisCluster) else [None]
    infos = [client.info("commandstats", **({"target_nodes": shard} if shard else {})) for shard in shards]
    return sum(info.get("cmdstat_scan", {"calls": 0})["calls"] for info in infos)


def test_a_solution_is_listed_and_dropped_whatever_else_redis_holds(store, shared_redis):
    keys = [f"k{number}" for number in range(300)]
    store.begin({item_id(key): make_record(key) for key in keys}, {})
    store.commit({item_id(key): make_entry(key, 1) for key in keys[:200]})
    scans = count_scans(shared_redis)
    assert merge_parts(store.iter_ledger()) == {item_id(key): make_entry(key, 1) for key in keys[:200]}
    assert merge_parts(store.iter_records()) == {item_id(key): make_record(key) for key in keys}
    pairs = list(store.iter_ledger_and_records())
    assert merge_parts(entries for entries, _ in pairs).keys() == {item_id(key) for key in keys[:200]}
    assert merge_parts(records for _, records in pairs).keys() == {item_id(key) for key in keys}
    assert all(entries.keys() <= records.keys() for entries, records in pairs)
    store.drop()
    if buckets._MAX_KEYS_TO_SCAN == 100:
        assert count_scans(shared_redis) == scans
    assert not list(shared_redis.scan_iter(f"vicinal:*{store.name}*"))
    assert shared_redis.get("other:99") == b"99"


@pytest.mark.long_on_cluster
def test_pages_have_all_records_in_the_order_of_their_ids(store, shared_redis):
    keys = [f"k{number}" for number in range(300)]
    store.begin({item_id(key): make_record(key) for key in keys}, {})
    for limit, max_read in ((7, 20_000), (50, 20_000), (50, 10), (1000, 20_000)):
        paged, after = [], -1
        while after is not None:
            records, after = store.list_records(limit, after, max_read=max_read)
            assert len(records) <= limit
            paged += [record.key for record in records]
        assert paged == sorted(keys, key=item_id)


def test_parts_stay_small_where_buckets_are_full(store):
    """Four buckets as full as those of fifty million items, the others as those of a few thousand."""
    rng = random.Random(7)
    ids = [bucket << 47 | rng.getrandbits(47) for bucket in range(1000, 1004) for _ in range(800)]
    ids += [rng.getrandbits(63) for _ in range(3_000)]
    store.begin({id_: make_record(f"{id_:x}") for id_ in ids}, {})
    parts = list(store.iter_records())
    assert merge_parts(parts).keys() == set(ids)
    assert max(map(len, parts)) <= 4 * 800 + 2_000


# --- failures and state


def test_the_newest_failure_of_each_key_is_kept(store):
    old = Failure("ключ 1", "read", "old", "u", "2024-01-01T00:00:00+00:00")
    new = Failure("ключ 1", "decode", "new", "", "2024-01-02T00:00:00+00:00")
    other = Failure("b", "encode", "x")
    store.add_failures([old, other])
    store.add_failures([new])
    assert sorted(store.iter_failures(), key=lambda failure: failure.key) == [other, new]
    assert store.count_failures() == 2
    store.clear_failures(["b", "never there"])
    store.clear_failures([])
    assert list(store.iter_failures()) == [new]


def test_a_commit_clears_the_failures_that_it_names(store):
    store.add_failures([Failure("a", "read", "x"), Failure("b", "read", "x")])
    store.commit({item_id("a"): make_entry("a", 1)}, cleared=["a"])
    assert [failure.key for failure in store.iter_failures()] == ["b"]


def test_failures_are_paged_in_the_order_of_their_keys(store):
    keys = sorted(["b", "a", "ä", "z/1", "Z", "ключ", "\U0001f600", *(f"n{n:03d}" for n in range(50))])
    assert store.list_failures(5) == ([], None, 0)
    store.add_failures([Failure(key, "read", "x", at="then") for key in reversed(keys)])
    found, after, pages = [], "", 0
    while after is not None:
        page, after, total = store.list_failures(5, after)
        assert total == len(keys)
        found += page
        pages += 1
    assert found == [Failure(key, "read", "x", at="then") for key in keys]
    assert pages == 12
    store.clear_failures(["a"])
    store.commit({item_id("b"): make_entry("b", 1)}, cleared=["b", "never there"])
    page, _, total = store.list_failures(3)
    assert ([failure.key for failure in page], total) == (sorted(set(keys) - {"a", "b"})[:3], len(keys) - 2)
    assert store.list_failures(5, "\U0001f600") == ([], None, total)


def test_failures_of_a_version_without_the_sorted_set_are_paged(store):
    store.add_failures([Failure(key, "read", "x") for key in "cab"])
    store.client.delete(store.names.prefix + "failed")
    page, after, total = store.list_failures(2)
    assert ([failure.key for failure in page], after, total) == (["a", "b"], "b", 3)


def test_state_stores_json_values(store):
    assert store.state() == {}
    store.set_state(physical="p", index={"type": "FLAT"}, items=3, rows=4)
    store.set_state(physical="q")
    assert store.state() == {"physical": "q", "index": {"type": "FLAT"}, "items": 3, "rows": 4}


def test_each_change_of_items_raises_the_revision(store):
    index_item(store, "a", 1)
    first = store.state()["revision"]
    index_item(store, "a", 1)
    second = store.state()["revision"]
    store.delete([item_id("a")])
    assert first < second < store.state()["revision"]


def test_drop_leaves_only_the_writer_lock(store):
    index_item(store, "a", 1)
    store.add_failures([Failure("b", "read", "x")])
    lock = store.names.of_solution("writer")
    store.client.set(lock, "me")
    store.drop()
    assert list(store.client.scan_iter(f"vicinal:*{store.name}*")) == [lock.encode()]
    store.client.delete(lock)


# --- memory


def test_metadata_costs_at_most_half_more_than_its_own_bytes(tmp_path):
    """Twenty thousand items stand as close as those of a million do: 15 to a bucket, in a fiftieth of the buckets."""
    rng = random.Random(7)
    own = 0
    with MetadataStore("dense", str(tmp_path / "redis")) as store:
        empty = store.used_bytes()
        for bucket in range(1333):
            ids = [bucket << 47 | rng.getrandbits(47) for _ in range(15)]
            records = {id_: make_record(f"{id_:x}", label="a", note="x" * 110) for id_ in ids}
            entries = {id_: make_entry(records[id_].key, 1, rng.randbytes(12)) for id_ in ids}
            store.begin(records, {id_: it.as_pending(None) for id_, it in entries.items()})
            store.commit(entries)
            own += sum(len(it.pack()) for it in records.values())
        assert read_counts(store) == (19_995, 19_995)
        assert 190 < own / 19_995 < 210
        wait_until(lambda: store.client.info("persistence")["aof_buffer_length"] == 0)
        assert store.used_bytes() - empty <= 1.5 * own  # the ledger included
