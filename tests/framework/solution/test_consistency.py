"""Maintenance of a solution: check and repair, remove, drop, another index."""

from __future__ import annotations

import pytest

from sample_solution import CONSISTENT, ITEMS, ROWS, SEGMENTS, begin_write, nonzero_findings
from vicinal.errors import UnknownItemError
from vicinal.stores.records import Record
from vicinal.types import item_id

pytestmark = pytest.mark.long_on_server


@pytest.fixture
def solution(workshop):
    """A hundred and twenty items of one to three segments."""
    workshop.write(ROWS)
    solution = workshop.solution("cared-for", encoder="{type: words}")
    solution.ingest()
    return solution


def row_of(solution, key, segment, text):
    (column,) = solution.vectors.vector_columns(solution.encoder.encode([text]))
    return {"id": item_id(key, segment), "item": key, "segment": segment, "start": 0.0, "end": 1.0, **column}


# --- damage


def delete_rows(solution):
    solution.vectors.delete_rows([item_id("k3"), item_id("k5", 1), item_id("k5", 2)])
    return {"missing_vectors": 2, "rows": SEGMENTS - 3}, 2


def insert_orphans(solution):
    rows = [row_of(solution, "nobody", number, f"x{number}") for number in range(3)]
    solution.vectors.upsert_rows([*rows, row_of(solution, "k3", 7, "a segment that k3 has no more")])
    return {"orphan_vectors": 4, "rows": SEGMENTS + 4}, 0


def delete_metadata(solution):
    solution.metadata.drop_metadata([item_id("k3"), item_id("k6")])  # items of one segment each
    return {"missing_metadata": 2}, 2


def insert_metadata(solution):
    solution.metadata.begin({item_id("nobody"): Record("nobody", "", "text", {})}, {})
    return {"orphan_metadata": 1}, 0


def delete_ledger(solution):
    store = solution.metadata
    for key in ("k4", "k5"):  # two and three segments
        id_ = item_id(key)
        assert store.client.hdel(store.buckets.key_of("ledger", id_), id_.to_bytes(8, "big")) == 1
    return {"orphan_vectors": 5, "orphan_metadata": 2, "wrong_counts": 2, "items": ITEMS - 2}, 2


def change_counts(solution):
    solution.metadata.set_state(items=7, rows=SEGMENTS + 1)
    return {"wrong_counts": 2}, 0


DAMAGES = [
    delete_rows, insert_orphans, delete_metadata, insert_metadata, delete_ledger, change_counts, begin_write
]  # fmt: skip


def test_each_damage_is_found_and_repaired_by_check_and_ingest(solution):
    assert nonzero_findings(solution.check()) == CONSISTENT
    for damage in DAMAGES:
        expected, again = damage(solution)
        expected = {"items": ITEMS, "rows": SEGMENTS, **expected}
        assert nonzero_findings(solution.check()) == expected, damage.__name__
        assert nonzero_findings(solution.check()) == expected, "a check without repair changes nothing"
        report = solution.check(repair=True)
        assert (report.repaired, nonzero_findings(report)) == (True, expected)
        assert solution.check().consistent, damage.__name__
        report = solution.ingest()
        assert (report.new + report.updated, report.unchanged) == (again, ITEMS - again), damage.__name__
        assert (report.rows, report.warnings) == (SEGMENTS, [])
        assert nonzero_findings(solution.check()) == CONSISTENT, damage.__name__
    assert solution.search("@k5", limit=1)[0].key != "k5"
    assert solution.search("w5n2", limit=1)[0].key == "k5"


def test_all_damages_at_once(lite):
    lite.write(ROWS)
    solution = lite.solution(encoder="{type: words}")
    solution.ingest()
    for damage in DAMAGES:
        damage(solution)
    assert not solution.check().consistent
    solution.check(repair=True)
    report = solution.ingest()
    assert (report.rows, report.warnings) == (SEGMENTS, [])
    assert nonzero_findings(solution.check()) == CONSISTENT


def test_a_run_warns_when_milvus_and_the_ledger_differ(lite):
    lite.write(ROWS)
    solution = lite.solution(encoder="{type: words}")
    solution.ingest()
    solution.vectors.delete_rows([item_id("k3")])
    lite.write([*ROWS, ("new", "text", 1)])
    (warning,) = solution.ingest().warnings
    assert warning == f"Milvus holds {SEGMENTS} rows, the ledger {SEGMENTS + 1}; `vicinal check` tells more"


def test_a_check_of_an_empty_solution_is_consistent(lite):
    lite.write(ROWS)
    solution = lite.solution()
    report = solution.check(repair=True)
    assert (report.consistent, report.items, report.rows) == (True, 0, 0)
    assert solution.metadata.state() == {}


def test_rows_without_a_record_are_no_hits_and_take_no_places(solution):
    """As those of a solution whose Redis was flushed, until a check repairs them."""
    nearest = [hit.key for hit in solution.search("w5n2", limit=ITEMS)]
    solution.metadata.drop_metadata([item_id(key) for key in nearest[:60]])
    hits = solution.search("w5n2", limit=10)
    assert ([hit.key for hit in hits], [hit.rank for hit in hits]) == (nearest[60:70], [*range(1, 11)])
    assert all(hit.content for hit in hits)
    assert [hit.key for hit in solution.search("w5n2", limit=ITEMS)] == nearest[60:]


# --- remove and drop


def test_remove_and_drop_remove_from_both_stores(solution):
    with pytest.raises(UnknownItemError, match=r"^not indexed: K1, nobody$"):
        solution.remove(["k2", "K1", "nobody"])
    assert nonzero_findings(solution.check()) == CONSISTENT  # an unknown key removes nothing
    assert solution.remove([]) == 0

    solution.search("w2n1", limit=1)
    assert solution.remove(["k2", "k5", "k2"]) == 2
    assert nonzero_findings(solution.check()) == {"items": ITEMS - 2, "rows": SEGMENTS - 6, "consistent": True}
    assert solution.metadata.records([item_id("k2")]) == [None]
    assert "k2" not in [hit.key for hit in solution.search("w2n1", limit=ITEMS)]
    with pytest.raises(UnknownItemError):
        solution.search("@k2")
    report = solution.ingest()  # they are in the source still
    assert (report.new, report.rows) == (2, SEGMENTS)

    name = solution.name
    client, redis = solution.vectors._client, solution.metadata.client
    assert list(redis.scan_iter(f"vicinal:{name}:*"))
    assert f"{solution.vectors.alias}_v1" in client.list_collections()
    assert solution.drop() == ITEMS
    assert list(redis.scan_iter(f"vicinal:{name}:*")) == []
    assert [collection for collection in client.list_collections() if "cared" in collection] == []
    assert solution.drop() == 0
    assert solution.status()["items"] == 0


def test_a_drop_that_was_interrupted_can_be_repeated(lite):
    """Between the alias and the collection, as well as before Redis is emptied."""
    lite.write(ROWS)
    solution = lite.solution(encoder="{type: words}")
    solution.ingest()
    solution.vectors._client.drop_alias(solution.vectors.alias)
    assert solution.ingest().unchanged == ITEMS
    assert solution.vectors.find_collection(solution.vectors.alias).physical == "vicinal_things_v1"
    solution.vectors._client.drop_alias(solution.vectors.alias)
    assert solution.drop() == ITEMS
    assert solution.vectors._client.list_collections() == []
    lite.write(ROWS[:3])
    assert solution.ingest().rows == 6
    assert nonzero_findings(solution.check()) == {"items": 3, "rows": 6, "consistent": True}


# --- the index


def test_another_index_in_the_yaml_is_built_by_the_next_run(lite):
    lite.write(ROWS)
    solution = lite.solution()
    solution.ingest()
    assert solution.status()["index"]["type"] == "FLAT"
    solution.close()

    solution = lite.solution(extra="index: {type: IVF_FLAT, params: {nlist: 4}, search: {nprobe: 4}}")
    assert solution.search(ROWS[7][1], limit=1)[0].key == "k7"  # with the index that is there
    assert solution.ingest().unchanged == ITEMS
    assert solution.vectors.describe_index()["index_type"] == "IVF_FLAT"
    index = solution.status()["index"]
    assert (index["type"], index["params"], index["search"]) == ("IVF_FLAT", {"nlist": 4}, {"nprobe": 4})
    assert len(solution.search(ROWS[7][1], limit=ITEMS)) == ITEMS
    solution.close()

    solution = lite.solution(extra="index: {type: HNSW, metric: IP, params: {M: 8}}")
    built = solution.build_index()
    assert (built.type, built.metric, built.params) == ("HNSW", "IP", {"M": 8, "efConstruction": 200})
    hit = solution.search(ROWS[7][1], limit=1)[0]
    assert (hit.key, hit.similarity, hit.distance) == ("k7", pytest.approx(1), pytest.approx(-1))


def test_parameters_for_auto_that_the_chosen_index_lacks_do_not_build_it_anew(lite, monkeypatch):
    lite.write(ROWS)
    solution = lite.solution(extra="index: {params: {M: 8}, search: {ef: 300}}")
    solution.ingest()
    index = solution.status()["index"]
    assert (index["type"], index["params"], index["search"]) == ("FLAT", {}, {})
    assert solution.search(ROWS[7][1], limit=1)[0].key == "k7"
    monkeypatch.delattr("vicinal.stores.milvus_collection.MilvusCollection.build_index")
    assert solution.ingest().unchanged == ITEMS


def test_an_ivf_index_has_no_more_cells_than_its_rows_can_train(workshop):
    index = "index: {type: IVF_SQ8, metric: L2, params: {nlist: 2048}, search: {nprobe: 1}}"
    rows = [(f"r{number}", f"row {number}", 2000) for number in range(400)]
    for count, cells in ((60, 1), (70, 1), (400, 10)):
        workshop.write(rows[:count])
        solution = workshop.solution("cells", extra=index)
        assert solution.ingest().rows == count
        assert solution.status()["index"]["params"] == {"nlist": 2048}
        if workshop.embedded:
            assert solution.vectors.describe_index()["params"]["nlist"] == cells
        assert solution.search(rows[7][1], limit=1)[0].key == "r7"
        if cells == 1:
            assert len(solution.search(rows[7][1], limit=count)) == count
        solution.close()


def test_status_reports_the_counts_index_and_stores(workshop):
    workshop.write([*ROWS[:5], ("b", "bad", 1)])
    solution = workshop.solution("told")
    before = solution.status()
    assert (before["items"], before["rows"], before["index"], before["encoder"]["signature"]) == (0, 0, None, None)
    solution.ingest()
    status = solution.status()
    assert (status["solution"], status["items"], status["rows"], status["failures"]) == ("told", 5, 5, 1)
    assert status["encoder"] == {"type": "hashed", "signature": "hashed/16/"}
    assert (status["index"]["type"], status["index"]["metric"]) == ("FLAT", "COSINE")
    assert status["stores"]["milvus"]["engine"].startswith("Milvus Lite 3" if workshop.embedded else "Milvus 2.3.5")
    assert status["created"] <= status["updated"]
