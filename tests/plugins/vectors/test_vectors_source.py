"""The source ``vectors``: keys, metadata and vectors of every format, and what becomes of rows that cannot be read."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from pydantic import ValidationError

from vicinal import Failure, Item, SourceError, Suggestion
from vicinal.testing import SourceContract
from vicinal_vectors.source import VectorSource
from vicinal_vectors.suggestion import suggest_solution

ROWS = np.arange(40, dtype=np.float32).reshape(4, 10)


def make_source(path, **params):
    return VectorSource(VectorSource.Params(path=path, **params))


def write_npy(path, rows=ROWS):
    np.save(path, rows)
    return path


def write_parquet(path, rows=ROWS, **columns):
    vectors = pa.array([None if row is None else list(row) for row in rows], pa.list_(pa.float32()))
    parquet.write_table(pa.table({**columns, "emb": vectors}), path)
    return path


def describe(entries):
    return [(entry.key, entry.content.tolist(), dict(entry.metadata)) for entry in entries]


class TestNpy(SourceContract):
    def make_source(self, tmp_path: Path) -> VectorSource:
        return make_source(write_npy(tmp_path / "a.npy"))


class TestParquet(SourceContract):
    def make_source(self, tmp_path: Path) -> VectorSource:
        return make_source(write_parquet(tmp_path / "a.parquet", id=["a", "b", "c", "d"]), key="id")


def test_keys_are_the_numbers_of_rows(tmp_path):
    expected = [(str(number), row, {}) for number, row in enumerate(ROWS.tolist())]
    head = struct.pack("<i", 10)
    (tmp_path / "a.fvecs").write_bytes(b"".join(head + row.tobytes() for row in ROWS))
    (tmp_path / "a.fbin").write_bytes(struct.pack("<II", 4, 10) + ROWS.tobytes())
    write_npy(tmp_path / "a.npy")
    write_parquet(tmp_path / "a.parquet")
    for name in ("a.fvecs", "a.fbin", "a.npy", "a.parquet"):
        source = make_source(tmp_path / name)
        assert describe(source) == expected
        assert source.count() == 4


def test_several_files_and_patterns(tmp_path):
    write_npy(tmp_path / "b.npy", ROWS[2:])
    write_npy(tmp_path / "a.npy", ROWS[:2])
    write_parquet(tmp_path / "p-1.parquet", ROWS[:1], id=["x"])
    write_parquet(tmp_path / "p-2.parquet", ROWS[1:], id=["y", "z", "w"])
    listed = make_source([tmp_path / "b.npy", tmp_path / "a.npy"])
    assert [item.key for item in listed] == ["b.npy:0", "b.npy:1", "a.npy:0", "a.npy:1"]
    assert [item.key for item in make_source(tmp_path / "?.npy")] == ["a.npy:0", "a.npy:1", "b.npy:0", "b.npy:1"]
    assert [item.key for item in make_source(tmp_path / "p-*.parquet", key="id")] == ["x", "y", "z", "w"]
    assert make_source(tmp_path / "?.npy").count() == 4
    with pytest.raises(SourceError, match="no file fits"):
        list(make_source(tmp_path / "c*.npy"))
    (tmp_path / "more").mkdir()
    write_npy(tmp_path / "more" / "a.npy")
    with pytest.raises(SourceError, match=r"two files are named a.npy"):
        list(make_source([tmp_path / "a.npy", tmp_path / "more" / "a.npy"]))


def test_ids_of_a_file(tmp_path):
    path = write_npy(tmp_path / "a.npy")
    write_parquet(tmp_path / "a.parquet")
    np.save(tmp_path / "numbers.npy", np.array([7, 5, 3, 2**62], np.int64))
    np.save(tmp_path / "texts.npy", np.array(["a", "bé", "c", "d"]))
    (tmp_path / "ids.txt").write_text("x\ny\nz\nw\n")
    for name, keys in (
        ("numbers.npy", ["7", "5", "3", str(2**62)]),
        ("texts.npy", ["a", "bé", "c", "d"]),
        ("ids.txt", ["x", "y", "z", "w"]),
    ):
        assert [item.key for item in make_source(path, ids=tmp_path / name)] == keys
        assert [item.key for item in make_source(tmp_path / "a.parquet", ids=tmp_path / name)] == keys


@pytest.mark.parametrize(
    ("ids", "reason"),
    [
        (np.arange(3), "ids.npy has 3 ids, and there are 4 vectors"),
        (np.array([1, None, 2, 3], object), "cannot be read: "),
        (np.ones((4, 1), int), "whole numbers or texts in one dimension"),
        (np.ones(4), "whole numbers or texts"),
    ],
)
def test_ids_that_do_not_fit(tmp_path, ids, reason):
    np.save(tmp_path / "ids.npy", ids, allow_pickle=True)
    with pytest.raises(SourceError, match=re.escape(reason)):
        list(make_source(write_npy(tmp_path / "a.npy"), ids=tmp_path / "ids.npy"))


def test_a_missing_file_of_ids(tmp_path):
    with pytest.raises(SourceError, match="there is no file"):
        list(make_source(write_npy(tmp_path / "a.npy"), ids=tmp_path / "ids.npy"))


def test_metadata_of_a_table(tmp_path):
    path = write_npy(tmp_path / "a.npy")
    (tmp_path / "t.csv").write_text("id,title,year\na,one,1\nb,two,2\nc,three,3\nd,four,4\n")
    (tmp_path / "t.jsonl").write_text("\n".join(f'{{"id": "{key}", "year": {n}}}' for n, key in enumerate("abcd")))
    parquet.write_table(pa.table({"id": list("abcd"), "year": [1, 2, 3, 4]}), tmp_path / "t.parquet")
    found = describe(make_source(path, table=tmp_path / "t.csv", key="id", metadata=["year"]))
    assert found == [(key, ROWS[n].tolist(), {"year": str(n + 1)}) for n, key in enumerate("abcd")]
    found = describe(make_source(path, table=tmp_path / "t.csv"))
    assert found[1] == ("1", ROWS[1].tolist(), {"id": "b", "title": "two", "year": "2"})
    assert [item.metadata for item in make_source(path, table=tmp_path / "t.jsonl", key="id")][2] == {"year": 2}
    assert [item.metadata for item in make_source(path, table=tmp_path / "t.parquet", key="id")][2] == {"year": 3}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("id\na\nb\nc\n", "t.csv has 3 rows, and there are 4 vectors"),
        ("id\na\nb\nc\nd\ne\n", "t.csv has more than 4 rows"),
        ("name\na\nb\nc\nd\n", "has no column 'id'; its columns are name"),
        ("id,x\na,1\n,\nc,1\nd,1\ne,1", "has no row for the vector 1"),
    ],
)
def test_a_table_that_does_not_fit(tmp_path, text, reason):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(SourceError, match=re.escape(reason)):
        list(make_source(write_npy(tmp_path / "a.npy"), table=tmp_path / "t.csv", key="id"))


def test_a_row_of_the_table_that_cannot_be_read_is_a_failure_and_moves_no_other(tmp_path):
    (tmp_path / "t.csv").write_text('id,x\na,1\nb,"2\nc,3\nd,4\n')
    entries = list(make_source(write_npy(tmp_path / "a.npy"), table=tmp_path / "t.csv"))
    assert [type(entry) for entry in entries] == [Item, Failure, Item, Item]
    assert (entries[1].key, entries[1].hides_items) == ("1", False)
    assert describe([entries[2]]) == [("2", ROWS[2].tolist(), {"id": "c", "x": "3"})]


def test_columns_of_parquet(tmp_path):
    other = pa.array([[1.0]] * 4)
    path = write_parquet(
        tmp_path / "a.parquet", id=[3, 1, 2, None], title=list("abcd"), year=[1, None, 3, 4], more=other
    )
    entries = list(make_source(path, column="emb", key="id"))
    assert describe(entries[:3]) == [
        ("3", ROWS[0].tolist(), {"title": "a", "year": 1}),
        ("1", ROWS[1].tolist(), {"title": "b", "year": None}),
        ("2", ROWS[2].tolist(), {"title": "c", "year": 3}),
    ]
    assert (entries[3].key, entries[3].message, entries[3].hides_items) == ("row 3", "row 3 has no key", False)
    chosen = make_source(path, column="emb", metadata=["year", "id"])
    assert next(iter(chosen)).metadata == {"year": 1, "id": 3}
    for params, reason in (
        ({"column": "emb", "key": "uid"}, "has no column 'uid'"),
        ({"column": "emb", "metadata": ["when"]}, "has no column 'when'"),
        ({}, "has 2 columns of vectors"),
    ):
        with pytest.raises(SourceError, match=reason):
            list(make_source(path, **params))


def test_rows_that_are_no_vectors_are_failures_under_their_keys(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", [ROWS[0], None, ROWS[2][:3], ROWS[3]], id=list("abcd"))
    entries = list(make_source(path, key="id"))
    assert [(entry.key, type(entry)) for entry in entries] == [("a", Item), ("b", Failure), ("c", Failure), ("d", Item)]
    assert [entry.message for entry in entries[1:3]] == ["row 1 is null", "row 2 has 3 numbers, the first vector 10"]
    assert not any(entry.hides_items for entry in entries[1:3])


def test_the_version_follows_the_vector_alone(tmp_path):
    first = [item.version for item in make_source(write_npy(tmp_path / "a.npy"))]
    changed = ROWS.copy()
    changed[2, 5] += 1e-3
    again = [item.version for item in make_source(write_npy(tmp_path / "a.npy", changed))]
    assert [one == other for one, other in zip(first, again, strict=True)] == [True, True, False, True]
    assert first == [item.version for item in make_source(write_npy(tmp_path / "f.npy", np.asfortranarray(ROWS)))]
    assert len(set(first)) == 4


def test_a_file_larger_than_a_block_is_read_in_order(tmp_path):
    rows = np.arange(300_000, dtype=np.float32).reshape(-1, 20)
    keys = [str(number) for number in range(len(rows))]
    for path in (write_npy(tmp_path / "a.npy", rows), write_parquet(tmp_path / "a.parquet", rows)):
        items = list(make_source(path))
        assert [item.key for item in items] == keys
        assert np.array_equal(np.stack([item.content for item in items]), rows)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"path": "a.csv"}, "vectors are read from .npy"),
        ({"path": []}, "at least 1 item"),
        ({"path": "a.npy", "column": "emb"}, "column has no effect"),
        ({"path": "a.npy", "key": "id"}, "key and metadata name columns"),
        ({"path": "a.parquet", "key": "id", "ids": "ids.npy"}, "remove one of them"),
        ({"path": "a.parquet", "table": "t.csv"}, "table has no effect on a parquet file"),
        ({"path": ["a.npy", "b.npy"], "table": "t.csv"}, "belong to one file of vectors"),
        ({"path": "a*.npy", "ids": "i.npy"}, "belong to one file of vectors"),
    ],
)
def test_parameters_that_make_no_sense(params, reason):
    with pytest.raises(ValidationError, match=re.escape(reason)):
        VectorSource.Params(**params)


def test_a_count_of_files_that_cannot_be_read_is_unknown(tmp_path):
    assert make_source(tmp_path / "none.npy").count() is None


class TestSuggestion:
    def test_each_kind_gets_its_metric(self, tmp_path):
        floats, bits = write_npy(tmp_path / "a.npy"), write_npy(tmp_path / "b.npy", np.ones((2, 16), bool))
        (tmp_path / "a.u8bin").write_bytes(struct.pack("<II", 1, 8) + bytes(8))
        assert suggest_solution(floats) == Suggestion(
            {"type": "vectors", "path": str(floats)}, {"type": "vectors", "dimension": 10, "metric": "COSINE"}
        )
        assert suggest_solution(bits).encoder == {"type": "vectors", "dimension": 16, "metric": "JACCARD"}
        assert suggest_solution(tmp_path / "a.u8bin").encoder == {"type": "vectors", "dimension": 8, "metric": "L2"}

    def test_a_table_with_one_column_of_vectors_has_its_key(self, tmp_path):
        path = write_parquet(tmp_path / "a.parquet", title=list("abcd"), ID=[1, 2, 3, 4])
        assert suggest_solution(path).source == {"type": "vectors", "path": str(path), "key": "ID"}

    def test_others_are_left_to_others(self, tmp_path):
        parquet.write_table(pa.table({"id": [1], "text": ["a"]}), tmp_path / "a.parquet")
        write_parquet(tmp_path / "ratings.parquet", ROWS[:, :3], id=list("abcd"))
        (tmp_path / "a.csv").write_text("id\n1\n")
        for name in ("a.parquet", "ratings.parquet", "a.csv", "none.npy"):
            assert suggest_solution(tmp_path / name) is None
        (tmp_path / "broken.npy").write_text("no")
        with pytest.raises(SourceError, match=r"numpy.save"):
            suggest_solution(tmp_path / "broken.npy")
