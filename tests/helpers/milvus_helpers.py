"""A collection of the tests: what is put into it, how it is served, and what comes out."""

from __future__ import annotations

import numpy as np

from vicinal.config.models import IndexConfig
from vicinal.stores.milvus_engine import choose_index
from vicinal.types import Space

FLOATS, BITS = Space(16), Space(256, "binary", "JACCARD")


def vectors_of(count, dimension=16, seed=0):
    return np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)


def rows_of(store, vectors, **fields):
    columns = store.vector_columns(vectors)
    return [{"id": id_, "item": f"k{id_}", "segment": 0, **fields, **row} for id_, row in enumerate(columns)]


def index_for(store, rows=100, **config):
    return choose_index(IndexConfig(**config), store.schema.space, store.engine, rows)


def serve(store, index):
    store.build(index)
    store.load(again=True)


def items(candidates):
    return [candidate.item for candidate in candidates]
