"""Items that an encoder reads only in part: counted in a run's report, and in the status exactly, whatever happens."""

from __future__ import annotations

import sys

import pytest

from encoders import Hashed
from vicinal import Segment, hookimpl
from vicinal.ingest.changes import Change
from vicinal.stores.records import Entry
from vicinal.types import Item, item_id

SHORT, LONG = "ten letters", "many more letters"
ROWS = [("a", SHORT, 1), ("b", LONG, 2), ("c", LONG + "!", 3)]


class Beginnings(Hashed):
    """Reads the first eleven characters of a text."""

    truncation_note = "it reads 11 characters"

    def decode(self, item):
        text = str(item.content)
        return [Segment(text[:11], truncated=len(text) > 11)]


@hookimpl
def register_encoders(encoders):
    encoders.add("beginnings", f"{__name__}:Beginnings", summary="for tests")


@pytest.fixture
def beginnings(lite):
    lite.manager.register(sys.modules[__name__], "truncation")
    lite.write(ROWS)
    return lite.solution(encoder="{type: beginnings}")


def test_the_report_counts_them_and_says_what_the_encoder_advises(lite, beginnings):
    report = beginnings.ingest()
    assert (report.new, report.truncated, report.to_dict()["truncated"]) == (3, 2, 2)
    assert report.warnings == [
        "2 items are longer than the encoder reads; only their beginning is searched: it reads 11 characters"
    ]
    lite.write([*ROWS, ("d", LONG, 4)])
    report = beginnings.ingest()
    assert (report.new, report.unchanged, report.truncated) == (1, 3, 1)
    assert report.warnings == [
        "1 item is longer than the encoder reads; only its beginning is searched: it reads 11 characters"
    ]
    assert beginnings.ingest().warnings == []


def test_the_status_counts_those_that_are_indexed_now(lite, beginnings):
    assert beginnings.status()["truncated"] == 0
    beginnings.ingest()
    beginnings.ingest()
    assert beginnings.status()["truncated"] == 2
    lite.write([("a", LONG, 1), ("b", SHORT, 2), ("c", LONG, 3)])
    assert beginnings.ingest().truncated == 2
    assert beginnings.status()["truncated"] == 2
    assert beginnings.add(Item("d", LONG)) == "new"
    assert beginnings.status()["truncated"] == 3
    beginnings.remove(["a"])
    assert beginnings.status()["truncated"] == 2
    lite.write([("b", SHORT, 2)])
    beginnings.ingest(prune=True)
    assert (beginnings.status()["items"], beginnings.status()["truncated"]) == (2, 1), "`add` indexed d by hand"


def test_a_run_that_ends_between_its_writes_counts_once(beginnings):
    beginnings.ingest()
    store, change = beginnings.metadata, Change(Item("b", LONG), item_id("b"), None, b"x" * 12)
    for truncated in (False, True, False):
        change.previous = store.ledger_entries([change.id])[0]
        entry = change.to_entry(1, truncated=truncated)
        store.begin({change.id: change.to_record()}, {change.id: entry.as_pending(change.previous)})
        before = store.state()["truncated"]
        change.previous = store.ledger_entries([change.id])[0]  # the run ends here; the next one begins
        store.begin({change.id: change.to_record()}, {change.id: entry.as_pending(change.previous)})
        assert store.state()["truncated"] == before
        store.commit({change.id: entry})
        store.commit({change.id: entry})
        assert store.state()["truncated"] == 1 + truncated


def test_an_entry_is_packed_with_its_mark():
    entry = Entry(b"abcd", b"x" * 12, 3, 2**31 - 1, counted_truncated=True)
    assert Entry.unpack(entry.pack()) == entry
    assert len(entry.pack()) == 24, "no longer than before there were marks"
    assert entry.as_pending(None).counted_truncated is False
    assert Entry(b"abcd", b"y" * 12, 1, 1).as_pending(entry).counted_truncated is True


def test_check_finds_and_repairs_a_wrong_count(beginnings):
    beginnings.ingest()
    beginnings.metadata.set_state(truncated=7)
    assert beginnings.check().wrong_counts == 1
    beginnings.check(repair=True)
    assert beginnings.status()["truncated"] == 2


def test_export_and_import_keep_the_marks(lite, beginnings):
    beginnings.ingest()
    beginnings.export(lite.folder / "items.parquet")
    beginnings.drop()
    report = beginnings.import_(lite.folder / "items.parquet")
    assert (report.new, report.truncated, len(report.warnings)) == (3, 2, 1)
    assert beginnings.status()["truncated"] == 2
