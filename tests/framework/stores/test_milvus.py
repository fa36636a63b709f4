"""The vectors of a solution on both engines: what is stored, searched and rejected."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest
from pymilvus import MilvusException

from milvus_helpers import BITS, FLOATS, build_and_load, choose_index_for, item_keys, make_rows, make_vectors
from servers import free_port
from vicinal.config.models import parse_field
from vicinal.errors import FilterError, StoreBusyError, StoreError, StoreUnreachableError
from vicinal.stores.layout import split_by_bytes
from vicinal.stores.milvus import Schema, VectorStore
from vicinal.stores.milvus_errors import wrap_errors
from vicinal.stores.milvus_lite_lock import LockHolder, MilvusLiteLock
from vicinal.types import Space

MIB = 1024 * 1024

# --- a collection's life


def test_a_collection_from_its_creation_to_its_drop(opened):
    store = opened()
    physical = f"{store.alias}_v1"
    assert not store.has_collection()
    store.create_collection(physical)
    assert store.has_collection()
    assert store.describe_index() == {}

    vectors = make_vectors(200)
    store.upsert_rows(make_rows(store, vectors))
    flat = choose_index_for(store, type="FLAT")
    store.flush()
    build_and_load(store, flat)
    assert store.describe_index()["index_type"] == "FLAT"
    assert store.count_rows() == 200
    (found,) = store.search([vectors[7]], flat, 3, rows=200)
    assert (len(found), found[0].item, found[0].segment) == (3, "k7", 0)
    assert found[0].distance == pytest.approx(1, abs=1e-6)

    store.upsert_rows(make_rows(store, -vectors[:50]))  # the same ids: they replace
    assert store.count_rows() == 200
    assert item_keys(store.search([-vectors[7]], flat, 1, rows=200)[0]) == ["k7"]
    assert item_keys(store.search([vectors[7]], flat, 1, rows=200)[0]) != ["k7"]
    store.delete_rows([*range(50), 10_000])
    store.delete_rows([])
    assert store.count_rows() == 150
    assert sorted(row["id"] for batch in store.iter_rows(["id"], batch_size=60) for row in batch) == list(
        range(50, 200)
    )
    assert [row["id"] for row in store.fetch_rows([7, 60])] == [60]
    assert np.allclose(store.fetch_vectors([60])[60], vectors[60])
    assert store.fetch_rows([]) == []

    graph = choose_index_for(store, type="HNSW", metric="L2", params={"M": 8, "efConstruction": 64})
    build_and_load(store, graph)
    assert {store.describe_index()[name] for name in ("index_type", "metric_type")} == {"HNSW", "L2"}
    (found,) = store.search([vectors[60]], graph, 100, rows=150)
    assert (len(found), found[0].item, found[0].distance) == (100, "k60", pytest.approx(0, abs=1e-6))

    store.drop_collection()
    assert not store.has_collection()
    assert not store._client.has_collection(physical)
    store.drop_collection()
    store.create_collection(physical)
    assert store.describe_index() == {}


def test_collection_without_its_alias_is_adopted(opened):
    store = opened()
    physical = f"{store.alias}_v1"
    store._client.create_collection(physical, schema=store._row_format.to_milvus_schema(store._client))
    assert not store.has_collection()
    store.create_collection(physical)
    assert store.has_collection()
    store._client.drop_alias(store.alias)
    store.drop_physical_collection(physical)
    store.drop_physical_collection(physical)
    assert not store._client.has_collection(physical)


def test_a_collection_may_come_back_with_another_schema(opened):
    """Milvus' client remembers schemas by name, for all of a process."""
    store = opened(BITS)
    store.create_collection(f"{store.alias}_v1")
    store.upsert_rows(make_rows(store, np.ones((3, 32), np.uint8)))
    store.drop_collection()
    store.schema = Schema(FLOATS, False, {})
    store.create_collection(f"{store.alias}_v1")
    store.upsert_rows(make_rows(store, make_vectors(3)))


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
    store.create_collection(f"{store.alias}_v1")
    vectors = make_vectors(4)
    values = {"label": "ähm", "score": 0.1, "ratio": 0.5, "small": -3, "ok": True, "start": 1.5, "end": 2.5}
    rows = [{**row, **values, "year": 2000 + row["id"]} for row in make_rows(store, vectors)]
    store.upsert_rows(rows)
    index = choose_index_for(store)
    store.build_index(index)
    store.load_collection(reload=True)
    filter = (
        "year >= 2002 and label == 'ähm' and score > 0 and ratio == 0.5 and small < 0 and ok == true and segment == 0"
    )
    (found,) = store.search([vectors[0]], index, 10, filter, rows=4)
    assert sorted(item_keys(found)) == ["k2", "k3"]

    def items_of(filter):
        return sorted(item_keys(store.search([vectors[0]], index, 10, filter, rows=4)[0]))

    assert items_of("item == 'k1' or item in ['k2'] and segment == 0") == ["k1", "k2"]
    assert items_of("year / 2 == 1001 and year * 2 == 4004 and small == -3") == ["k2"]
    assert {(candidate.start, candidate.end) for candidate in found} == {(1.5, 2.5)}
    assert store.fetch_rows([3])[0]["start"] == 1.5

    for wrong in (
        *("year >", "year=1", "year in [1", "'open", "year", "nonsense(year)", "label > 3", "year == 'x'"),
        *("yeer == 1", "id == 1", "vector == 1", "ones == 1", "$meta['x'] == 1", "(id) == 1", "1 == id"),
        *("year == 9223372036854775808", "year == 99999999999999999999", "score < 1e999", "year / 0 == 1"),
        *([] if store.embedded else [" or ".join(["year == 1"] * 500)]),
        "(" * 3_000 + "year == 1" + ")" * 3_000,
    ):
        with pytest.raises(FilterError) as error:
            store.search([vectors[0]], index, 1, wrong, rows=4)
        assert str(error.value).startswith(f"filter {wrong!r}: ")
        assert "\n" not in str(error.value)
        assert store._location not in str(error.value)
        assert "item, segment, year, label, score, ratio, small, ok" in error.value.hint
    assert items_of("year in [9223372036854775807, 2001]") == ["k1"]
    assert items_of(" ") == ["k0", "k1", "k2", "k3"]


INTERNAL = ["id", "item", "segment", "start", "end", "vector", "ones", "text", "text_sparse", "vicinal_text"]
SYSTEM = ["RowID", "Timestamp", "_seq", "_partition"]


def test_fields_called_as_internal_columns_are_filtered_by(opened):
    names = [*INTERNAL, *SYSTEM, "year"]
    store = opened(segmented=True, fields={name: parse_field("int64") for name in names})
    store.create_collection(f"{store.alias}_v1")
    vectors = make_vectors(4)
    values = [{name: 100 * number + place for place, name in enumerate(names)} for number in range(4)]
    rows = zip(make_rows(store, vectors, start=1.5, end=2.5), values, strict=True)
    store.upsert_rows([{**row, **store.field_columns(fields)} for row, fields in rows])
    build_and_load(store, index := choose_index_for(store))
    for name in names:
        (found,) = store.search([vectors[0]], index, 4, f"{name} == {values[2][name]}", rows=4)
        assert [(candidate.item, candidate.segment, candidate.start) for candidate in found] == [("k2", 0, 1.5)], name


def test_an_error_that_is_not_the_filters_is_a_store_error(opened):
    store = opened(fields={"year": parse_field("int64")})
    store.create_collection(f"{store.alias}_v1")
    store.upsert_rows(make_rows(store, make_vectors(4), year=1))
    build_and_load(store, index := choose_index_for(store))
    with pytest.raises(StoreError, match="Milvus at "):  # not the dimension of its vectors
        store.search([[1.0, 2.0]], index, 1, "year == 1", rows=4)


@pytest.mark.parametrize(
    "message",
    ["cannot find channel", "auth token expired", "field data is corrupt", "failed to parse the channel's position"],
)
def test_a_message_of_milvus_own_trouble_does_not_blame_the_filter(message):
    with pytest.raises(StoreError, match=message), wrap_errors("http://milvus", "year == 1", ["year"]):
        raise MilvusException(65535, message)


# --- large batches


def test_rows_beyond_the_message_limit_are_written(opened):
    store = opened(Space(8192), fields={"note": parse_field("varchar(60000)")})
    store.create_collection(f"{store.alias}_v1")
    wide = np.zeros((780, 8192), np.float32)
    wide[:, :16] = make_vectors(len(wide))
    rows = make_rows(store, wide, note="ü" * 28_000)
    assert sum(8192 * 4 + len(row["note"].encode()) for row in rows) > 64 * MIB
    store.upsert_rows(rows)
    build_and_load(store, choose_index_for(store, type="FLAT"))
    assert store.count_rows() == len(wide)
    assert np.array_equal(store.fetch_vectors([779])[779], wide[779])


def test_rows_are_split_at_16_mib_and_none_is_lost():
    sizes = [1, 15 * MIB, MIB - 1, 1, 40 * MIB, 5]
    parts = list(split_by_bytes([{"size": size} for size in sizes], lambda row: row["size"]))
    assert [[row["size"] for row in part] for part in parts] == [[1, 15 * MIB, MIB - 1], [1], [40 * MIB], [5]]
    assert list(split_by_bytes([], len)) == []


def test_queries_are_split_so_that_a_scan_stays_in_memory(opened):
    store = opened(Space(256, metric="L2"))
    store.create_collection(f"{store.alias}_v1")
    flat = choose_index_for(store)

    def at_once(limit, rows, **config):
        return store._max_queries_per_call(choose_index_for(store, **config), limit, rows)

    assert (at_once(16_384, 1), at_once(1_024, 1), at_once(1, 1)) == (8, 128, 1_000)  # 32 MiB of results
    if store.embedded:  # 256 MiB for queries x rows of a segment, and 5,000,000,000 floats of all rows
        assert (at_once(10, 1), at_once(10, 19_000), at_once(10, 10**9)) == (1_000, 1_000, 1)
        assert (at_once(10, 80_000), at_once(10, 80_000, metric="COSINE")) == (244, 244)
    else:
        assert at_once(10, 10**9) == 1_000

    vectors = make_vectors(4_000, 256)
    store.upsert_rows(make_rows(store, vectors))
    store.build_index(flat)
    store.load_collection()
    assert store.count_rows() == 4_000
    queries = make_vectors(500, 256, seed=1)
    with PeakMemory() as peak:
        found = store.search(list(queries), flat, 5, rows=4_000)
    distances = (vectors**2).sum(axis=1) - 2 * queries @ vectors.T
    expected = np.argsort(distances, axis=1)[:, :5]
    assert [item_keys(candidates) for candidates in found] == [[f"k{number}" for number in row] for row in expected]
    assert peak.bytes < 64 * MIB, "the differences of all queries and rows are 500 x 4,000 x 256 floats: 2 GB"


def test_queries_are_split_so_that_a_call_ends_long_before_its_timeout(tmp_path):
    with VectorStore("bits", str(tmp_path / "milvus.db"), Schema(BITS, False, {})) as store:
        index = choose_index_for(store)
        cuts = [store._max_queries_per_call(index, 10, rows) for rows in (1, 500, 5_000, 10**6)]
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


# --- reaching Milvus


def test_error_of_a_second_process_names_the_holder_of_an_embedded_file(tmp_path):
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
        assert not store.has_collection()
        with pytest.raises(StoreBusyError):
            VectorStore("a", str(path), Schema(FLOATS, False, {}))
    VectorStore("a", str(path), Schema(FLOATS, False, {})).close()


def test_a_server_is_found_by_the_lock_that_it_holds(tmp_path):
    path = tmp_path / "milvus.db"
    lock_file = tmp_path / "milvus.db.holder"
    held = MilvusLiteLock(path)
    assert LockHolder.find_server(path) is None
    held.publish_address("http://127.0.0.1:8000")
    assert LockHolder.find_server(path).url == "http://127.0.0.1:8000"
    with pytest.raises(StoreBusyError, match=f"in use by process {os.getpid()} on") as error:
        MilvusLiteLock(path)
    assert error.value.hint.startswith("stop that server (http://127.0.0.1:8000) first")
    published = lock_file.read_text()
    lock_file.write_text(published.replace(socket.gethostname(), "another-machine"))
    assert LockHolder.find_server(path) is None
    held.close()
    assert lock_file.read_text() == ""
    lock_file.write_text(published)  # as a killed process leaves it
    assert LockHolder.find_server(path) is None
    lock_file.write_text("process 7 on elsewhere, as an older version wrote")
    assert LockHolder.find_server(path) is None
    MilvusLiteLock(path).close()


def test_unreachable_server_is_reported_at_once():
    port = free_port()
    started = time.monotonic()
    with pytest.raises(
        StoreUnreachableError, match=f"Milvus at 127.0.0.1:{port} does not respond: Connection refused"
    ) as error:
        VectorStore("a", f"http://127.0.0.1:{port}", Schema(FLOATS, False, {}))
    assert time.monotonic() - started < 5
    assert error.value.hint.startswith("start it, or set MILVUS_URI")


def test_port_of_another_service_is_reported_as_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        started = time.monotonic()
        with pytest.raises(StoreUnreachableError, match="does not respond"):
            VectorStore("a", f"http://127.0.0.1:{mute.getsockname()[1]}", Schema(FLOATS, False, {}), timeout=1)
        assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "location",
    ["redis://127.0.0.1:6379", "http://", "ftp://127.0.0.1", "localhost:19530", "a", "root:hunter2@host:19530"],
)
def test_location_of_something_else_is_rejected_and_leaves_no_file(location, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreUnreachableError, match="the location of Milvus must be a ") as error:
        VectorStore("a", location, Schema(FLOATS, False, {}))
    assert "hunter2" not in str(error.value) + error.value.hint
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written_to_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("")
    for path, reason in [("/proc/vicinal/a.db", "No such file or directory"), (tmp_path / "file" / "a.db", ".*")]:
        with pytest.raises(StoreError, match=f"cannot open {path}: {reason}") as error:
            VectorStore("a", str(path), Schema(FLOATS, False, {}))
        assert "a folder that is writable" in error.value.hint


def test_file_that_is_not_of_milvus_lite_is_a_store_error(tmp_path):
    path = tmp_path / "a.db"
    path.write_text("not a database")
    with pytest.raises(StoreError, match=f"Milvus at {path}: "):
        VectorStore("a", str(path), Schema(FLOATS, False, {}))
    assert path.read_text() == "not a database"


@pytest.mark.parametrize("uri", ["./my.db", "localhost:19530", "root:hunter2@host", "http://", ""])
def test_client_is_imported_whatever_its_own_environment_variable_says(tmp_path, uri):
    script = (
        "import os\nfrom vicinal.types import Space\nfrom vicinal.stores.milvus import *\n"
        f"with VectorStore('a', {str(tmp_path / 'a.db')!r}, Schema(Space(4), False, {{}})) as store:\n"
        "    print(store.has_collection(), os.environ['MILVUS_URI'], 'MILVUS_DEFAULT_CONNECTION' in os.environ)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "MILVUS_URI": uri},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.stdout, done.stderr) == (f"False {uri} False\n", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.db", "a.db.holder"]


def test_rejected_request_is_a_store_error(opened):
    store = opened()
    store.create_collection(f"{store.alias}_v1")
    with pytest.raises(StoreError, match="Milvus at ") as error:
        store.upsert_rows([{"id": 1, "item": "k", "segment": 0, "vector": [1.0, 2.0]}])
    assert error.value.hint == "run `vicinal doctor` to diagnose"
