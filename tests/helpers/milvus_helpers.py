"""Rows for a collection of the tests, its index, and the keys of its search results."""

from __future__ import annotations

import numpy as np

from vicinal.config.models import IndexConfig
from vicinal.stores.milvus_engine import choose_index
from vicinal.types import Space

FLOATS, BITS = Space(16), Space(256, "binary", "JACCARD")


def make_vectors(count, dimension=16, seed=0):
    return np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)


def make_rows(store, vectors, **fields):
    columns = store.vector_columns(vectors)
    return [{"id": id_, "item": f"k{id_}", "segment": 0, **fields, **row} for id_, row in enumerate(columns)]


def choose_index_for(store, rows=100, **config):
    return choose_index(IndexConfig(**config), store.schema.space, store.engine, rows)


def build_and_load(store, index):
    store.build_index(index)
    store.load_collection(reload=True)


def item_keys(candidates):
    return [candidate.item for candidate in candidates]
