"""The source ``table`` on csv: rows, headers, quotes, limits."""

from __future__ import annotations

import csv
import gzip
import json
import os
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from source_helpers import MIB, make_table, read_contents, read_failures
from vicinal import Item
from vicinal.errors import SourceError
from vicinal_files.text import MAX_LINE_BYTES


class TestCsv:
    def test_rows_become_items(self, tmp_path):
        source = make_table(tmp_path / "a.csv", 'id,text,label,n\r\na,"one, two",x,1\r\nb,"say ""hi""\nthere",y,\r\n')
        assert list(source) == [
            Item("a", "one, two", "", {"label": "x", "n": "1"}),
            Item("b", 'say "hi"\nthere', "", {"label": "y", "n": ""}),
        ]

    def test_metadata_columns_can_be_chosen(self, tmp_path):
        source = make_table(tmp_path / "a.csv", "id,text,label,n\na,b,x,1\n", metadata=["n", "id"])
        assert list(source) == [Item("a", "b", "", {"n": "1", "id": "a"})]
        assert list(make_table(tmp_path / "a.csv", metadata=[])) == [Item("a", "b")]
        assert list(make_table(tmp_path / "a.csv", key="text")) == [
            Item("b", "b", "", {"id": "a", "label": "x", "n": "1"})
        ]

    def test_tsv_and_other_delimiters(self, tmp_path):
        assert read_contents(make_table(tmp_path / "a.tsv", "id\ttext\n1\ta, b\n")) == {"1": "a, b"}
        assert read_contents(make_table(tmp_path / "a.csv", "id;text\n1;a, b\n", delimiter=";")) == {"1": "a, b"}
        assert read_contents(make_table(tmp_path / "b.tsv", 'id\ttext\n1\t"a" b\n2\t"c\n', quotes=False)) == {
            "1": '"a" b',
            "2": '"c',
        }

    @pytest.mark.parametrize(
        "data", [b"\xef\xbb\xbfid,text\n1,a\n\n2,b", b"id,text\r1,a\r2,b\r", b"\n\nid,text\n1,a\n2,b\n"]
    )
    def test_byte_order_mark_line_ends_and_blank_lines(self, tmp_path, data):
        assert read_contents(make_table(tmp_path / "a.csv", data)) == {"1": "a", "2": "b"}

    @pytest.mark.parametrize("first", ["sep=;\n", "SEP=;\r\n", '"sep=;"\n', "\ufeffsep=;\n"])
    def test_excel_names_the_delimiter_in_the_first_line(self, tmp_path, first):
        source = make_table(tmp_path / "a.csv", first + 'id;text\n1;"a, b"\n2;c;d\n')
        assert read_contents(source) == {"1": "a, b", "!row 2": ""}
        assert read_failures(source) == {"row 2": "row 2: it has 3 cells, the header has 2 (line 4)"}

    def test_the_first_line_of_excel_yields_to_the_config(self, tmp_path):
        data = "sep=;\nid,text\n1,a\n"
        assert read_contents(make_table(tmp_path / "a.csv", data, delimiter=",")) == {"1": "a"}
        with pytest.raises(SourceError, match="not separated by ';': its header is 'id,text'") as caught:
            list(make_table(tmp_path / "a.csv"))
        assert caught.value.hint == 'set `delimiter: ","`, or `delimiter: ";"` if it really has one column'
        with pytest.raises(SourceError, match="is empty"):
            list(make_table(tmp_path / "b.csv", "sep=;\n"))

    @pytest.mark.parametrize(
        ("name", "text", "delimiter", "default"),
        [
            ("a.csv", "id;text;year\n1;one;2020\n2;two, three;2021\n", '";"', '","'),
            ("a.csv", "id\ttext\n1\tone\n", r'"\t"', '","'),
            ("a.csv", "id|text\n1|one\n", '"|"', '","'),
            ("a.tsv", "id,text\n1,one\n", '","', r'"\t"'),
        ],
    )
    def test_one_column_that_another_delimiter_would_cut_is_refused(self, tmp_path, name, text, delimiter, default):
        """Though its name is what the YAML says, as a guess without a look at the delimiter wrote it."""
        header = text.splitlines()[0]
        with pytest.raises(SourceError, match=f"{name} are not separated by ") as caught:
            list(make_table(tmp_path / name, text, key=header, content=header))
        assert (
            caught.value.hint == f"set `delimiter: {delimiter}`, or `delimiter: {default}` if it really has one column"
        )
        as_one = make_table(tmp_path / name, key=header, content=header, delimiter=json.loads(default), metadata=[])
        assert next(iter(as_one)).key == text.splitlines()[1]
        with pytest.raises(SourceError, match="no column 'id'") as caught:
            list(make_table(tmp_path / name, delimiter=json.loads(default)))
        assert caught.value.hint == f"set `delimiter: {delimiter}`"

    def test_one_column_that_no_delimiter_cuts_is_one(self, tmp_path):
        source = make_table(
            tmp_path / "a.csv",
            "question; please\nfree text\nmore\n",
            key="question; please",
            content="question; please",
        )
        assert list(read_contents(source)) == ["free text", "more"]

    def test_columns_without_a_name_are_called_by_their_position(self, tmp_path):
        source = make_table(tmp_path / "a.csv", "id,text,,\n1,a,,\n2,b,note,\n")
        assert list(source) == [Item("1", "a"), Item("2", "b", "", {"column 3": "note"})]
        assert read_contents(make_table(tmp_path / "b.csv", ",text\n0,a\n", key="column 1")) == {"0": "a"}

    def test_empty_cells_beyond_the_header_and_rows_of_them_are_left_out(self, tmp_path):
        source = make_table(tmp_path / "a.csv", "id,text\n1,a,\n,,,\n,\n2,b,,,\n3,c,,x\n")
        assert read_contents(source) == {"1": "a", "2": "b", "!row 5": ""}
        assert read_failures(source) == {"row 5": "row 5: it has 4 cells, the header has 2 (line 6)"}

    def test_a_missing_column_is_an_error_that_suggests(self, tmp_path):
        with pytest.raises(SourceError, match=r"no column 'id' \(did you mean 'ID'\?\); its columns are 'ID', 'txt'"):
            list(make_table(tmp_path / "a.csv", "ID,txt\n1,a\n"))
        with pytest.raises(SourceError, match=r"no column 'text' \(did you mean 'txt'\?\)") as caught:
            list(make_table(tmp_path / "a.csv", key="ID"))
        assert "`content`" in caught.value.hint
        with pytest.raises(SourceError, match="no column 'labl'"):
            list(make_table(tmp_path / "a.csv", "id,text,label\n", metadata=["labl"]))

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ("", "is empty"),
            ("\n\n", "is empty"),
            ("id,text,id\n", "two columns named 'id'"),
            ('id,"text\n1,a\n', "header of .* cannot be read: a quote opens in line 1"),
            (b"id,t\xffxt\n", "header of .* cannot be read: not UTF-8"),
            (b"PK\x03\x04\0\0\0", "is a zip archive, not a text file"),
        ],
    )
    def test_a_file_without_a_usable_header_is_an_error(self, tmp_path, data, message):
        with pytest.raises(SourceError, match=message):
            list(make_table(tmp_path / "a.csv", data))

    def test_a_header_alone_has_no_items(self, tmp_path):
        source = make_table(tmp_path / "a.csv", "id,text\n")
        assert (list(source), source.count()) == ([], 0)

    def test_bad_rows_are_failures_in_their_place(self, tmp_path):
        source = make_table(tmp_path / "a.csv", "id,text,n\n1,a,1\n,b,1\n  ,b,1\n4\n5,e\n6,f,1,2\n7,,1\n")
        assert list(read_contents(source)) == ["1", "!row 2", "!row 3", "!4", "5", "!row 6", "7"]
        assert read_failures(source) == {
            "row 2": "row 2: its key in column 'id' is empty",
            "row 3": "row 3: its key in column 'id' is empty",
            "4": "row 4: it has no content column 'text'",
            "row 6": "row 6: it has 4 cells, the header has 3 (line 7)",
        }
        assert [x.metadata for x in source if x.key in ("5", "7")] == [{}, {"n": "1"}]
        assert list(read_failures(make_table(tmp_path / "b.csv", "text,id\na\n"))) == ["row 1"]

    @pytest.mark.parametrize("key", ["\u200b", "\ufeff", "\u2800\u00a0", "\x01\x7f", "\u3164", "\u200d\ufe0f"])
    def test_a_key_that_shows_nothing_is_empty(self, tmp_path, key):
        found = read_failures(make_table(tmp_path / "a.csv", f"text,id\na,{key}\nb,é\n"))
        assert found == {"row 1": "row 1: its key in column 'id' is empty"}

    def test_messages_stay_short(self, tmp_path):
        (failure,) = make_table(tmp_path / "a.csv", f"id,text\n{'k' * 5000}\n")
        assert failure.key == "k" * 1024
        with pytest.raises(SourceError) as caught:
            list(make_table(tmp_path / "b.csv", f"{'x' * 5000},text\n"))
        assert len(str(caught.value)) < 400

    def test_a_row_that_is_not_utf8_costs_only_itself(self, tmp_path):
        rows = b'id,text\n1,a\n2,caf\xe9\n3,c\n4,"x\ny\xff\nz"\n5,\xc3\xa9\n'
        source = make_table(tmp_path / "a.csv", rows)
        assert list(read_contents(source)) == ["1", "!row 2", "3", "!row 4", "5"]
        assert read_failures(source)["row 2"] == "row 2: not UTF-8: byte 0xe9 at position 6 (line 3)"

    def test_the_limit_of_a_cell(self, tmp_path):
        source = make_table(tmp_path / "a.csv", f"id,text\n1,{'x' * (10 * MIB)}\n2,{'y' * MIB}\n3,c\n")
        assert list(read_contents(source)) == ["!1", "2", "3"]
        assert read_failures(source)["1"] == "row 1: its content in column 'text' has 10.0 MB, the limit is 1.0 MB"

    @pytest.mark.parametrize("cell", ["x", 'quoted "" ', '"quoted\n'])
    def test_a_line_above_the_limit_is_not_held(self, tmp_path, cell):
        end = 'end"' if cell.startswith('"') else ""
        source = make_table(
            tmp_path / "a.csv", f"id,text\n1,a\n2,{cell * (MAX_LINE_BYTES * 2 // len(cell))}{end}\n3,c\n"
        )
        if cell.startswith('"'):
            data = f'id,text\n1,a\n2,"{"x" * 2 * MAX_LINE_BYTES}\n{end}\n3,c\n'
            source = make_table(tmp_path / "a.csv", data)
        assert list(read_contents(source)) == ["1", "!row 2", "3"]
        assert "the limit is 16.0 MB" in read_failures(source)["row 2"]

    def test_the_process_wide_field_limit_is_never_lowered(self, tmp_path):
        before = csv.field_size_limit(1 << 40)
        try:
            list(make_table(tmp_path / "a.csv", "id,text\n1,a\n"))
            assert csv.field_size_limit() == 1 << 40
        finally:
            csv.field_size_limit(before)

    def test_gzip_and_truncated_gzip(self, tmp_path):
        rows = [f"{n},{os.urandom(20).hex()}\n" for n in range(5000)]
        packed = gzip.compress("".join(["id,text\n", *rows]).encode())
        assert len(read_contents(make_table(tmp_path / "a.csv.gz", packed))) == 5000
        found = list(make_table(tmp_path / "b.csv.gz", packed[: len(packed) // 2]))
        assert all(isinstance(item, Item) for item in found[:-1]) and len(found) > 2000
        assert found[-1].key == f"row {len(found)}" and "is truncated" in found[-1].message
        assert make_table(tmp_path / "a.csv.gz").count() is None

    def test_count_is_about_right(self, tmp_path):
        rows = "".join(f"{n},{'x' * (n % 50)}\n" for n in range(50_000))
        assert make_table(tmp_path / "a.csv", f"id,text\n{rows}").count() == pytest.approx(50_000, rel=0.1)

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2), max_size=8))
    def test_reads_whatever_python_csv_writes(self, tmp_path, rows):
        with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([["n", "text", "id"], *([*row, n] for n, row in enumerate(rows))])
        if b"\0" not in (tmp_path / "a.csv").read_bytes():
            found = list(make_table(tmp_path / "a.csv"))
            assert found == [Item(str(n), text, "", {"n": cell}) for n, (cell, text) in enumerate(rows)]

    @settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"a", b"1", b"\xff", b"\xc3\xa9"]), max_size=40))
    def test_good_rows_below_any_garbage_are_found(self, tmp_path, pieces):
        data = b"id,text\n" + b"".join(pieces) + b'\nlast,row\n"x","y"\n'
        found = list(make_table(tmp_path / "a.csv", data, encoding="utf-8"))
        assert Item("last", "row") in found
        assert found[-1] == Item("x", "y")


class TestUnclosedQuotes:
    @pytest.mark.parametrize("quoted_later", ["20,plain", '20,"quoted, cell"', '20,"two\nlines"'])
    def test_the_row_is_named_and_the_rows_below_are_kept(self, tmp_path, quoted_later):
        rows = [f"{n},text {n}" for n in range(1, 31)]
        rows[4] = '5,"never closed'
        rows[19] = quoted_later
        found = make_table(tmp_path / "a.csv", "\n".join(["id,text", *rows]))
        assert list(read_contents(found)) == [str(n) if n != 5 else "!row 5" for n in range(1, 31)]
        assert "row 5: a quote opens in line 6 and is not closed" in read_failures(found)["row 5"]

    def test_rows_that_may_be_part_of_the_cell_are_failures(self, tmp_path):
        found = make_table(tmp_path / "a.csv", 'id,text\n1,"line one\nline two" and more\n3,c\n4,d\n')
        assert list(read_contents(found)) == ["!row 1", "!row 2", "3", "4"]
        assert "follows a quote that is not closed" in read_failures(found)["row 2"]

    def test_text_after_a_closing_quote_costs_only_its_row(self, tmp_path):
        found = make_table(tmp_path / "a.csv", 'id,text\n1,"a" b\n2,b\n3,5" pipe\n')
        assert list(read_contents(found)) == ["!row 1", "2", "3"]
        assert "its quotes are not csv" in read_failures(found)["row 1"]

    def test_many_of_them(self, tmp_path):
        rows = "".join(f'{n},"{n}\n' if n % 2 else f"{n},x\n" for n in range(2000))
        found = read_contents(make_table(tmp_path / "a.csv", f"id,text\n{rows}"))
        assert set(found) >= {str(n) for n in range(0, 2000, 2)}

    def test_memory_stays_bounded(self, tmp_path):
        path = tmp_path / "a.csv"
        with path.open("w") as stream:
            stream.write('id,text\n0,"never closed\n')
            stream.writelines(f"{n},{'x' * 5000}\n" for n in range(1, 40_000))
        tracemalloc.start()
        found = sum(isinstance(item, Item) for item in make_table(path))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found == 39_999
        assert peak < path.stat().st_size * 0.6
