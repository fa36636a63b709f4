"""Ingest as a user sees it: nothing twice, nothing lost, every failure with its reason."""

from __future__ import annotations

ROWS = [(f"k{number}", f"text {number}", 2000 + number) for number in range(50)]


def test_a_run_indexes_every_item_and_a_second_changes_nothing(workshop):
    workshop.write(ROWS)
    things = workshop.solution()
    first = things.ingest()
    assert (first.seen, first.new, first.unchanged, first.failed, first.rows) == (50, 50, 0, 0, 50)
    second = things.ingest()
    assert (second.seen, second.new, second.unchanged, second.failed, second.rows) == (50, 0, 50, 0, 50)
    assert things.vectors.count() == 50
    assert things.status()["items"] == 50


def test_a_changed_row_replaces_the_old_one(workshop):
    workshop.write(ROWS)
    things = workshop.solution()
    things.ingest()
    workshop.write([("k0", "another text", 1999), *ROWS[1:]])
    report = things.ingest()
    assert (report.new, report.updated, report.unchanged, report.rows) == (0, 1, 49, 50)
    best = things.search("another text", limit=1)[0]
    assert best.key == "k0"
    assert best.similarity > 0.9999
    assert best.metadata == {"year": "1999"}


def test_prune_removes_what_the_source_has_no_more(workshop):
    workshop.write(ROWS)
    things = workshop.solution()
    things.ingest()
    workshop.write(ROWS[10:])
    assert things.ingest().rows == 50
    report = things.ingest(prune=True)
    assert (report.removed, report.unchanged, report.rows) == (10, 40, 40)
    assert [hit.key for hit in things.search("text 3", limit=1)] != ["k3"]


def test_failures_are_recorded_and_the_good_rows_are_all_there(workshop):
    workshop.write(
        [*ROWS, ("b1", "bad text", 1), ("b2", "crash text", 2), ("b3", "spoil text", 3), ("k1", "text 1", 4)]
    )
    things = workshop.solution()
    report = things.ingest()
    assert (report.seen, report.new, report.failed, report.rows) == (54, 50, 4, 50)
    reasons = {failure.key: (failure.stage, failure.message) for failure in things.failures()}
    assert reasons == {
        "b1": ("decode", "the text says bad"),
        "b2": ("decode", "RuntimeError: a decoder's own defect"),
        "b3": ("encode", "one sample spoils the batch"),
        "k1": ("read", "the key occurs more than once in the source; its first item was kept"),
    }
    workshop.write([*ROWS, ("b1", "good text", 1), ("b2", "crash text", 2), ("b3", "spoil text", 3)])
    assert things.retry().new == 1
    assert [failure.key for failure in things.failures()] == ["b2", "b3"]
