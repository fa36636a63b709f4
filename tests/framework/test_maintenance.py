"""Looking after a solution: check and repair, remove, drop, export and import, another index."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from vicinal import hookimpl
from vicinal.errors import SourceError, StoreMismatch, UnknownItem
from vicinal.model import item_id
from vicinal.stores.records import Entry, Record

ITEMS = 120


def text_of(number):
    return " ".join(f"w{number}n{part}" for part in range(1 + number % 3))


ROWS = [(f"k{number}", text_of(number), 2000 + number) for number in range(ITEMS)]
SEGMENTS = sum(1 + number % 3 for number in range(ITEMS))
SOUND = {"items": ITEMS, "rows": SEGMENTS, "sound": True}


@pytest.fixture
def things(workshop):
    """A hundred and twenty items of one to three segments."""
    workshop.write(ROWS)
    things = workshop.solution("cared-for", encoder="{type: words}")
    things.ingest()
    return things


def found(check):
    """What a check found that is not as it should be."""
    return {name: value for name, value in check.to_dict().items() if value and name not in ("solution", "repaired")}


def row_of(things, key, segment, text):
    (column,) = things.vectors.vector_columns(things.encoder.encode([text]))
    return {"id": item_id(key, segment), "item": key, "segment": segment, "start": 0.0, "end": 1.0, **column}


# --- damage


def delete_rows(things):
    things.vectors.delete([item_id("k3"), item_id("k5", 1), item_id("k5", 2)])
    return {"missing_vectors": 2, "rows": SEGMENTS - 3}, 2


def insert_orphans(things):
    rows = [row_of(things, "nobody", number, f"x{number}") for number in range(3)]
    things.vectors.upsert([*rows, row_of(things, "k3", 7, "a segment that k3 has no more")])
    return {"orphan_vectors": 4, "rows": SEGMENTS + 4}, 0


def delete_metadata(things):
    things.metadata.drop_metadata([item_id("k3"), item_id("k6")])  # items of one segment each
    return {"missing_metadata": 2}, 2


def insert_metadata(things):
    things.metadata.begin({item_id("nobody"): Record("nobody", "", "text", {})}, {})
    return {"orphan_metadata": 1}, 0


def delete_ledger(things):
    store = things.metadata
    for key in ("k4", "k5"):  # two and three segments
        id_ = item_id(key)
        assert store.client.hdel(store._bucket("ledger", id_), id_.to_bytes(8, "big")) == 1
    return {"orphan_vectors": 5, "orphan_metadata": 2, "wrong_counts": 2, "items": ITEMS - 2}, 2


def change_counts(things):
    things.metadata.set_state(items=7, rows=SEGMENTS + 1)
    return {"wrong_counts": 2}, 0


def begin_a_write(things):
    """No damage: a run that ended between its steps."""
    things.metadata.begin({}, {item_id("k3"): Entry(Entry.check_of("k3"), bytes(12), 1, 1)})
    return {"unfinished": 1, "sound": True}, 1


DAMAGES = [
    delete_rows, insert_orphans, delete_metadata, insert_metadata, delete_ledger, change_counts, begin_a_write
]  # fmt: skip


def test_each_damage_is_found_and_repaired_and_one_ingest_later_all_agrees(things):
    assert found(things.check()) == SOUND
    for damage in DAMAGES:
        expected, again = damage(things)
        expected = {"items": ITEMS, "rows": SEGMENTS, **expected}
        assert found(things.check()) == expected, damage.__name__
        assert found(things.check()) == expected, "a check without repair changes nothing"
        report = things.check(repair=True)
        assert (report.repaired, found(report)) == (True, expected)
        assert things.check().sound, damage.__name__
        report = things.ingest()
        assert (report.new + report.updated, report.unchanged) == (again, ITEMS - again), damage.__name__
        assert (report.rows, report.warnings) == (SEGMENTS, [])
        assert found(things.check()) == SOUND, damage.__name__
    assert things.search("@k5", limit=1)[0].key != "k5"
    assert things.search("w5n2", limit=1)[0].key == "k5"


def test_all_damages_at_once(lite):
    lite.write(ROWS)
    things = lite.solution(encoder="{type: words}")
    things.ingest()
    for damage in DAMAGES:
        damage(things)
    assert not things.check().sound
    things.check(repair=True)
    report = things.ingest()
    assert (report.rows, report.warnings) == (SEGMENTS, [])
    assert found(things.check()) == SOUND


def test_a_run_says_when_milvus_and_the_ledger_differ(lite):
    lite.write(ROWS)
    things = lite.solution(encoder="{type: words}")
    things.ingest()
    things.vectors.delete([item_id("k3")])
    lite.write([*ROWS, ("new", "text", 1)])
    (warning,) = things.ingest().warnings
    assert warning == f"Milvus holds {SEGMENTS} rows, the ledger {SEGMENTS + 1}; `vicinal check` tells more"


def test_a_check_of_nothing_is_sound(lite):
    lite.write(ROWS)
    things = lite.solution()
    report = things.check(repair=True)
    assert (report.sound, report.items, report.rows) == (True, 0, 0)
    assert things.metadata.state() == {}


# --- remove and drop


def test_remove_takes_items_out_everywhere_and_drop_takes_out_everything(things):
    with pytest.raises(UnknownItem, match=r"^not indexed: K1, nobody$"):
        things.remove(["k2", "K1", "nobody"])
    assert found(things.check()) == SOUND  # an unknown key removes nothing
    assert things.remove([]) == 0

    things.search("w2n1", limit=1)
    assert things.remove(["k2", "k5", "k2"]) == 2
    assert found(things.check()) == {"items": ITEMS - 2, "rows": SEGMENTS - 6, "sound": True}
    assert things.metadata.records([item_id("k2")]) == [None]
    assert "k2" not in [hit.key for hit in things.search("w2n1", limit=ITEMS)]
    with pytest.raises(UnknownItem):
        things.search("@k2")
    report = things.ingest()  # they are in the source still
    assert (report.new, report.rows) == (2, SEGMENTS)

    name = things.name
    client, redis = things.vectors._client, things.metadata.client
    assert list(redis.scan_iter(f"vicinal:{name}:*"))
    assert f"{things.vectors.alias}_v1" in client.list_collections()
    assert things.drop() == ITEMS
    assert list(redis.scan_iter(f"vicinal:{name}:*")) == []
    assert [collection for collection in client.list_collections() if "cared" in collection] == []
    assert things.drop() == 0
    assert things.status()["items"] == 0


def test_a_drop_that_was_interrupted_can_be_repeated(lite):
    """Between the alias and the collection, as well as before Redis is emptied."""
    lite.write(ROWS)
    things = lite.solution(encoder="{type: words}")
    things.ingest()
    things.vectors._client.drop_alias(things.vectors.alias)
    with pytest.raises(StoreMismatch, match="which this Milvus does not have"):
        things.ingest()
    assert things.drop() == ITEMS
    assert things.vectors._client.list_collections() == []
    lite.write(ROWS[:3])
    assert things.ingest().rows == 6
    assert found(things.check()) == {"items": 3, "rows": 6, "sound": True}


# --- export and import


class Told:
    """What observers are told of batches."""

    def __init__(self, batches):
        self.batches = batches

    @hookimpl
    def batch_written(self, new, updated, unchanged):
        self.batches.append((new, updated, unchanged))


def refuse(*_):
    raise AssertionError("nothing is to be written")


def stored(things):
    """Every vector that a solution holds, by id."""
    ids = [row["id"] for batch in things.vectors.rows(["id"]) for row in batch]
    return {id_: bits_of(vector) for id_, vector in things.vectors.vectors(ids).items()}


def bits_of(vector):
    """A vector in one form, whatever the engine keeps it as."""
    if isinstance(vector, dict):
        bits = np.zeros(256, np.uint8)
        bits[list(vector)] = 1
        return np.packbits(bits).tobytes()
    return vector if isinstance(vector, bytes) else np.asarray(vector, np.float32).tobytes()


@pytest.mark.parametrize("encoder", ["words", "letters"])
def test_what_one_engine_exports_the_other_imports(lite, milvus_server, redis_url, encoder):
    """From an embedded Milvus to a server and back: nothing is encoded, and nothing is lost."""
    rows = [(key, text + " and more", year) for key, text, year in ROWS]
    lite.write(rows)
    block = f"{{type: {encoder}}}"
    home = lite.solution("home", encoder=block)
    home.ingest()
    segments = home.vectors.count()
    assert home.export(lite.folder / "out" / "home.parquet") == ITEMS
    assert [path.name for path in (lite.folder / "out").iterdir()] == ["home.parquet"]

    lite.milvus, lite.redis = milvus_server, redis_url
    away = lite.solution(f"away-{encoder}", encoder=block, extra="fields: {year: int64}")
    lite.milvus = None
    try:
        report = away.import_(lite.folder / "out" / "home.parquet")
        assert (report.new, report.rows) == (ITEMS, segments)
        assert stored(away) == stored(home)
        assert found(away.check()) == {"items": ITEMS, "rows": segments, "sound": True}
        assert (again := away.ingest()).unchanged == ITEMS
        assert again.rows == segments
        assert away.import_(lite.folder / "out" / "home.parquet").new == 0
        query = rows[7][1]
        here, there = home.search(query, limit=ITEMS), away.search(query, limit=ITEMS)
        assert [hit.similarity for hit in there] == pytest.approx([hit.similarity for hit in here], abs=1e-6)
        assert {hit.key: (hit.uri, hit.metadata, hit.content) for hit in there} == {
            hit.key: (hit.uri, hit.metadata, hit.content) for hit in here
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
    assert home.check().sound
    assert kept == stored(home)


def test_an_import_replaces_what_changed(lite):
    lite.write(ROWS)
    things = lite.solution(encoder="{type: words}")
    things.ingest()
    things.export(lite.folder / "old.parquet")
    changed = [("k0", "one two three four five", 1), ("k2", "one", 1), *ROWS[3:]]
    lite.write(changed)
    assert things.ingest(prune=True).rows == SEGMENTS - 2 + 2
    report = things.import_(lite.folder / "old.parquet")
    assert (report.seen, report.new, report.updated, report.unchanged) == (ITEMS, 1, 2, ITEMS - 3)
    assert report.rows == SEGMENTS
    assert found(things.check()) == SOUND
    lite.write(ROWS)
    assert things.ingest().unchanged == ITEMS


def test_an_import_writes_nothing_again(workshop, monkeypatch):
    workshop.write(ROWS)
    things = workshop.solution(encoder="{type: words}")
    things.ingest()
    things.export(workshop.folder / "things.parquet")
    told = []
    workshop.manager.register(Told(told), "told")
    with monkeypatch.context() as patch:
        for store, writes in ((things.vectors, ("upsert", "delete")), (things.metadata, ("begin", "commit"))):
            for name in writes:
                patch.setattr(store, name, refuse)
        report = things.import_(workshop.folder / "things.parquet")
    assert (report.seen, report.new, report.updated, report.unchanged) == (ITEMS, 0, 0, ITEMS)
    assert report.rows == SEGMENTS
    assert told == [(0, 0, ITEMS)]
    assert found(things.check()) == SOUND


def test_an_import_of_a_key_whose_id_is_taken_is_refused(lite):
    lite.write(ROWS)
    things = lite.solution()
    things.ingest()
    things.export(lite.folder / "things.parquet")
    things.remove(["k3"])
    things.metadata.commit({item_id("k3"): Entry(Entry.check_of("another key"), b"f" * 12, 1, 1)}, [])
    with pytest.raises(StoreMismatch, match="the id of 'k3' is that of another key that is indexed"):
        things.import_(lite.folder / "things.parquet")


def test_an_import_of_another_encoders_vectors_is_refused(lite):
    lite.write(ROWS)
    things = lite.solution("things")
    things.ingest()
    things.export(lite.folder / "things.parquet")
    other = lite.solution("other", encoder="{type: hashed, salt: other}")
    with pytest.raises(StoreMismatch, match="were made by encoder hashed/16/, not by hashed/16/other") as error:
        other.import_(lite.folder / "things.parquet")
    assert error.value.hint == "import it with the YAML file that it was exported with"
    assert other.status()["items"] == 0
    assert other.ingest().new == ITEMS


def test_what_is_no_export_is_refused(lite):
    lite.write(ROWS)
    things = lite.solution()
    things.ingest()
    things.export(lite.folder / "things.parquet")
    table = pq.read_table(lite.folder / "things.parquet")
    pq.write_table(table.replace_schema_metadata({}), lite.folder / "plain.parquet")
    for name, message in (
        ("items.csv", "is not a parquet file that can be read"),
        ("nowhere.parquet", "is not a parquet file that can be read"),
        ("plain.parquet", "was not written by `vicinal export`"),
    ):
        with pytest.raises(SourceError, match=message):
            things.import_(lite.folder / name)
    assert things.ingest().unchanged == ITEMS


def test_an_item_that_is_not_whole_is_not_exported(lite):
    lite.write(ROWS)
    things = lite.solution(encoder="{type: words}")
    things.ingest()
    things.vectors.delete([item_id("k5", 1)])
    begin_a_write(things)
    assert things.export(lite.folder / "things.parquet") == ITEMS - 2
    keys = set(pq.read_table(lite.folder / "things.parquet")["key"].to_pylist())
    assert {f"k{number}" for number in range(ITEMS)} - keys == {"k3", "k5"}


# --- the index


def test_another_index_in_the_yaml_is_built_by_the_next_run(lite):
    lite.write(ROWS)
    things = lite.solution()
    things.ingest()
    assert things.status()["index"]["type"] == "FLAT"
    things.close()

    things = lite.solution(extra="index: {type: IVF_FLAT, params: {nlist: 4}, search: {nprobe: 4}}")
    assert things.search(ROWS[7][1], limit=1)[0].key == "k7"  # with the index that is there
    assert things.ingest().unchanged == ITEMS
    assert things.vectors.index_in_use()["index_type"] == "IVF_FLAT"
    index = things.status()["index"]
    assert (index["type"], index["params"], index["search"]) == ("IVF_FLAT", {"nlist": 4}, {"nprobe": 4})
    assert len(things.search(ROWS[7][1], limit=ITEMS)) == ITEMS
    things.close()

    things = lite.solution(extra="index: {type: HNSW, metric: IP, params: {M: 8}}")
    built = things.build_index()
    assert (built.type, built.metric, built.params) == ("HNSW", "IP", {"M": 8, "efConstruction": 200})
    hit = things.search(ROWS[7][1], limit=1)[0]
    assert (hit.key, hit.similarity, hit.distance) == ("k7", pytest.approx(1), pytest.approx(-1))


def test_an_ivf_index_has_no_more_cells_than_its_rows_can_train(workshop):
    index = "index: {type: IVF_SQ8, metric: L2, params: {nlist: 2048}, search: {nprobe: 1}}"
    rows = [(f"r{number}", f"row {number}", 2000) for number in range(400)]
    for count, cells in ((60, 1), (70, 1), (400, 10)):
        workshop.write(rows[:count])
        things = workshop.solution("cells", extra=index)
        assert things.ingest().rows == count
        assert things.status()["index"]["params"] == {"nlist": 2048}
        if workshop.embedded:
            assert things.vectors.index_in_use()["params"]["nlist"] == cells
        assert things.search(rows[7][1], limit=1)[0].key == "r7"
        if cells == 1:
            assert len(things.search(rows[7][1], limit=count)) == count
        things.close()


def test_status_tells_what_there_is(workshop):
    workshop.write([*ROWS[:5], ("b", "bad", 1)])
    things = workshop.solution("told")
    before = things.status()
    assert (before["items"], before["rows"], before["index"], before["encoder"]["signature"]) == (0, 0, None, None)
    things.ingest()
    status = things.status()
    assert (status["solution"], status["items"], status["rows"], status["failures"]) == ("told", 5, 5, 1)
    assert status["encoder"] == {"type": "hashed", "signature": "hashed/16/"}
    assert (status["index"]["type"], status["index"]["metric"]) == ("FLAT", "COSINE")
    assert status["stores"]["milvus"]["engine"].startswith("Milvus Lite 3" if workshop.embedded else "Milvus 2.3.5")
    assert status["created"] <= status["updated"]
