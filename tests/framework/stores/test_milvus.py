"""The vectors of a solution on both engines: what is stored, searched and refused."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

from milvus_helpers import BITS, FLOATS, index_for, items, rows_of, serve, vectors_of
from servers import free_port
from vicinal.config.models import parse_field
from vicinal.errors import FilterError, StoreBusyError, StoreError, StoreUnreachableError
from vicinal.stores.layout import split_by_bytes
from vicinal.stores.milvus import Schema, VectorStore
from vicinal.types import Space

MIB = 1024 * 1024

# --- a collection's life


def test_a_collection_from_its_creation_to_its_drop(opened):
    store = opened()
    physical = f"{store.alias}_v1"
    assert not store.exists()
    store.create(physical)
    assert store.exists()
    assert store.index_in_use() == {}

    vectors = vectors_of(200)
    store.upsert(rows_of(store, vectors))
    flat = index_for(store, type="FLAT")
    store.flush()
    serve(store, flat)
    assert store.index_in_use()["index_type"] == "FLAT"
    assert store.count() == 200
    (found,) = store.search([vectors[7]], flat, 3, rows=200)
    assert (len(found), found[0].item, found[0].segment) == (3, "k7", 0)
    assert found[0].distance == pytest.approx(1, abs=1e-6)

    store.upsert(rows_of(store, -vectors[:50]))  # the same ids: they replace
    assert store.count() == 200
    assert items(store.search([-vectors[7]], flat, 1, rows=200)[0]) == ["k7"]
    assert items(store.search([vectors[7]], flat, 1, rows=200)[0]) != ["k7"]
    store.delete([*range(50), 10_000])
    store.delete([])
    assert store.count() == 150
    assert sorted(row["id"] for batch in store.iter_rows(["id"], batch=60) for row in batch) == list(range(50, 200))
    assert [row["id"] for row in store.fetch_rows([7, 60])] == [60]
    assert np.allclose(store.fetch_vectors([60])[60], vectors[60])
    assert store.fetch_rows([]) == []

    graph = index_for(store, type="HNSW", metric="L2", params={"M": 8, "efConstruction": 64})
    serve(store, graph)
    assert {store.index_in_use()[name] for name in ("index_type", "metric_type")} == {"HNSW", "L2"}
    (found,) = store.search([vectors[60]], graph, 100, rows=150)
    assert (len(found), found[0].item, found[0].distance) == (100, "k60", pytest.approx(0, abs=1e-6))

    store.drop()
    assert not store.exists()
    assert not store._client.has_collection(physical)
    store.drop()
    store.create(physical)
    assert store.index_in_use() == {}


def test_a_collection_that_was_created_and_got_no_alias_is_taken_over(opened):
    store = opened()
    physical = f"{store.alias}_v1"
    store._client.create_collection(physical, schema=store._layout.described(store._client))
    assert not store.exists()
    store.create(physical)
    assert store.exists()
    store._client.drop_alias(store.alias)
    store.drop_physical(physical)
    store.drop_physical(physical)
    assert not store._client.has_collection(physical)


def test_a_collection_may_come_back_with_another_schema(opened):
    """Milvus' client remembers schemas by name, for all of a process."""
    store = opened(BITS)
    store.create(f"{store.alias}_v1")
    store.upsert(rows_of(store, np.ones((3, 32), np.uint8)))
    store.drop()
    store.schema = Schema(FLOATS, False, {})
    store.create(f"{store.alias}_v1")
    store.upsert(rows_of(store, vectors_of(3)))


def test_declared_fields_and_times_are_columns(opened):
    specs = {
        "year": "int64",
        "label": "varchar(16)",
        "score": "double",
        "ratio": "float",
        "small": "int32",
        "ok": "bool",
    }
    fields = {name: parse_field(text) for name, text in specs.items()}
    store = opened(segmented=True, fields=fields)
    store.create(f"{store.alias}_v1")
    vectors = vectors_of(4)
    values = {"label": "ähm", "score": 0.1, "ratio": 0.5, "small": -3, "ok": True, "start": 1.5, "end": 2.5}
    rows = [{**row, **values, "year": 2000 + row["id"]} for row in rows_of(store, vectors)]
    store.upsert(rows)
    index = index_for(store)
    store.build(index)
    store.load(again=True)
    filter = (
        "year >= 2002 and label == 'ähm' and score > 0 and ratio == 0.5 and small < 0 and ok == true and segment == 0"
    )
    (found,) = store.search([vectors[0]], index, 10, filter, rows=4)
    assert sorted(items(found)) == ["k2", "k3"]
    assert {(candidate.start, candidate.end) for candidate in found} == {(1.5, 2.5)}
    assert store.fetch_rows([3])[0]["start"] == 1.5

    for wrong in ("year >", "yeer == 1", "label > 3", "year", "nonsense(year)", "year in [1", "'open"):
        with pytest.raises(FilterError) as error:
            store.search([vectors[0]], index, 1, wrong, rows=4)
        assert str(error.value).startswith(f"filter {wrong!r}: ")
        assert "\n" not in str(error.value)
        assert "item, segment, year, label, score, ratio, small, ok" in error.value.hint


# --- large batches


def test_more_than_milvus_takes_in_one_message_goes_through(opened):
    store = opened(Space(8192), fields={"note": parse_field("varchar(60000)")})
    store.create(f"{store.alias}_v1")
    wide = np.zeros((780, 8192), np.float32)
    wide[:, :16] = vectors_of(len(wide))
    rows = rows_of(store, wide, note="ü" * 28_000)
    assert sum(8192 * 4 + len(row["note"].encode()) for row in rows) > 64 * MIB
    store.upsert(rows)
    serve(store, index_for(store, type="FLAT"))
    assert store.count() == len(wide)
    assert np.array_equal(store.fetch_vectors([779])[779], wide[779])


def test_rows_are_cut_at_16_mib_and_none_is_lost():
    sizes = [1, 15 * MIB, MIB - 1, 1, 40 * MIB, 5]
    parts = list(split_by_bytes([{"size": size} for size in sizes], lambda row: row["size"]))
    assert [[row["size"] for row in part] for part in parts] == [[1, 15 * MIB, MIB - 1], [1], [40 * MIB], [5]]
    assert list(split_by_bytes([], len)) == []


def test_queries_are_cut_so_that_a_scan_stays_in_memory(opened):
    store = opened(Space(256, metric="L2"))
    store.create(f"{store.alias}_v1")
    flat = index_for(store)

    def at_once(limit, rows, **config):
        return store._queries_at_once(index_for(store, **config), limit, rows)

    assert (at_once(16_384, 1), at_once(1_024, 1), at_once(1, 1)) == (8, 128, 1_000)  # 32 MiB for the answers
    if store.embedded:  # 256 MiB for queries x rows, and for L2 x 256 floats
        assert (at_once(10, 1), at_once(10, 1_000), at_once(10, 8_000), at_once(10, 10**9)) == (1_000, 262, 32, 1)
        assert (at_once(10, 8_000, metric="IP"), at_once(10, 80_000, metric="COSINE")) == (1_000, 838)
    else:
        assert at_once(10, 10**9) == 1_000

    vectors = vectors_of(4_000, 256)
    store.upsert(rows_of(store, vectors))
    store.build(flat)
    store.load()
    assert store.count() == 4_000
    queries = vectors_of(500, 256, seed=1)
    with PeakMemory() as peak:
        found = store.search(list(queries), flat, 5, rows=4_000)
    distances = (vectors**2).sum(axis=1) - 2 * queries @ vectors.T
    expected = np.argsort(distances, axis=1)[:, :5]
    assert [items(candidates) for candidates in found] == [[f"k{number}" for number in row] for row in expected]
    assert peak.bytes < 768 * MIB  # uncut, the embedded engine would ask for 500 x 4,000 x 256 floats: 2 GB, twice


def test_queries_are_cut_so_that_a_call_ends_long_before_its_time(tmp_path):
    with VectorStore("bits", str(tmp_path / "milvus.db"), Schema(BITS, False, {})) as store:
        index = index_for(store)
        cuts = [store._queries_at_once(index, 10, rows) for rows in (1, 500, 5_000, 10**6)]
        assert cuts == [1_000, 1_000, 100, 1]


class PeakMemory:
    """How much this process grew while a block ran, sampled."""

    def __enter__(self):
        self.bytes, self._ended = 0, threading.Event()
        process = psutil.Process()
        before = process.memory_info().rss

        def sample():
            while not self._ended.wait(0.005):
                self.bytes = max(self.bytes, process.memory_info().rss - before)

        self._thread = threading.Thread(target=sample)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()


# --- who is there


def test_a_second_process_on_an_embedded_file_is_told_who_holds_it(tmp_path):
    path = tmp_path / "milvus.db"
    script = (
        "import sys\nfrom vicinal.types import Space\nfrom vicinal.stores.milvus import *\n"
        f"with VectorStore('a', {str(path)!r}, Schema(Space(4), False, {{}})):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(StoreBusyError, match=rf"{path} is in use by process {holder.pid} on .*python") as error:
        VectorStore("a", str(path), Schema(FLOATS, False, {}))
    assert "set MILVUS_URI to a server" in error.value.hint
    holder.kill()
    holder.communicate()
    with VectorStore("a", str(path), Schema(FLOATS, False, {})) as store:
        assert not store.exists()
        with pytest.raises(StoreBusyError):
            VectorStore("a", str(path), Schema(FLOATS, False, {}))
    VectorStore("a", str(path), Schema(FLOATS, False, {})).close()


def test_a_port_where_nobody_listens_is_told_at_once():
    port = free_port()
    started = time.monotonic()
    with pytest.raises(
        StoreUnreachableError, match=f"Milvus at 127.0.0.1:{port} does not answer: Connection refused"
    ) as error:
        VectorStore("a", f"http://127.0.0.1:{port}", Schema(FLOATS, False, {}))
    assert time.monotonic() - started < 5
    assert error.value.hint.startswith("start it, or set MILVUS_URI")


def test_a_port_where_something_else_listens_is_told_too():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        started = time.monotonic()
        with pytest.raises(StoreUnreachableError, match="does not answer"):
            VectorStore("a", f"http://127.0.0.1:{mute.getsockname()[1]}", Schema(FLOATS, False, {}), timeout=1)
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("uri", ["redis://127.0.0.1:6379", "http://", "ftp://127.0.0.1"])
def test_what_is_no_uri_of_a_milvus_is_told(uri):
    with pytest.raises(StoreUnreachableError, match=f"not the URI of a Milvus: {uri}"):
        VectorStore("a", uri, Schema(FLOATS, False, {}))


def test_what_milvus_refuses_is_an_error_of_the_store(opened):
    store = opened()
    store.create(f"{store.alias}_v1")
    with pytest.raises(StoreError, match="Milvus at ") as error:
        store.upsert([{"id": 1, "item": "k", "segment": 0, "vector": [1.0, 2.0]}])
    assert error.value.hint == "`vicinal doctor` looks at both stores"
