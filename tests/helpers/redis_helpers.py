"""What tests write into a Redis as a run does: entries of the ledger, records of items."""

from __future__ import annotations

from vicinal.stores.records import Entry, Record
from vicinal.types import item_id

MARK = b"fingerprint!"


def entry(key, segments, mark=MARK):
    return Entry(Entry.checksum(key), mark, segments, segments)


def record(key, **metadata):
    return Record(key, f"file:///{key}", f"content of {key}", metadata)


def begin(store, key, segments):
    """What a run does first, after looking an item up."""
    id_ = item_id(key)
    before = store.ledger_entries([id_])[0]
    store.begin({id_: record(key)}, {id_: entry(key, segments).begun(before)})


def commit(store, key, segments):
    store.commit({item_id(key): entry(key, segments)})


def index(store, key, segments):
    begin(store, key, segments)
    commit(store, key, segments)


def counts(store):
    state = store.state()
    return state.get("items", 0), state.get("rows", 0)
