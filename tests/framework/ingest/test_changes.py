"""Detection of changes without decoding."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal import Item, ItemError
from vicinal.config.models import parse_field
from vicinal.ingest.changes import Change, SeenIds, compute_fingerprint, detect_changes, extract_fields
from vicinal.stores.records import Entry, Record
from vicinal.types import item_id

IDS = st.lists(st.one_of(st.integers(0, 60), st.integers(0, 2**63 - 1)), max_size=40)


# --- the ids that a run has seen


@given(st.lists(IDS, max_size=20))
def test_seen_ids_behave_as_a_set(batches):
    seen, known = SeenIds(), set()
    for batch in batches:
        expected = []
        for id_ in batch:
            expected.append(id_ in known)
            known.add(id_)
        assert seen.add(batch).tolist() == expected
    ids = [*known, *range(61), 2**63 - 1]
    assert seen.contain(np.array(ids, np.int64)).tolist() == [id_ in known for id_ in ids]


def test_seen_ids_take_eight_bytes_each_in_a_few_arrays():
    seen = SeenIds()
    rng = np.random.default_rng(1)
    for _ in range(200):
        assert not seen.add(rng.integers(0, 2**63, 1_000).tolist()).any()
    assert sum(run.nbytes for run in seen._arrays) == 8 * 200_000
    assert len(seen._arrays) < 20


# --- fingerprints


def test_fingerprint_changes_only_when_the_item_does():
    item = Item("k", "content", "uri", {"a": 1, "b": [2.5, None, True]})
    assert len(compute_fingerprint(item)) == 12
    assert compute_fingerprint(item) == compute_fingerprint(
        Item("other key", "content", "uri", {"b": [2.5, None, True], "a": 1})
    )
    others = [
        Item("k", "Content", "uri", item.metadata),
        Item("k", "content", "url", item.metadata),
        Item("k", "content", "uri", {**item.metadata, "a": 2}),
        Item("k", "content", "uri", {**item.metadata, "a": "1"}),
        Item("k", "content", "uri", {}),
    ]
    assert len({compute_fingerprint(it) for it in [item, *others]}) == 6


def test_version_replaces_the_content_in_the_fingerprint():
    one = Item("k", Path("a.jpg"), version="7-100")
    assert compute_fingerprint(one) == compute_fingerprint(Item("k", Path("b.jpg"), version="7-100"))
    assert compute_fingerprint(one) != compute_fingerprint(Item("k", Path("a.jpg"), version="7-101"))
    assert compute_fingerprint(Item("k", "x", version="")) != compute_fingerprint(Item("k", "x"))


def test_fingerprint_is_the_same_in_every_process():
    assert compute_fingerprint(Item("k", "content", "uri", {"a": 1})).hex() == "4c6bfa9401d0c8e3c2c1e51d"


def test_fingerprint_of_bytes_and_paths():
    marks = {
        compute_fingerprint(Item("k", content)) for content in (b"a", b"b", bytearray(b"c"), Path("a"), Path("b"), None)
    }
    assert len(marks) == 6


@pytest.mark.parametrize(
    "metadata", [{"a": object()}, {1: "a"}, {"a": 2**64}, {"a": {1, 2}}, {"a": "\ud800"}, {"a": b"x"}, {"a": Path("x")}]
)
def test_fingerprint_refuses_metadata_that_is_not_json(metadata):
    with pytest.raises(TypeError):
        compute_fingerprint(Item("k", "content", "", metadata))


def test_metadata_may_hold_dates_nan_and_tuples():
    moment = datetime(2024, 5, 6, tzinfo=UTC)
    item = Item("k", "content", "", {"at": moment, "nan": math.nan, "pair": (1, 2)})
    assert Record.unpack(Change(item, 1, None, compute_fingerprint(item)).to_record().pack()) == Record(
        "k", "", "content", {"at": "2024-05-06T00:00:00+00:00", "nan": None, "pair": [1, 2]}
    )


# --- new, changed, unchanged, failed


def entry_of(item, segments=1):
    return Entry(Entry.checksum(item.key), compute_fingerprint(item), segments, segments)


def test_items_are_sorted_into_changes_unchanged_and_failures():
    new, same, old = Item("new", "a"), Item("same", "b"), Item("old", "c")
    begun = Item("begun", "d")
    ledger = {
        item_id("same"): entry_of(same),
        item_id("old"): entry_of(Item("old", "before"), 3),
        item_id("begun"): entry_of(begun).as_pending(None),
        item_id("taken"): entry_of(Item("another key with this id", "x")),
    }
    lookups = []

    def lookup(ids):
        lookups.append(ids)
        return [ledger.get(id_) for id_ in ids]

    long = Item("ü" * 600, "e", "file:///long")
    odd, vast = Item("odd", "h", "", {"a": object()}), Item("vast", "i" * 4 * 1024 * 1024)
    items = [new, same, old, begun, new, Item("", "f"), long, Item("taken", "g"), odd, vast]
    changes, unchanged, failures = detect_changes(items, seen := SeenIds(), lookup)
    assert [(change.item, change.previous, change.is_new) for change in changes] == [
        (new, None, True),
        (old, ledger[item_id("old")], False),
        (begun, ledger[item_id("begun")], True),
    ]
    assert changes[1].to_entry(2) == Entry(Entry.checksum("old"), compute_fingerprint(old), 2, 2)
    assert unchanged == 1
    assert [(failure.key, failure.stage, failure.message, failure.uri) for failure in failures] == [
        ("(no key)", "read", "the key is empty", ""),
        ("ü" * 200, "read", "the key has 1200 bytes, at most 1024 fit", "file:///long"),
        ("taken", "read", "hash collision: its 63-bit id equals that of another indexed key; rename this key", ""),
        ("new", "read", "the key occurs more than once in the source; its first item was kept", ""),
        ("odd", "read", "cannot be stored as JSON: Type is not JSON serializable: object", ""),
        ("vast", "read", "its content and metadata have 4,194,321 bytes, at most 4,194,304 fit", ""),
    ]
    assert len(lookups) == 1
    assert seen.contain(np.array([item_id("same"), item_id("never")])).tolist() == [True, False]
    assert detect_changes([same], seen, lookup)[2][0].message.startswith("the key occurs more than once")


def test_key_that_is_not_unicode_is_a_failure_with_an_escaped_key():
    (failure,) = detect_changes([Item("caf\udce9.jpg", "x")], SeenIds(), lambda ids: [])[2]
    assert (failure.key, failure.message) == ("caf\\udce9.jpg", "the key is not valid Unicode")


# --- declared fields


def values(metadata, **types):
    return extract_fields(Item("k", "x", "", metadata), {name: parse_field(text) for name, text in types.items()})


def test_fields_are_read_from_metadata_as_their_types():
    types = {"n": "int64", "f": "float", "d": "double", "b": "bool", "s": "varchar(8)"}
    defaults = {"m": "int32 = 7", "t": "varchar(3) = x"}
    read = values({"n": "12", "f": "0.5", "d": 1, "b": "Yes", "s": 5, "extra": 1}, **types, **defaults)
    assert read == {"n": 12, "f": 0.5, "d": 1.0, "b": True, "s": "5", "m": 7, "t": "x"}
    assert values({"m": "", "t": ""}, **defaults) == {"m": 7, "t": ""}


def test_a_field_reads_metadata_of_another_name():
    types = {"year": "int64 from yr", "starts": "double from start", "note": "varchar(9) from text = none"}
    assert values({"yr": "2023.0", "start": "0.5", "year": "x"}, **types) == {
        "year": 2023,
        "starts": 0.5,
        "note": "none",
    }
    with pytest.raises(
        ItemError, match=r"^field 'year' \(from 'yr'\) has no value, and the field declares no default$"
    ):
        values({"year": 1}, year="int64 from yr")


@pytest.mark.parametrize(
    ("type", "value"),
    [
        ("int64", None),
        ("int64", ""),
        ("int64", "twelve"),
        ("int64", [1]),
        ("int32", 2**31),
        ("int64", -(2**63) - 1),
        ("double", "nan"),
        ("float", 1e39),
        ("bool", "maybe"),
        ("varchar(4)", "äöü"),
    ],
)
def test_value_that_a_field_cannot_hold_is_an_item_error(type, value):
    with pytest.raises(ItemError, match=r"^field 'f' (is|has) "):
        values({"f": value}, f=type)


def test_largest_values_of_a_field_fit():
    types = {"small": "int32", "large": "int64", "near": "float", "text": "varchar(4)"}
    largest = {"small": -(2**31), "large": 2**63 - 1, "near": 3e38, "text": "äö"}
    assert values(largest, **types) == largest
