"""Writes to a Redis what an ingest writes: ledger entries and records of items."""

from __future__ import annotations

from vicinal.stores.records import Entry, Record
from vicinal.types import item_id

FINGERPRINT = b"fingerprint!"


def make_entry(key, segments, fingerprint=FINGERPRINT):
    return Entry(Entry.checksum(key), fingerprint, segments, segments)


def make_record(key, **metadata):
    return Record(key, f"file:///{key}", f"content of {key}", metadata)


def begin_item(store, key, segments):
    """Do the first half of indexing an item: look it up, write its record and a pending entry."""
    id_ = item_id(key)
    previous = store.ledger_entries([id_])[0]
    store.begin({id_: make_record(key)}, {id_: make_entry(key, segments).as_pending(previous)})


def commit_item(store, key, segments):
    store.commit({item_id(key): make_entry(key, segments)})


def index_item(store, key, segments):
    begin_item(store, key, segments)
    commit_item(store, key, segments)


def merge_parts(parts):
    """Return all items that a store lists part by part, and check that none occurs twice."""
    parts = list(parts)
    merged = {id_: value for part in parts for id_, value in part.items()}
    assert len(merged) == sum(map(len, parts))
    return merged


def read_counts(store):
    state = store.state()
    return state.get("items", 0), state.get("rows", 0)
