"""The source ``table`` on JSON lines and parquet, and what is no table."""

from __future__ import annotations

import gzip
import json
import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import orjson
import pytest
from pydantic import ValidationError

from source_helpers import MIB, make_table, read_contents, read_failures, write_file
from vicinal import Failure, Item
from vicinal.errors import SourceError
from vicinal_files.parquetfile import to_json_value
from vicinal_files.text import MAX_LINE_BYTES


class TestJsonl:
    def test_values_keep_their_types(self, tmp_path):
        row = {"id": 7, "text": "a", "n": 1.5, "b": True, "none": None, "tags": ["x"], "deep": {"y": 1}}
        found = list(make_table(tmp_path / "a.jsonl", json.dumps(row) + "\n\n"))
        assert found == [Item("7", "a", "", {key: row[key] for key in ("n", "b", "none", "tags", "deep")})]
        assert read_contents(make_table(tmp_path / "a.ndjson", '{"id": "x", "text": 5}')) == {"x": "5"}
        assert read_contents(make_table(tmp_path / "b.jsonl", '{"id": "x", "text": [1, 2]}')) == {"x": [1, 2]}

    def test_bad_lines_are_failures_with_line_and_column(self, tmp_path):
        good = '{"id": "%d", "text": "a"}'
        source = make_table(
            tmp_path / "a.jsonl",
            "\n".join(
                [
                    good % 1, '{"id": 2,}', "[1, 2]", '{"text": "x"}', '{"id": null, "text": "x"}',
                    '{"id": "6", "txt": 1}', '{"id": "7", "text": null}', '{"id": [8], "text": "x"}',
                    '{"id": "9", "text": "\\ud800"}', good % 10,
                ]
            ),
        )  # fmt: skip
        found = read_failures(source)
        assert list(read_contents(source)) == ["1", *(f"!{key}" for key in found), "10"]
        assert list(found) == ["row 2", "row 3", "row 4", "row 5", "6", "7", "row 8", "row 9"]
        hiding = {entry.key: entry.hides_items for entry in source if isinstance(entry, Failure)}
        assert [key for key in hiding if hiding[key]] == ["row 2", "row 3", "row 9"]  # their keys cannot be read
        assert found["row 2"] == "row 2: line 2, column 9: not JSON, trailing comma is not allowed"
        assert found["row 3"] == "row 3: line 3, column 1: a JSON list, not an object"
        assert found["6"] == "row 6: it has no content column 'text' (did you mean 'txt'?)"

    def test_numbers_beyond_64_bits_keep_their_digits(self, tmp_path):
        keys = ["18446744073709551616", "18446744073709551617", "-9223372036854775809", "1" * 300]
        rows = [f'{{"id": {key}, "text": {key}, "n": {key}, "deep": [{{"n": {key}}}], "f": 0.5}}' for key in keys]
        found = list(make_table(tmp_path / "a.jsonl", "\n".join(rows)))
        assert found == [Item(key, key, "", {"n": key, "deep": [{"n": key}], "f": 0.5}) for key in keys]
        assert json.loads(orjson.dumps(found[0].metadata)) == found[0].metadata

    @pytest.mark.parametrize("number", [2**64 - 1, 2**63, -(2**63), 0, 1e300, -1.5e20, 0.1])
    def test_other_numbers_stay_numbers(self, tmp_path, number):
        line = json.dumps({"id": 10**20, "text": "a", "n": number, "more": [number]})
        (item,) = make_table(tmp_path / "a.jsonl", line)
        assert item == Item("1" + "0" * 20, "a", "", {"n": number, "more": [number]})
        assert type(item.metadata["n"]) is type(number)
        (item,) = make_table(tmp_path / "a.jsonl", json.dumps({"id": number, "text": "a"}))
        assert item.key == str(number)

    @pytest.mark.parametrize("text", ['[{"id": 1, "text": "a"}]', '[\n{"id": 1}\n]', '{\n"rows": [{"id": 1}]\n}'])
    def test_one_document_in_place_of_lines_is_refused(self, tmp_path, text):
        with pytest.raises(SourceError, match="not an object on each line") as caught:
            list(make_table(tmp_path / "a.jsonl", text))
        assert "a-converted.jsonl" in caught.value.hint

    def test_not_utf8_too_long_and_empty(self, tmp_path):
        good = b'{"id": "x", "text": "a"}\n'
        long = b'{"id": "y", "text": "' + b"x" * 2 * MAX_LINE_BYTES + b'"}\n'
        source = make_table(tmp_path / "a.jsonl", good + b'{"id": "\xff"}\n' + long + good)
        assert read_failures(source) == {
            "row 2": "row 2: line 2 is not UTF-8: byte 0xff at position 9"
            "; the file may be cp1252: set `encoding: cp1252`",
            "row 3": "row 3: line 3 has 32.0 MB, the limit is 16.0 MB",
        }
        assert list(make_table(tmp_path / "b.jsonl", "")) == []
        assert make_table(tmp_path / "c.jsonl", good * 3).count() == 3

    def test_gzip_and_truncated_gzip(self, tmp_path):
        rows = "".join(json.dumps({"id": n, "text": os.urandom(9).hex()}) + "\n" for n in range(9000))
        packed = gzip.compress(rows.encode())
        assert len(read_contents(make_table(tmp_path / "a.jsonl.gz", packed))) == 9000
        assert "is truncated" in list(make_table(tmp_path / "b.jsonl.gz", packed[:-2000]))[-1].message


class TestParquet:
    def write_parquet(self, path: Path, columns: dict, **options) -> Path:
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.table(columns), path, **options)
        return path

    def test_values_become_json(self, tmp_path):
        import pyarrow

        columns = {
            "id": [1],
            "text": ["a"],
            "day": [date(2024, 2, 29)],
            "at": pyarrow.array([datetime(2024, 2, 29, 12, tzinfo=UTC)], pyarrow.timestamp("ns", "Europe/Berlin")),
            "price": [Decimal("12.50")],
            "nan": [float("nan")],
            "raw": [b"\xff\x00"],
            "name": [b"plain"],
            "tags": [["x", "y"]],
            "took": pyarrow.array([1_500_000_001], pyarrow.duration("ns")),
            "clock": pyarrow.array([1_000_000_001], pyarrow.time64("ns")),
            "kind": pyarrow.array(["cat"]).dictionary_encode(),
            "none": pyarrow.nulls(1),
        }
        (item,) = make_table(self.write_parquet(tmp_path / "a.parquet", columns))
        assert (item.key, item.content) == ("1", "a")
        assert json.loads(json.dumps(item.metadata)) == {
            "day": "2024-02-29",
            "at": "2024-02-29T12:00:00+00:00",
            "price": 12.5,
            "nan": None,
            "raw": "/wA=",
            "name": "plain",
            "tags": ["x", "y"],
            "took": 1.5,
            "clock": "00:00:01",
            "kind": "cat",
            "none": None,
        }

    def test_decimals_keep_their_digits(self, tmp_path):
        keys = [Decimal("12345678901234567890123456789012345678"), Decimal("12345678901234567890123456789012345679")]
        columns = {
            "id": keys,
            "text": ["a", "b"],
            "n": [Decimal(7), Decimal(-(2**63) - 1)],
            "price": [Decimal("0.50"), Decimal("0.10")],
        }
        assert list(make_table(self.write_parquet(tmp_path / "a.parquet", columns))) == [
            Item(str(keys[0]), "a", "", {"n": 7, "price": 0.5}),
            Item(str(keys[1]), "b", "", {"n": "-9223372036854775809", "price": 0.1}),
        ]
        assert to_json_value(Decimal("0.12345678901234567890")) == "0.12345678901234567890"
        assert [to_json_value(Decimal(text)) for text in ("NaN", "Infinity", "1E+5")] == [None, None, 100000.0]

    def test_other_values_become_json_too(self):
        value = {1: np.float32(0.5), "a": np.arange(2), "t": (timedelta(minutes=1), Decimal("NaN")), "p": Path("x")}
        assert to_json_value(value) == {"1": 0.5, "a": [0, 1], "t": [60.0, None], "p": "x"}

    def test_rows_keep_their_order_and_numbers_over_row_groups(self, tmp_path):
        keys = [str(n) if n != 1500 else None for n in range(3000)]
        columns = {"id": keys, "text": ["t"] * 3000, "more": [1] * 3000}
        source = make_table(self.write_parquet(tmp_path / "a.parquet", columns, row_group_size=1000), metadata=[])
        assert source.count() == 3000
        assert list(read_contents(source)) == [key or "!row 1501" for key in keys]
        assert next(iter(source)) == Item("0", "t")

    def test_a_value_that_cannot_be_read_costs_only_its_row(self, tmp_path):
        import pyarrow

        texts = pyarrow.array([b"a", b"\xff", b"c"], pyarrow.binary()).view(pyarrow.string())
        far = pyarrow.array([0, 0, 10**15], pyarrow.timestamp("s"))
        source = make_table(
            self.write_parquet(tmp_path / "a.parquet", {"id": ["1", "2", "3"], "text": texts, "far": far})
        )
        found = read_failures(source)
        assert list(read_contents(source)) == ["1", "!row 2", "!row 3"]
        assert "its column 'text' cannot be read" in found["row 2"] and "'far'" in found["row 3"]

    def test_what_is_no_parquet_file_is_an_error(self, tmp_path):
        for path in (write_file(tmp_path / "a.parquet", "no"), tmp_path / "none.parquet"):
            with pytest.raises(SourceError, match=r"is not a parquet file|does not exist"):
                list(make_table(path))
            assert make_table(path).count() is None
        with pytest.raises(SourceError, match=r"no column 'text' \(did you mean 'txt'\?\)"):
            list(make_table(self.write_parquet(tmp_path / "b.parquet", {"id": [1], "txt": [2]})))

    def test_a_damaged_row_group_costs_only_its_rows(self, tmp_path):
        columns = {"id": [str(n) for n in range(3000)], "text": [os.urandom(20).hex() for _ in range(3000)]}
        path = self.write_parquet(tmp_path / "a.parquet", columns, row_group_size=1000, compression="zstd")
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            chunk = file.metadata.row_group(1).column(1)
            start, size = chunk.dictionary_page_offset or chunk.data_page_offset, chunk.total_compressed_size
        data = path.read_bytes()
        write_file(path, data[: start + 50] + bytes(size - 60) + data[start + size - 10 :])
        found = list(make_table(path))
        (failure,) = [item for item in found if isinstance(item, Failure)]
        assert failure.key == "row 1001" and "all to row 2000 cannot be read" in failure.message
        assert len(found) == 2001

    def test_large_cells_come_in_small_batches(self, tmp_path):
        import pyarrow

        columns = {"id": [str(n) for n in range(100)], "text": [os.urandom(MIB // 4).hex() for n in range(100)]}
        path = self.write_parquet(tmp_path / "a.parquet", columns, use_dictionary=False, write_batch_size=1)
        del columns
        before = pyarrow.total_allocated_bytes()
        peak = max(pyarrow.total_allocated_bytes() - before for _ in make_table(path))
        assert peak < 15 * MIB


def test_a_table_of_another_kind_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(
        ValidationError, match=r"a\.xlsx is a spreadsheet: save it as CSV UTF-8 in the spreadsheet, or: "
    ):
        make_table(tmp_path / "a.xlsx")
    with pytest.raises(ValidationError, match=r"b\.json is a JSON array: make a table of it: "):
        make_table(tmp_path / "b.json", "[]")


def test_a_table_of_another_kind_is_refused_by_its_parameters(tmp_path):
    for name in ("a.xlsx", "a.parquet.gz", "a", "csv"):
        with pytest.raises(ValidationError, match="a table is a"):
            make_table(tmp_path / name)
    for delimiter in ('"', "\n", "", "ab"):
        with pytest.raises(ValidationError):
            make_table(tmp_path / "a.csv", delimiter=delimiter)
