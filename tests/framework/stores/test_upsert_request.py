"""Rows that are packed column by column: the message is the one that Milvus' client makes of the same rows."""

from __future__ import annotations

import numpy as np
import pytest
from pymilvus import DataType
from pymilvus.client.prepare import Prepare

from milvus_helpers import build_and_load, choose_index_for, make_rows, make_vectors
from vicinal.stores.upsert_request import build_upsert_request

TYPES = {
    "id": DataType.INT64,
    "item": DataType.VARCHAR,
    "segment": DataType.INT32,
    "start": DataType.DOUBLE,
    "year": DataType.INT64,
    "ratio": DataType.FLOAT,
    "ok": DataType.BOOL,
}


def make_row(number, vector):
    row = {"id": 2**62 + number, "item": f"ké{number}", "segment": -number, "start": number / 7, "year": number}
    return row | {"ratio": 0.5 * number, "ok": number % 2 == 0, "vector": vector}


def pack_as_client(types, rows, dimension):
    fields = [{"name": name, "type": type_, "params": {"dim": dimension}} for name, type_ in types.items()]
    fields[0]["is_primary"] = True
    return Prepare.row_upsert_param("things", rows, "", fields)


@pytest.mark.parametrize("count", [1, 3, 300])
@pytest.mark.parametrize("dimension", [2, 16, 1025])
def test_float_vectors(count, dimension):
    types = {**TYPES, "vector": DataType.FLOAT_VECTOR}
    rows = [make_row(number, vector) for number, vector in enumerate(make_vectors(count, dimension))]
    packed = build_upsert_request("things", types, rows)
    assert packed == pack_as_client(types, rows, dimension)
    assert packed.fields_data[-1].vectors.float_vector.data == np.concatenate([row["vector"] for row in rows]).tolist()


def test_vectors_in_lists_or_another_precision_become_float32():
    rows = [make_row(0, [0.1, 2.0]), make_row(1, np.array([3, 4], np.float64))]
    packed = build_upsert_request("things", {**TYPES, "vector": DataType.FLOAT_VECTOR}, rows)
    assert list(packed.fields_data[-1].vectors.float_vector.data) == [np.float32(0.1), 2, 3, 4]


def test_binary_vectors():
    types = {**TYPES, "vector": DataType.BINARY_VECTOR}
    rows = [make_row(number, bytes([number, 255 - number])) for number in range(5)]
    assert build_upsert_request("things", types, rows) == pack_as_client(types, rows, 16)


def test_rows_of_a_store_come_back_as_they_were(opened):
    store = opened()
    store.create_collection(f"{store.alias}_v1")
    vectors = make_vectors(40)
    store.upsert_rows(make_rows(store, vectors))
    store.upsert_rows(make_rows(store, vectors[:7] * 2))
    store.flush()
    build_and_load(store, choose_index_for(store))
    assert store.count_rows() == 40
    assert sorted(row["item"] for rows in store.iter_rows(["item"]) for row in rows) == sorted(
        f"k{n}" for n in range(40)
    )
    stored = store.fetch_vectors(range(40))
    for number, vector in enumerate(vectors):
        assert np.array_equal(stored[number], vector * 2 if number < 7 else vector)
