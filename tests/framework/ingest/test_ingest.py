"""Ingest as a user sees it: no duplicates, no losses, every failure with its reason."""

from __future__ import annotations

import shutil
import socket

import orjson
import pytest

from vicinal import Item, VicinalError
from vicinal.errors import StoreMismatchError, TooManyFailuresError, UnknownItemError
from vicinal.ingest import changes, reader
from vicinal.ingest.changes import compute_fingerprint
from vicinal.search import candidates, query_encoder, searcher
from vicinal.solution import removal
from vicinal.solution import solution as solution_module
from vicinal.types import item_id

pytestmark = pytest.mark.long_on_server

ROWS = [(f"k{number}", f"text {number}", 2000 + number) for number in range(50)]


def test_run_indexes_every_item_and_a_second_one_changes_nothing(workshop):
    workshop.write(ROWS)
    solution = workshop.solution()
    first = solution.ingest()
    assert (first.seen, first.new, first.unchanged, first.failed, first.rows) == (50, 50, 0, 0, 50)
    second = solution.ingest()
    assert (second.seen, second.new, second.unchanged, second.failed, second.rows) == (50, 0, 50, 0, 50)
    assert solution.vectors.count_rows() == 50
    assert solution.status()["items"] == 50


def test_changed_row_replaces_the_old_one(workshop):
    workshop.write(ROWS)
    solution = workshop.solution()
    solution.ingest()
    workshop.write([("k0", "another text", 1999), *ROWS[1:]])
    report = solution.ingest()
    assert (report.new, report.updated, report.unchanged, report.rows) == (0, 1, 49, 50)
    best = solution.search("another text", limit=1)[0]
    assert best.key == "k0"
    assert best.similarity > 0.9999
    assert best.metadata == {"year": "1999"}


def test_force_indexes_unchanged_items_again(workshop):
    workshop.write(ROWS)
    solution = workshop.solution()
    solution.ingest()
    report = solution.ingest(force=True)
    assert (report.seen, report.new, report.updated, report.unchanged, report.rows) == (50, 0, 50, 0, 50)
    assert solution.vectors.count_rows() == 50
    assert solution.ingest().unchanged == 50


def test_prune_removes_items_that_the_source_no_longer_has(workshop):
    workshop.write(ROWS)
    solution = workshop.solution()
    solution.ingest()
    workshop.write(ROWS[10:])
    assert solution.ingest().rows == 50
    report = solution.ingest(prune=True)
    assert (report.removed, report.unchanged, report.rows) == (10, 40, 40)
    assert [hit.key for hit in solution.search("text 3", limit=1)] != ["k3"]


def test_failures_are_recorded_and_all_other_rows_are_indexed(workshop):
    workshop.write(
        [*ROWS, ("b1", "bad text", 1), ("b2", "crash text", 2), ("b3", "spoil text", 3), ("k1", "text 1", 4)]
    )
    solution = workshop.solution()
    report = solution.ingest()
    assert (report.seen, report.new, report.failed, report.rows) == (54, 50, 4, 50)
    reasons = {failure.key: (failure.stage, failure.message) for failure in solution.failures()}
    assert reasons == {
        "b1": ("decode", "the text says bad"),
        "b2": ("decode", "RuntimeError: a decoder's own defect"),
        "b3": ("encode", "one sample spoils the batch"),
        "k1": ("read", "the key occurs more than once in the source; its first item was kept"),
    }
    workshop.write([*ROWS, ("b1", "good text", 1), ("b2", "crash text", 2), ("b3", "spoil text", 3)])
    assert solution.retry().new == 1
    assert [failure.key for failure in solution.failures()] == ["b2", "b3"]


# --- parts of a source


def test_limited_run_reads_only_the_first_items(lite):
    lite.write([("b1", "bad text", 1), *ROWS])
    solution = lite.solution()
    first = solution.ingest(limit=21)
    assert (first.seen, first.new, first.failed, first.rows) == (21, 20, 1, 20)
    lite.write([*ROWS, ("b1", "bad text", 1)])
    second = solution.ingest(limit=30)
    assert (second.seen, second.new, second.unchanged, second.failed, second.rows) == (30, 10, 20, 0, 30)
    assert [failure.key for failure in solution.failures()] == ["b1"]  # what was not read is not judged
    third = solution.ingest(limit=1_000)
    assert (third.seen, third.new, third.unchanged, third.failed, third.rows) == (51, 20, 30, 1, 50)
    assert solution.ingest(limit=0).seen == 0


def test_prune_refuses_a_limit_and_an_empty_source(lite):
    lite.write(ROWS)
    solution = lite.solution()
    solution.ingest()
    with pytest.raises(VicinalError, match="prune and limit exclude each other"):
        solution.ingest(prune=True, limit=5)
    lite.write([])
    with pytest.raises(VicinalError, match="the source yields no item at all, so nothing was pruned") as error:
        solution.ingest(prune=True)
    assert error.value.hint == "`vicinal drop` removes everything"
    assert solution.vectors.count_rows() == 50
    assert solution.status()["items"] == 50


def test_prune_keeps_items_that_are_in_the_source_but_fail(lite):
    lite.write([("a", "text a", 1), ("b", "text b", 1), ("c", "text c", 1), ("d", "text d", 1)])
    solution = lite.solution(extra="fields: {year: int64}")
    solution.ingest()
    lite.write([("a", "bad text", 1), ("b", "text b", "never"), ("c", "spoil", 1)])
    report = solution.ingest(prune=True)
    assert (report.failed, report.removed, report.rows) == (3, 1, 3)
    assert [hit.key for hit in solution.search("text a", limit=1)] == ["a"]


def test_failed_run_prunes_nothing(lite):
    lite.write(ROWS)
    solution = lite.solution(extra="ingest: {max_failures: 0}")
    solution.ingest()
    lite.write([*ROWS[:10], ("b", "bad text", 1)])
    with pytest.raises(TooManyFailuresError):
        solution.ingest(prune=True)
    assert solution.vectors.count_rows() == 50


# --- the budget of failures


def test_too_many_failures_end_the_run_and_finished_batches_are_kept(lite):
    """Batches of ten are slow, so that some are written and many are not when the fourth failure is met."""
    good = [(f"k{number}", f"text {number}", 1) for number in range(3_000)]
    bad = [(f"b{number}", "bad text", 1) for number in range(4)]
    lite.write([*good[:1_000], *bad, *good[1_000:]])
    solution = lite.solution(encoder="{type: hashed, batch_size: 10, pause: 0.01}", extra="ingest: {max_failures: 3}")
    with pytest.raises(
        TooManyFailuresError, match=r"4 of \d,?\d+ items failed, more than ingest.max_failures: 3"
    ) as error:
        solution.ingest()
    assert "`vicinal failures` lists them" in error.value.hint
    done = solution.status()["items"]
    assert 0 < done < 2_000
    assert [failure.key for failure in solution.failures()] == ["b0", "b1", "b2", "b3"]
    lite.write(good)
    report = solution.ingest()
    assert (report.new, report.unchanged, report.rows) == (3_000 - done, done, 3_000)
    assert solution.failures() == []


def test_max_failures_may_be_a_share_of_the_items_seen(lite):
    rows = [(f"k{number}", "bad text" if number % 10 == 0 else f"text {number}", 1) for number in range(50)]
    lite.write(rows)
    allowed = lite.solution(extra="ingest: {max_failures: 10%}").ingest()
    assert (allowed.failed, allowed.new) == (5, 45)
    solution = lite.solution("others", extra="ingest: {max_failures: 9.9%}")
    with pytest.raises(TooManyFailuresError, match=r"5 of 50 items failed, more than ingest.max_failures: 9.9%"):
        solution.ingest()
    assert solution.status()["items"] == 45  # a share of few items is judged at the end
    assert solution.search("text 1", limit=1)[0].key == "k1"
    with pytest.raises(TooManyFailuresError):
        solution.ingest(limit=49)


# --- failures, old and new


def test_resolved_failures_are_cleared(lite):
    lite.write([*ROWS, ("b1", "bad text", 1), ("b2", "bad text", 1), ("b3", "bad text", 1)])
    solution = lite.solution()
    solution.ingest()
    assert [failure.key for failure in solution.failures()] == ["b1", "b2", "b3"]
    lite.write([*ROWS, ("b1", "good text", 1), ("b3", "bad text", 1)])  # one is mended, one is gone
    solution.ingest()
    assert [failure.key for failure in solution.failures()] == ["b3"]
    lite.write([*ROWS, ("b1", "good text", 1)])
    assert solution.retry().seen == 0
    assert solution.failures() == []


def test_item_that_begins_to_fail_stays_searchable_in_its_old_version(workshop):
    workshop.write(ROWS)
    solution = workshop.solution()
    solution.ingest()
    workshop.write([("k0", "bad text", 1), *ROWS[1:]])
    for _ in range(2):
        report = solution.ingest()
        assert (report.updated, report.unchanged, report.failed, report.rows) == (0, 49, 1, 50)
        assert [(failure.key, failure.stage) for failure in solution.failures()] == [("k0", "decode")]
        hit = solution.search("text 0", limit=1)[0]
        assert (hit.key, hit.metadata, hit.similarity > 0.9999) == ("k0", {"year": "2000"}, True)
    workshop.write(ROWS)
    report = solution.ingest()
    assert (report.unchanged, report.failed, solution.failures()) == (50, 0, [])


# --- declared fields


def test_fields_are_coerced_or_defaulted_or_fail(workshop):
    years = {"a": 2001, "b": "", "c": "never", "d": 2**40, "e": -7}
    workshop.write([(key, f"text {key}", year) for key, year in years.items()])
    solution = workshop.solution(extra="fields: {year: int32 = 1900, colour: varchar(8) = red}")
    report = solution.ingest()
    assert (report.new, report.failed, report.rows) == (3, 2, 3)
    assert {failure.key: failure.stage for failure in solution.failures()} == {"c": "fields", "d": "fields"}

    def found(filter):
        return sorted(hit.key for hit in solution.search("text", filter=filter))

    assert found("year == 1900") == ["b"]
    assert found("year < 2000 and colour == 'red'") == ["b", "e"]
    assert found("colour != 'red'") == []
    (hit,) = solution.search("@a", filter="year == 1900")
    assert hit.metadata == {"year": 1900, "colour": "red"}


def test_a_field_has_its_type_in_a_hit_and_leaves_the_fingerprint(workshop):
    given = {"yr": "2020.0", "seen": "yes", "price": "0.50", "code": 7, "start": "1.5"}
    row = {"key": "a", "text": "text a", **given}
    (workshop.folder / "items.jsonl").write_bytes(orjson.dumps(row))
    solution = workshop.solution(
        source="{type: table, path: items.jsonl, key: key, content: text}",
        extra="fields: {year: int64 from yr, seen: bool, price: double, code: varchar(8),"
        " starts: float from start, stars: int32 = 3}",
    )
    assert solution.ingest().new == 1
    (hit,) = solution.search("text a", filter="year == 2020 and seen == true and starts > 1 and stars == 3")
    assert hit.metadata == {
        "yr": "2020.0", "year": 2020, "seen": True, "price": 0.5, "code": "7", "start": "1.5", "starts": 1.5, "stars": 3
    }  # fmt: skip
    assert {name: type(value) for name, value in hit.metadata.items()} == {
        "yr": str, "year": int, "seen": bool, "price": float, "code": str, "start": str, "starts": float, "stars": int
    }  # fmt: skip
    assert solution.ingest().unchanged == 1
    assert solution.metadata.ledger_entries([item_id("a")])[0].fingerprint == compute_fingerprint(
        Item("a", "text a", "", given)
    )


# --- segments


def test_segments_that_an_item_no_longer_has_are_deleted(workshop):
    workshop.write([("a", "one two three four", 1), ("b", "five six", 1)])
    solution = workshop.solution(encoder="{type: words}")
    assert solution.ingest().rows == 6
    workshop.write([("a", "zero two", 1), ("b", "five six seven eight", 1)])
    report = solution.ingest()
    assert (report.updated, report.rows) == (2, 6)
    assert solution.vectors.count_rows() == 6
    best = {word: solution.search(word, limit=1)[0] for word in ("zero", "one", "four", "eight")}
    assert (best["zero"].key, best["zero"].similarity > 0.9999) == ("a", True)
    assert (best["eight"].key, best["eight"].segment) == ("b", {"number": 3, "start": 3.0, "end": 4.0})
    assert best["one"].similarity < 0.99
    assert best["four"].similarity < 0.99
    assert solution.check().consistent


def test_item_without_a_segment_is_a_failure(lite):
    (lite.folder / "items.jsonl").write_text('{"key": "a", "text": "  "}\n{"key": "b", "text": "word"}\n')
    source = "{type: table, path: items.jsonl, key: key, content: text}"
    solution = lite.solution(encoder="{type: words}", source=source)
    assert solution.ingest().new == 1
    assert [(failure.key, failure.stage) for failure in solution.failures()] in ([("a", "decode")], [("a", "read")])


# --- keys


def test_hash_collision_of_two_keys_is_a_failure(lite, monkeypatch):
    """Ids have 63 bits; here those of k1 and k2 are equal."""
    for module in (changes, reader, query_encoder, candidates, searcher, removal, solution_module):
        monkeypatch.setattr(module, "item_id", lambda key, segment=0: item_id("k1" if key == "k2" else key, segment))
    lite.write([("k1", "text 1", 1), ("k3", "text 3", 1)])
    solution = lite.solution()
    solution.ingest()
    lite.write([("k2", "text 2", 1), ("k1", "text 1", 1), ("k3", "text 3", 1)])
    for _ in range(2):
        report = solution.ingest()
        assert (report.new, report.updated, report.unchanged, report.rows) == (0, 0, 2, 2)
        (failure,) = solution.failures()
        assert (failure.key, failure.message) == (
            "k2",
            "hash collision: its 63-bit id equals that of another indexed key; rename this key",
        )
    assert [hit.key for hit in solution.search("text 1")] == ["k1", "k3"]
    with pytest.raises(UnknownItemError):
        solution.search("@k2")
    with pytest.raises(UnknownItemError):
        solution.remove(["k2"])
    assert solution.status()["items"] == 2


# --- what is stored is what the YAML says


def test_changed_encoder_or_fields_are_refused(lite):
    lite.write(ROWS)
    solution = lite.solution()
    solution.ingest()
    solution.close()
    undo = "undo what changed (the encoder in the YAML, its plugin, or a model file), "
    back = "change the YAML back, "
    changed = {
        "encoder 'hashed/16/', which is now 'hashed/16/salt'": ({"encoder": "{type: hashed, salt: salt}"}, undo),
        "encoder 'hashed/16/', which is now 'hashed/8/'": ({"encoder": "{type: hashed, dimension: 8}"}, undo),
        "fields {}; the YAML now says {'year': 'int64'}": ({"extra": "fields: {year: int64}"}, back),
        "hybrid False; the YAML now says True": ({"extra": "hybrid: true"}, back),
    }
    for what, (given, advice) in changed.items():
        other = lite.solution(**given)
        for use in (other.ingest, lambda other=other: other.search("text 1"), lambda other=other: other.remove(["k1"])):
            with pytest.raises(StoreMismatchError) as error:
                use()
            assert str(error.value) == f"'things' was built with {what}"
            assert error.value.hint == advice + (
                "run `vicinal reindex`, which replaces all that is stored under this name, whoever stored it,"
                " or give the solution a new name"
            )
        other.close()
    same = lite.solution()
    assert same.ingest().unchanged == 50
    assert same.vectors.count_rows() == 50


def test_another_milvus_with_the_same_redis_is_refused(lite):
    lite.write(ROWS)
    solution = lite.solution()
    solution.ingest()
    solution.close()
    other = lite.solution(extra="stores: {milvus: other.db}")
    for use in (other.ingest, other.drop, lambda: other.search("text 1")):
        with pytest.raises(StoreMismatchError) as error:
            use()
        assert str(error.value) == (
            "Redis knows 50 items of 'things', which this Milvus does not have; they were in Milvus at"
            f" {lite.folder}/.vicinal/things/milvus.db on {socket.gethostname()}"
        )
        assert error.value.hint == (
            "set MILVUS_URI to the Milvus that has them, or give this solution another name; if they are lost,"
            " delete the keys vicinal:things:* in Redis and ingest again"
        )
    other.close()
    assert lite.solution().ingest().unchanged == 50


def test_vectors_that_are_lost_with_their_file_are_indexed_anew(lite):
    lite.write(ROWS)
    solution = lite.solution()
    solution.ingest()
    solution.close()
    shutil.rmtree(lite.folder / ".vicinal" / "things" / "milvus.db")
    other = lite.solution(extra="stores: {milvus: other.db}")
    with pytest.raises(StoreMismatchError) as error:
        other.ingest()
    assert error.value.hint.endswith(
        "if they are lost, `vicinal reindex` indexes them anew, from the source or, with `--from stored`, from what"
        " Redis has of them"
    )
    assert other.reindex(from_stored=True, keep=True).new == 50
    assert other.search("text 1", limit=1)[0].key == "k1"
    assert other.drop() == 50
    assert other.ingest().new == 50


def test_a_milvus_that_was_moved_is_known_where_it_is_now(lite):
    lite.write(ROWS)
    solution = lite.solution()
    solution.ingest()
    solution.close()
    (lite.folder / ".vicinal" / "things" / "milvus.db").rename(lite.folder / "moved.db")
    moved = lite.solution(extra="stores: {milvus: moved.db}")
    assert moved.ingest().unchanged == 50
    assert moved.metadata.state()["milvus"] == f"{lite.folder}/moved.db on {socket.gethostname()}"
    assert moved.drop() == 50


def test_lost_redis_is_refilled_without_duplicates(lite):
    lite.write(ROWS)
    solution = lite.solution()
    solution.ingest()
    solution.metadata.drop()
    report = solution.ingest()
    assert (report.new, report.rows) == (50, 50)
    assert solution.vectors.count_rows() == 50
    assert solution.check().consistent
