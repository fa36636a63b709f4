"""Milvus Lite's searches: after any writes they find what its own function and a comparison with all find."""

from __future__ import annotations

import gc
import random

import numpy as np
import pytest
from milvus_lite.engine import collection

from milvus_helpers import build_and_load, choose_index_for, item_keys, make_rows, make_vectors
from vicinal.config.models import parse_field
from vicinal.stores import milvus_lite_search
from vicinal.stores.milvus import Schema, VectorStore
from vicinal.types import Space


@pytest.fixture
def store(tmp_path):
    schema = Schema(Space(16, metric="L2"), False, {"year": parse_field("int64")})
    with VectorStore("things", str(tmp_path / "milvus.db"), schema) as store:
        store.create_collection("things_v1")
        yield store


def search_as_milvus_lite_does(store, *args, **kwargs):
    ours = collection.execute_search_with_index
    collection.execute_search_with_index = ours.__wrapped__
    try:
        return store.search(*args, **kwargs)
    finally:
        collection.execute_search_with_index = ours


def find_nearest(rows, queries, limit):
    """The keys of the nearest rows of each query."""
    if not rows:
        return [[] for _ in queries]
    distances = ((queries[:, None, :] - np.array([row["vector"] for row in rows])[None]) ** 2).sum(axis=2)
    return [[rows[place]["item"] for place in order] for order in np.argsort(distances, axis=1)[:, :limit]]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("type_", ["FLAT", "IVF_FLAT"])
def test_searches_are_right_after_any_writes(store, type_, seed):
    params = {} if type_ == "FLAT" else {"params": {"nlist": 4}, "search": {"nprobe": 4}}
    index = choose_index_for(store, rows=400, type=type_, **params)
    build_and_load(store, index)
    chance, stored, queries = random.Random(seed), {}, make_vectors(5, 16, seed=99)
    all_rows = {version: make_rows(store, make_vectors(400, 16, seed=version), year=version) for version in range(3)}
    for step in range(25):
        action = chance.choice(["add", "add", "overwrite", "delete", "flush", "reload"])
        chosen = chance.sample(range(400), chance.choice([1, 7, 60]))
        if action in ("add", "overwrite"):
            rows = [all_rows[chance.randrange(3)][number] for number in chosen]
            store.upsert_rows(rows)
            stored |= {row["item"]: row for row in rows}
        elif action == "delete":
            store.delete_rows([all_rows[0][number]["id"] for number in chosen])
            for number in chosen:
                stored.pop(all_rows[0][number]["item"], None)
        elif action == "flush":
            store.flush()
        else:
            build_and_load(store, index)
        limit, filter = chance.choice([1, 10, 500]), chance.choice(["", "year == 1"])
        found = store.search(list(queries), index, limit, filter, rows=400)
        passing = [row for row in stored.values() if not filter or row["year"] == 1]
        expected = find_nearest(passing, queries, limit)
        assert [item_keys(candidates) for candidates in found] == expected, f"step {step}: {action}, {filter}"
        theirs = search_as_milvus_lite_does(store, list(queries), index, limit, filter, rows=400)
        assert [item_keys(candidates) for candidates in found] == [item_keys(candidates) for candidates in theirs]
        for ours, other in zip(found, theirs, strict=True):
            np.testing.assert_allclose([one.distance for one in ours], [one.distance for one in other], rtol=1e-5)


def test_a_search_is_ours_as_this_milvus_lite_calls_it_and_its_own_otherwise(store, monkeypatch):
    index = choose_index_for(store)
    store.upsert_rows(make_rows(store, make_vectors(50, 16), year=1))
    store.flush()
    build_and_load(store, index)
    ours, calls = collection.execute_search_with_index, []
    monkeypatch.setattr(milvus_lite_search._Searcher, "search", lambda self, **request: calls.append(request) or [[]])
    store.search([make_vectors(1, 16)[0]], index, 5, rows=50)
    (request,) = calls
    assert request["top_k"] == 5
    with pytest.raises(TypeError, match="another_kind"):
        ours(**request, another_kind=True)
    assert len(calls) == 1


def test_what_is_remembered_goes_with_the_rows(store, monkeypatch):
    searcher = milvus_lite_search._Searcher(collection.execute_search_with_index.__wrapped__)
    monkeypatch.setattr(collection, "execute_search_with_index", lambda **request: searcher.search(**request))
    index = choose_index_for(store)
    for start in (0, 100, 200):
        store.upsert_rows(make_rows(store, make_vectors(300, 16), year=1)[start : start + 100])
        store.flush()
        build_and_load(store, index)
        for _ in range(3):
            store.search([make_vectors(1, 16)[0]], index, 5, rows=300)
        assert len(searcher._remembered) == 1
    store.drop_collection()
    gc.collect()
    assert not any(valid.is_needed_beside([]) for valid in searcher._remembered)
