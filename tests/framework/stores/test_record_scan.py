"""How many items have each value of a field, where there are too many values to tell apart."""

from __future__ import annotations

from vicinal.stores import record_scan
from vicinal.stores.record_scan import RecordOrder, ValueCounts
from vicinal.stores.records import Record


def test_a_value_that_is_told_apart_is_counted_exactly(monkeypatch):
    monkeypatch.setattr(record_scan, "MAX_VALUES", 3)
    counts = ValueCounts("year")
    for year in (1, 2, 3, 4, 5, 1, 4, 2, 1):
        counts.add(Record("key", "", "text", {"year": year}))
    assert counts.items == {1: 3, 2: 2, 3: 1}
    assert counts.others == 3


def test_a_record_without_a_value_comes_first():
    order = RecordOrder("year")
    keys = [
        order.key_of(id_, Record("key", "", "", metadata)) for id_, metadata in ((1, {"year": -5}), (2, {}), (0, {}))
    ]
    assert sorted(keys) == [keys[2], keys[1], keys[0]]
