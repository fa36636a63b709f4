"""Export from one solution and import into another."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from sample_solution import CONSISTENT, ITEMS, ROWS, SEGMENTS, begin_write, nonzero_findings
from vicinal import hookimpl
from vicinal.errors import SourceError, StoreMismatchError
from vicinal.solution.item_export import write_items
from vicinal.stores.records import Entry
from vicinal.types import Item, item_id


class BatchRecorder:
    """Records the batches that observers are notified of."""

    def __init__(self, batches):
        self.batches = batches

    @hookimpl
    def batch_written(self, new, updated, unchanged):
        self.batches.append((new, updated, unchanged))


def refuse(*_):
    raise AssertionError("nothing is to be written")


def stored(solution):
    """Every vector that a solution holds, by id."""
    ids = [row["id"] for batch in solution.vectors.iter_rows(["id"]) for row in batch]
    return {id_: bits_of(vector) for id_, vector in solution.vectors.fetch_vectors(ids).items()}


def bits_of(vector):
    """A vector in one form, whatever the engine keeps it as."""
    if isinstance(vector, dict):
        bits = np.zeros(256, np.uint8)
        bits[list(vector)] = 1
        return np.packbits(bits).tobytes()
    return vector if isinstance(vector, bytes) else np.asarray(vector, np.float32).tobytes()


@pytest.mark.parametrize("encoder", ["words", "letters"])
def test_export_of_one_engine_is_imported_by_the_other(lite, milvus_server, redis_url, encoder):
    """From an embedded Milvus to a server and back: nothing is encoded, and nothing is lost."""
    rows = [(key, text + " and more", year) for key, text, year in ROWS]
    lite.write(rows)
    block = f"{{type: {encoder}}}"
    home = lite.solution("home", encoder=block)
    home.ingest()
    segments = home.vectors.count_rows()
    assert home.export(lite.folder / "out" / "home.parquet") == ITEMS
    assert [path.name for path in (lite.folder / "out").iterdir()] == ["home.parquet"]

    lite.milvus, lite.redis = milvus_server, redis_url
    away = lite.solution(f"away-{encoder}", encoder=block, extra="fields: {year: int64}")
    lite.milvus = None
    try:
        report = away.import_(lite.folder / "out" / "home.parquet")
        assert (report.new, report.rows) == (ITEMS, segments)
        assert stored(away) == stored(home)
        assert nonzero_findings(away.check()) == {"items": ITEMS, "rows": segments, "consistent": True}
        assert (again := away.ingest()).unchanged == ITEMS
        assert again.rows == segments
        assert away.import_(lite.folder / "out" / "home.parquet").new == 0
        query = rows[7][1]
        here, there = home.search(query, limit=ITEMS), away.search(query, limit=ITEMS)
        assert [hit.similarity for hit in there] == pytest.approx([hit.similarity for hit in here], abs=1e-6)
        assert {hit.key: (hit.uri, hit.metadata, hit.content) for hit in there} == {
            hit.key: (hit.uri, {"year": int(hit.metadata["year"])}, hit.content) for hit in here
        }
        assert [hit.key for hit in away.search(query, filter="year == 2007")] == ["k7"]
        assert away.export(lite.folder / "away.parquet") == ITEMS
    finally:
        away.drop()
        away.close()
        lite._made.remove(away)

    back = lite.solution("back", encoder=block)
    home.close()
    back.import_(lite.folder / "away.parquet")
    kept = stored(back)
    assert (len(kept), back.ingest().unchanged) == (segments, ITEMS)
    back.close()
    home = lite.solution("home", encoder=block)
    assert home.check().consistent
    assert kept == stored(home)


def test_import_replaces_changed_items(lite):
    lite.write(ROWS)
    solution = lite.solution(encoder="{type: words}")
    solution.ingest()
    solution.export(lite.folder / "old.parquet")
    changed = [("k0", "one two three four five", 1), ("k2", "one", 1), *ROWS[3:]]
    lite.write(changed)
    assert solution.ingest(prune=True).rows == SEGMENTS - 2 + 2
    report = solution.import_(lite.folder / "old.parquet")
    assert (report.seen, report.new, report.updated, report.unchanged) == (ITEMS, 1, 2, ITEMS - 3)
    assert report.rows == SEGMENTS
    assert nonzero_findings(solution.check()) == CONSISTENT
    lite.write(ROWS)
    assert solution.ingest().unchanged == ITEMS


def test_import_skips_unchanged_items(workshop, monkeypatch):
    workshop.write(ROWS)
    solution = workshop.solution(encoder="{type: words}")
    solution.ingest()
    solution.export(workshop.folder / "things.parquet")
    batches = []
    workshop.manager.register(BatchRecorder(batches), "recorder")
    with monkeypatch.context() as patch:
        for store, writes in (
            (solution.vectors, ("upsert_rows", "delete_rows")),
            (solution.metadata, ("begin", "commit")),
        ):
            for name in writes:
                patch.setattr(store, name, refuse)
        report = solution.import_(workshop.folder / "things.parquet")
    assert (report.seen, report.new, report.updated, report.unchanged) == (ITEMS, 0, 0, ITEMS)
    assert report.rows == SEGMENTS
    assert batches == [(0, 0, ITEMS)]
    assert nonzero_findings(solution.check()) == CONSISTENT


def test_import_refuses_a_hash_collision(lite):
    lite.write(ROWS)
    solution = lite.solution()
    solution.ingest()
    solution.export(lite.folder / "things.parquet")
    solution.remove(["k3"])
    solution.metadata.commit({item_id("k3"): Entry(Entry.checksum("another key"), b"f" * 12, 1, 1)}, [])
    with pytest.raises(StoreMismatchError, match="hash collision: the 63-bit id of 'k3' equals"):
        solution.import_(lite.folder / "things.parquet")


def test_import_refuses_vectors_of_another_encoder(lite):
    lite.write(ROWS)
    solution = lite.solution("things")
    solution.ingest()
    solution.export(lite.folder / "things.parquet")
    other = lite.solution("other", encoder="{type: hashed, salt: other}")
    with pytest.raises(StoreMismatchError, match="were made by encoder hashed/16/, not by hashed/16/other") as error:
        other.import_(lite.folder / "things.parquet")
    assert error.value.hint == "import it with the YAML file that it was exported with"
    assert other.status()["items"] == 0
    assert other.ingest().new == ITEMS


def test_import_refuses_other_files(lite):
    lite.write(ROWS)
    solution = lite.solution()
    solution.ingest()
    solution.export(lite.folder / "things.parquet")
    table = pq.read_table(lite.folder / "things.parquet")
    pq.write_table(table.replace_schema_metadata({}), lite.folder / "plain.parquet")
    pq.write_table(table.drop_columns(["uri", "content"]), lite.folder / "narrow.parquet")
    data = (lite.folder / "things.parquet").read_bytes()
    (lite.folder / "damaged.parquet").write_bytes(data[:200] + bytes(400) + data[600:])
    for name, message in (
        ("items.csv", "is not a parquet file that can be read"),
        ("nowhere.parquet", "is not a parquet file that can be read"),
        ("plain.parquet", "was not written by `vicinal export`"),
        ("narrow.parquet", "lacks columns that `vicinal export` writes: content, uri"),
        ("damaged.parquet", r"damaged\.parquet is damaged: "),
    ):
        with pytest.raises(SourceError, match=message):
            solution.import_(lite.folder / name)
    assert solution.ingest().unchanged == ITEMS


def test_export_leaves_out_incomplete_items(lite):
    lite.write(ROWS)
    solution = lite.solution(encoder="{type: words}")
    solution.ingest()
    solution.vectors.delete_rows([item_id("k5", 1)])
    begin_write(solution)
    assert solution.export(lite.folder / "things.parquet") == ITEMS - 2
    keys = set(pq.read_table(lite.folder / "things.parquet")["key"].to_pylist())
    assert {f"k{number}" for number in range(ITEMS)} - keys == {"k3", "k5"}


class WritesBetween:
    """Reads rows, and lets somebody else write before they are compared with the ledger."""

    def __init__(self, solution, *writes):
        self._solution = solution
        self._writes = list(writes)

    def fetch_rows(self, ids):
        rows = self._solution.vectors.fetch_rows(ids)
        if self._writes:
            self._writes.pop(0)()
        return rows


def test_an_item_that_is_written_meanwhile_is_exported_as_it_is_then(lite):
    lite.write(ROWS)
    home = lite.solution(encoder="{type: words}")
    home.ingest()

    def change():
        home.add(Item("k3", "w1n0 and more"))
        home.remove(["k4"])

    with (lite.folder / "items.parquet").open("wb") as file:
        counts = write_items(file, home.encoder, WritesBetween(home, change), home.metadata)
    rows = home.vectors.count_rows()
    assert (counts.items, counts.rows, counts.incomplete) == (ITEMS - 1, rows, 0)
    exported = pq.read_table(lite.folder / "items.parquet").to_pylist()
    assert {row["content"] for row in exported if row["key"] == "k3"} == {"w1n0 and more"}
    away = lite.solution("away", encoder="{type: words}")
    away.import_(lite.folder / "items.parquet")
    assert nonzero_findings(away.check()) == {"items": ITEMS - 1, "rows": rows, "consistent": True}
    assert stored(away) == stored(home)


def test_items_that_were_added_by_hand_stay_so(lite):
    lite.write(ROWS)
    home = lite.solution()
    home.ingest()
    home.add(Item("by hand", "a text"))
    home.export(lite.folder / "items.parquet")
    away = lite.solution("away")
    away.import_(lite.folder / "items.parquet")
    assert away.metadata.list_manual() == [item_id("by hand")]
    report = away.ingest(prune=True)
    assert (report.unchanged, report.removed) == (ITEMS, 0)
