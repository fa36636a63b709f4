"""The sources ``folder``, ``table`` and ``lines``, on real files, and the command ``peek``."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
import tracemalloc
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from vicinal import Failure, Item, create_manager, hookimpl
from vicinal.errors import SourceError
from vicinal_files import folder as folder_module
from vicinal_files.folder import Folder
from vicinal_files.globs import matcher
from vicinal_files.lines import Lines
from vicinal_files.parquetfile import json_value
from vicinal_files.peek import peek
from vicinal_files.table import Table
from vicinal_files.text import MAX_LINE, MAX_TEXT

MIB = 1 << 20


def write(path: Path, data: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def table(path: Path, data: str | bytes | None = None, **params) -> Table:
    if data is not None:
        write(path, data)
    return Table(Table.Params(**{"path": path, "key": "id", "content": "text", **params}))


def lines(path: Path, data: str | bytes) -> Lines:
    return Lines(Lines.Params(path=write(path, data)))


def contents(source) -> dict[str, str]:
    """Key and content of the items; of the failures, ``!`` and the key."""
    return {f"!{x.key}" if isinstance(x, Failure) else x.key: getattr(x, "content", "") for x in source}


def failures(source) -> dict[str, str]:
    found = [x for x in source if isinstance(x, Failure)]
    assert {failure.stage for failure in found} <= {"read"}
    return {failure.key: failure.message for failure in found}


class TestRegistration:
    def test_the_entry_point_registers_three_sources_and_a_command(self):
        manager = create_manager()
        row = next(row for row in manager.rows if row.name == "files")
        assert (row.status, row.sources) == ("ok", ["folder", "lines", "table"])
        assert "register_commands" in row.hooks
        for name, cls in (("folder", Folder), ("table", Table), ("lines", Lines)):
            assert manager.sources.load(name) is cls

    def test_the_modules_import_nothing_heavy(self):
        code = (
            "import sys, vicinal_files.folder, vicinal_files.table, vicinal_files.lines, vicinal_files.peek;"
            "print(sorted({'pandas', 'pyarrow', 'numpy', 'rich'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"

    @pytest.mark.parametrize("cls", [Folder, Table, Lines])
    def test_every_parameter_is_described(self, cls):
        assert all(field["description"] for field in cls.Params.model_json_schema()["properties"].values())


class TestGlobs:
    @pytest.mark.parametrize(
        ("pattern", "matching", "other"),
        [
            ("**/*", ["a", "a/b", "a/b/c.d"], []),
            ("**", ["a", "a/b"], []),
            ("*.jpg", ["a.jpg", ".jpg"], ["a/b.jpg", "a.jpgx", "ajpg", "a.JPG"]),
            ("**/*.jpg", ["a.jpg", "a/b.jpg", "a/b/c.jpg"], ["a.png"]),
            ("train/**", ["train/a", "train/a/b"], ["train", "retrain/a"]),
            ("train/**/a.txt", ["train/a.txt", "train/x/y/a.txt"], ["train/xa.txt", "a.txt"]),
            ("**/**/a", ["a", "x/a", "x/y/a"], ["xa"]),
            ("./a/*", ["a/b"], ["a/b/c"]),
            ("a?.txt", ["ab.txt"], ["a.txt", "a/.txt"]),
            ("[a-c]x", ["ax", "cx"], ["dx", "/x"]),
            ("[!a-c]x", ["dx"], ["ax", "/x"]),
            ("[]^]x", ["]x", "^x"], ["ax"]),
            ("[x", ["[x"], ["x"]),
            ("*.{jpg,png}", ["a.jpg", "a.png"], ["a.{jpg,png}", "a.gif"]),
            ("{a/b,c{d,e}}/x", ["a/b/x", "cd/x", "ce/x"], ["a/x"]),
            ("a+(1).txt", ["a+(1).txt"], ["aa1.txt"]),
        ],
    )
    def test_a_pattern_matches_whole_paths(self, pattern, matching, other):
        matches = matcher([pattern])
        assert [path for path in matching + other if matches(path)] == matching

    def test_no_pattern_matches_nothing(self):
        assert not matcher([])("a")

    @pytest.mark.parametrize("pattern", ["", "/", "[z-a]"])
    def test_what_is_no_glob_is_refused(self, pattern):
        with pytest.raises(ValidationError):
            Folder.Params(path="x", include=[pattern])


class TestFolder:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        for name in (
            "b.txt",
            "a/2.txt",
            "a/1.txt",
            "a/deep/x.jpg",
            "a.txt",
            ".hidden",
            ".git/config",
            "a/.x/y",
            "c d/é",
        ):
            write(tmp_path / "root" / name, name)
        return tmp_path / "root"

    def folder(self, path: Path, **params) -> Folder:
        return Folder(Folder.Params(path=path, **params))

    def test_files_come_in_the_order_of_their_keys(self, root):
        keys = list(contents(self.folder(root)))
        assert keys == ["a.txt", "a/1.txt", "a/2.txt", "a/deep/x.jpg", "b.txt", "c d/é"] == sorted(keys)
        assert self.folder(root).count() == 6

    def test_an_item_describes_its_file(self, root):
        item = list(self.folder(root))[3]
        status = (root / "a/deep/x.jpg").stat()
        assert item == Item(
            key="a/deep/x.jpg",
            content=root / "a/deep/x.jpg",
            uri=(root / "a/deep/x.jpg").as_uri(),
            metadata={"folder": "a/deep", "name": "x.jpg", "bytes": 12},
            version=f"12-{status.st_mtime_ns}",
        )
        assert next(iter(self.folder(root))).metadata["folder"] == ""

    def test_content_is_absolute_and_a_changed_file_has_another_version(self, root, monkeypatch):
        monkeypatch.chdir(root.parent)
        before = next(iter(self.folder("root")))
        assert before.content == root / "a.txt"
        os.utime(root / "a.txt", ns=(1, 1))
        assert next(iter(self.folder("root"))).version != before.version

    def test_include_and_exclude(self, root):
        assert list(contents(self.folder(root, include=["**/*.txt"], exclude=["a/2*"]))) == [
            "a.txt",
            "a/1.txt",
            "b.txt",
        ]
        assert list(contents(self.folder(root, exclude=["a"]))) == ["a.txt", "b.txt", "c d/é"]
        assert self.folder(root, include=["*.gif"]).count() == 0

    def test_a_linked_folder_is_read_but_not_in_circles(self, root, tmp_path):
        write(tmp_path / "elsewhere/z.txt", "")
        (root / "link").symlink_to(tmp_path / "elsewhere")
        (root / "a/up").symlink_to(root)
        (tmp_path / "elsewhere/self").symlink_to(tmp_path / "elsewhere")
        keys = list(contents(self.folder(root)))
        assert len(keys) == 7 and "link/z.txt" in keys

    def test_what_cannot_be_read_is_a_failure_in_its_place(self, root):
        (root / "a/broken").symlink_to("nowhere")
        (root / "loop").symlink_to("loop")
        os.mkfifo(root / "pipe")
        write(root / os.fsdecode(b"bad\xff"), "")
        found = failures(self.folder(root))
        assert list(found) == ["a/broken", "bad\\udcff", "loop", "pipe"]
        assert "No such file" in found["a/broken"]
        assert "not UTF-8" in found["bad\\udcff"]
        assert "neither a file nor a folder" in found["pipe"]
        assert len(list(self.folder(root))) == 10 == self.folder(root).count()

    def test_denied_files_and_folders_are_failures(self, root, monkeypatch):
        scandir, access = os.scandir, os.access
        denied = PermissionError(13, "Permission denied")

        def refuse(path):
            if Path(path).name == "deep":
                raise denied
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "b.txt" and access(path, mode))
        found = failures(self.folder(root))
        assert list(found) == ["a/deep", "b.txt"]
        assert all("Permission denied" in message for message in found.values())
        assert len(list(self.folder(root))) == 6

    def test_the_folder_itself_must_be_readable(self, root, monkeypatch):
        for path, message in ((root / "none", "does not exist"), (root / "a.txt", "is not a folder")):
            with pytest.raises(SourceError, match=message) as caught:
                list(self.folder(path))
            assert caught.value.hint
            assert self.folder(path).count() is None

    def test_a_large_folder_is_not_counted(self, root, monkeypatch):
        monkeypatch.setattr(folder_module, "MAX_COUNT", 5)
        assert self.folder(root).count() is None

    def test_very_deep_folders(self, tmp_path):
        deep = tmp_path / "root"
        deep.mkdir()
        for _ in range(1200):
            deep = deep / "d"
            deep.mkdir()
        write(deep / "x", "")
        assert len(list(self.folder(tmp_path / "root"))) == 1
        subprocess.run(["rm", "-r", tmp_path / "root"], check=True)


class TestLines:
    def test_keys_are_numbers_and_empty_lines_are_items(self, tmp_path):
        source = lines(tmp_path / "a.txt", "one\n\n two \r\nfo\x0bur\u2028\rx")
        assert list(source) == [Item("1", "one"), Item("2", ""), Item("3", " two "), Item("4", "fo\x0bur\u2028\rx")]
        assert source.count() == 4 or source.count() == 5

    def test_an_empty_file_has_no_items(self, tmp_path):
        source = lines(tmp_path / "a.txt", "")
        assert (list(source), source.count()) == ([], 0)

    @pytest.mark.parametrize("data", [b"\xef\xbb\xbfa\nb\n", b"a\r\nb\r\n", b"a\rb\r", b"a\nb"])
    def test_byte_order_mark_and_line_ends(self, tmp_path, data):
        assert contents(lines(tmp_path / "a.txt", data)) == {"1": "a", "2": "b"}

    def test_a_line_that_is_not_utf8_costs_only_itself(self, tmp_path):
        source = lines(tmp_path / "a.txt", "müde\n".encode() + "müde\n".encode("latin-1") + b"ok\n")
        assert contents(source) == {"1": "müde", "!2": "", "3": "ok"}
        assert failures(source) == {"2": "line 2 is not UTF-8: byte 0xfc at position 2"}

    def test_lines_that_cross_blocks(self, tmp_path):
        texts = ["é" * (n % 7000) for n in range(1000)]
        assert list(contents(lines(tmp_path / "a.txt", "\n".join(texts))).values()) == texts

    def test_the_limit_of_a_line(self, tmp_path):
        source = lines(
            tmp_path / "a.txt", b"\n".join([b"a" * MAX_TEXT, b"a" * (MAX_TEXT + 1), "é".encode() * MAX_TEXT])
        )
        assert contents(source) == {"1": "a" * MAX_TEXT, "!2": "", "!3": ""}
        assert failures(source)["3"] == "line 3 has 2.0 MB, the limit is 1.0 MB"

    def test_a_line_of_any_length_is_not_held(self, tmp_path):
        path = tmp_path / "a.txt"
        with path.open("wb") as stream:
            stream.write(b"first\n")
            for _ in range(80):
                stream.write(b"x" * MIB)
            stream.write(b"\nlast\n")
        tracemalloc.start()
        found = contents(Lines(Lines.Params(path=path)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found == {"1": "first", "!2": "", "3": "last"}
        assert failures(Lines(Lines.Params(path=path)))["2"] == "line 2 has 80.0 MB, the limit is 1.0 MB"
        assert peak < 3 * MAX_LINE

    def test_what_is_no_utf8_text_is_refused_as_a_whole(self, tmp_path):
        with pytest.raises(SourceError, match="is UTF-16") as caught:
            list(lines(tmp_path / "a.txt", "hello\n".encode("utf-16")))
        assert "iconv" in caught.value.hint
        with pytest.raises(SourceError, match="is not a text file"):
            list(lines(tmp_path / "b.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"))
        with pytest.raises(SourceError, match="is a folder"):
            list(Lines(Lines.Params(path=tmp_path)))
        with pytest.raises(SourceError, match="does not exist"):
            list(Lines(Lines.Params(path=tmp_path / "none")))
        assert Lines(Lines.Params(path=tmp_path / "none")).count() is None

    def test_a_truncated_gz_gives_its_lines_and_then_a_failure(self, tmp_path):
        texts = [os.urandom(20).hex() for _ in range(20_000)]
        packed = gzip.compress("\n".join(texts).encode())
        assert list(contents(lines(tmp_path / "a.txt.gz", packed)).values()) == texts
        found = list(lines(tmp_path / "b.txt.gz", packed[: len(packed) // 2]))
        assert len(found) > 9_000
        assert [item.content for item in found[:-1]] == texts[: len(found) - 1]
        assert found[-1].key == str(len(found)) and "breaks off" in found[-1].message
        assert "breaks off" in failures(lines(tmp_path / "c.txt.gz", packed[:-8] + bytes(8)))["20000"]
        with pytest.raises(SourceError, match="cannot be read: Not a gzipped file"):
            list(lines(tmp_path / "d.txt.gz", b"plain"))
        assert lines(tmp_path / "b.txt.gz", packed).count() is None

    def test_count_is_about_right(self, tmp_path):
        texts = ["x" * (n % 50) for n in range(50_000)]
        assert lines(tmp_path / "a.txt", "\n".join(texts)).count() == pytest.approx(50_000, rel=0.05)


class TestCsv:
    def test_rows_become_items(self, tmp_path):
        source = table(tmp_path / "a.csv", 'id,text,label,n\r\na,"one, two",x,1\r\nb,"say ""hi""\nthere",y,\r\n')
        assert list(source) == [
            Item("a", "one, two", "", {"label": "x", "n": "1"}),
            Item("b", 'say "hi"\nthere', "", {"label": "y", "n": ""}),
        ]

    def test_metadata_columns_can_be_chosen(self, tmp_path):
        source = table(tmp_path / "a.csv", "id,text,label,n\na,b,x,1\n", metadata=["n", "id"])
        assert list(source) == [Item("a", "b", "", {"n": "1", "id": "a"})]
        assert list(table(tmp_path / "a.csv", metadata=[])) == [Item("a", "b")]
        assert list(table(tmp_path / "a.csv", key="text")) == [Item("b", "b", "", {"id": "a", "label": "x", "n": "1"})]

    def test_tsv_and_other_delimiters(self, tmp_path):
        assert contents(table(tmp_path / "a.tsv", "id\ttext\n1\ta, b\n")) == {"1": "a, b"}
        assert contents(table(tmp_path / "a.csv", "id;text\n1;a, b\n", delimiter=";")) == {"1": "a, b"}
        with pytest.raises(SourceError) as caught:
            list(table(tmp_path / "a.csv"))
        assert "separated by ';'" in caught.value.hint
        assert contents(table(tmp_path / "b.tsv", 'id\ttext\n1\t"a" b\n2\t"c\n', quotes=False)) == {
            "1": '"a" b',
            "2": '"c',
        }

    @pytest.mark.parametrize(
        "data", [b"\xef\xbb\xbfid,text\n1,a\n\n2,b", b"id,text\r1,a\r2,b\r", b"\n\nid,text\n1,a\n2,b\n"]
    )
    def test_byte_order_mark_line_ends_and_blank_lines(self, tmp_path, data):
        assert contents(table(tmp_path / "a.csv", data)) == {"1": "a", "2": "b"}

    def test_a_missing_column_is_an_error_that_suggests(self, tmp_path):
        with pytest.raises(SourceError, match=r"no column 'id' \(did you mean 'ID'\?\); its columns are 'ID', 'txt'"):
            list(table(tmp_path / "a.csv", "ID,txt\n1,a\n"))
        with pytest.raises(SourceError, match=r"no column 'text' \(did you mean 'txt'\?\)") as caught:
            list(table(tmp_path / "a.csv", key="ID"))
        assert "`content`" in caught.value.hint
        with pytest.raises(SourceError, match="no column 'labl'"):
            list(table(tmp_path / "a.csv", "id,text,label\n", metadata=["labl"]))

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ("", "is empty"),
            ("\n\n", "is empty"),
            ("id,text,id\n", "two columns of the name 'id'"),
            ('id,"text\n1,a\n', "header of .* cannot be read: a quote opens in line 1"),
            (b"id,t\xffxt\n", "header of .* cannot be read: not UTF-8"),
            (b"PK\x03\x04\0\0\0", "is not a text file"),
            ("id,text\n".encode("utf-16"), "is UTF-16"),
        ],
    )
    def test_a_file_without_a_usable_header_is_an_error(self, tmp_path, data, message):
        with pytest.raises(SourceError, match=message):
            list(table(tmp_path / "a.csv", data))

    def test_a_header_alone_has_no_items(self, tmp_path):
        source = table(tmp_path / "a.csv", "id,text\n")
        assert (list(source), source.count()) == ([], 0)

    def test_bad_rows_are_failures_in_their_place(self, tmp_path):
        source = table(tmp_path / "a.csv", "id,text,n\n1,a,1\n,b,1\n  ,b,1\n4\n5,e\n6,f,1,2\n7,,1\n")
        assert list(contents(source)) == ["1", "!row 2", "!row 3", "!4", "5", "!row 6", "7"]
        assert failures(source) == {
            "row 2": "row 2: its key in column 'id' is empty",
            "row 3": "row 3: its key in column 'id' is empty",
            "4": "row 4: it has no content column 'text'",
            "row 6": "row 6: it has 4 cells, the header has 3 (line 7)",
        }
        assert [x.metadata for x in source if x.key in ("5", "7")] == [{}, {"n": "1"}]
        assert list(failures(table(tmp_path / "b.csv", "text,id\na\n"))) == ["row 1"]

    def test_a_row_that_is_not_utf8_costs_only_itself(self, tmp_path):
        rows = b'id,text\n1,a\n2,caf\xe9\n3,c\n4,"x\ny\xff\nz"\n5,\xc3\xa9\n'
        source = table(tmp_path / "a.csv", rows)
        assert list(contents(source)) == ["1", "!row 2", "3", "!row 4", "5"]
        assert failures(source)["row 2"] == "row 2: not UTF-8: byte 0xe9 at position 6 (line 3)"

    def test_the_limit_of_a_cell(self, tmp_path):
        source = table(tmp_path / "a.csv", f"id,text\n1,{'x' * (10 * MIB)}\n2,{'y' * MIB}\n3,c\n")
        assert list(contents(source)) == ["!1", "2", "3"]
        assert failures(source)["1"] == "row 1: its content in column 'text' has 10.0 MB, the limit is 1.0 MB"

    @pytest.mark.parametrize("cell", ["x", 'quoted "" ', '"quoted\n'])
    def test_a_line_above_the_limit_is_not_held(self, tmp_path, cell):
        end = 'end"' if cell.startswith('"') else ""
        source = table(tmp_path / "a.csv", f"id,text\n1,a\n2,{cell * (MAX_LINE * 2 // len(cell))}{end}\n3,c\n")
        if cell.startswith('"'):
            data = f'id,text\n1,a\n2,"{"x" * 2 * MAX_LINE}\n{end}\n3,c\n'
            source = table(tmp_path / "a.csv", data)
        assert list(contents(source)) == ["1", "!row 2", "3"]
        assert "the limit is 16.0 MB" in failures(source)["row 2"]

    def test_the_process_wide_field_limit_is_never_lowered(self, tmp_path):
        before = csv.field_size_limit(1 << 40)
        try:
            list(table(tmp_path / "a.csv", "id,text\n1,a\n"))
            assert csv.field_size_limit() == 1 << 40
        finally:
            csv.field_size_limit(before)

    def test_packed_and_truncated(self, tmp_path):
        rows = [f"{n},{os.urandom(20).hex()}\n" for n in range(5000)]
        packed = gzip.compress("".join(["id,text\n", *rows]).encode())
        assert len(contents(table(tmp_path / "a.csv.gz", packed))) == 5000
        found = list(table(tmp_path / "b.csv.gz", packed[: len(packed) // 2]))
        assert all(isinstance(item, Item) for item in found[:-1]) and len(found) > 2000
        assert found[-1].key == f"row {len(found)}" and "breaks off" in found[-1].message
        assert table(tmp_path / "a.csv.gz").count() is None

    def test_count_is_about_right(self, tmp_path):
        rows = "".join(f"{n},{'x' * (n % 50)}\n" for n in range(50_000))
        assert table(tmp_path / "a.csv", f"id,text\n{rows}").count() == pytest.approx(50_000, rel=0.1)

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2), max_size=8))
    def test_whatever_a_csv_writer_writes_is_read(self, tmp_path, rows):
        with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([["n", "text", "id"], *([*row, n] for n, row in enumerate(rows))])
        if b"\0" not in (tmp_path / "a.csv").read_bytes():
            found = list(table(tmp_path / "a.csv"))
            assert found == [Item(str(n), text, "", {"n": cell}) for n, (cell, text) in enumerate(rows)]

    @settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"a", b"1", b"\xff", b"\xc3\xa9"]), max_size=40))
    def test_whatever_stands_above_the_good_rows_below_are_found(self, tmp_path, pieces):
        found = list(table(tmp_path / "a.csv", b"id,text\n" + b"".join(pieces) + b'\nlast,row\n"x","y"\n'))
        assert Item("last", "row") in found
        assert found[-1] == Item("x", "y")


class TestUnclosedQuotes:
    @pytest.mark.parametrize("quoted_later", ["20,plain", '20,"quoted, cell"', '20,"two\nlines"'])
    def test_the_row_is_named_and_the_rows_below_are_kept(self, tmp_path, quoted_later):
        rows = [f"{n},text {n}" for n in range(1, 31)]
        rows[4] = '5,"never closed'
        rows[19] = quoted_later
        found = table(tmp_path / "a.csv", "\n".join(["id,text", *rows]))
        assert list(contents(found)) == [str(n) if n != 5 else "!row 5" for n in range(1, 31)]
        assert "row 5: a quote opens in line 6 and is not closed" in failures(found)["row 5"]

    def test_rows_that_may_be_part_of_the_cell_are_failures(self, tmp_path):
        found = table(tmp_path / "a.csv", 'id,text\n1,"line one\nline two" and more\n3,c\n4,d\n')
        assert list(contents(found)) == ["!row 1", "!row 2", "3", "4"]
        assert "follows a quote that is not closed" in failures(found)["row 2"]

    def test_text_after_a_closing_quote_costs_only_its_row(self, tmp_path):
        found = table(tmp_path / "a.csv", 'id,text\n1,"a" b\n2,b\n3,5" pipe\n')
        assert list(contents(found)) == ["!row 1", "2", "3"]
        assert "its quotes are not csv" in failures(found)["row 1"]

    def test_many_of_them(self, tmp_path):
        rows = "".join(f'{n},"{n}\n' if n % 2 else f"{n},x\n" for n in range(2000))
        found = contents(table(tmp_path / "a.csv", f"id,text\n{rows}"))
        assert set(found) >= {str(n) for n in range(0, 2000, 2)}

    def test_memory_stays_bounded(self, tmp_path):
        path = tmp_path / "a.csv"
        with path.open("w") as stream:
            stream.write('id,text\n0,"never closed\n')
            stream.writelines(f"{n},{'x' * 5000}\n" for n in range(1, 40_000))
        tracemalloc.start()
        found = sum(isinstance(item, Item) for item in table(path))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found == 39_999
        assert peak < path.stat().st_size * 0.6


class TestJsonl:
    def test_values_keep_their_types(self, tmp_path):
        row = {"id": 7, "text": "a", "n": 1.5, "b": True, "none": None, "tags": ["x"], "deep": {"y": 1}}
        found = list(table(tmp_path / "a.jsonl", json.dumps(row) + "\n\n"))
        assert found == [Item("7", "a", "", {key: row[key] for key in ("n", "b", "none", "tags", "deep")})]
        assert contents(table(tmp_path / "a.ndjson", '{"id": "x", "text": 5}')) == {"x": "5"}
        assert contents(table(tmp_path / "b.jsonl", '{"id": "x", "text": [1, 2]}')) == {"x": [1, 2]}

    def test_bad_lines_are_failures_with_line_and_column(self, tmp_path):
        good = '{"id": "%d", "text": "a"}'
        source = table(
            tmp_path / "a.jsonl",
            "\n".join(
                [
                    good % 1, '{"id": 2,}', "[1, 2]", '{"text": "x"}', '{"id": null, "text": "x"}',
                    '{"id": "6", "txt": 1}', '{"id": "7", "text": null}', '{"id": [8], "text": "x"}',
                    '{"id": "9", "text": "\\ud800"}', good % 10,
                ]
            ),
        )  # fmt: skip
        found = failures(source)
        assert list(contents(source)) == ["1", *(f"!{key}" for key in found), "10"]
        assert list(found) == ["row 2", "row 3", "row 4", "row 5", "6", "7", "row 8", "row 9"]
        assert found["row 2"] == "row 2: line 2, column 9: not JSON, trailing comma is not allowed"
        assert found["row 3"] == "row 3: line 3, column 1: a JSON list, not an object"
        assert found["6"] == "row 6: it has no content column 'text' (did you mean 'txt'?)"

    def test_not_utf8_too_long_and_empty(self, tmp_path):
        good = b'{"id": "x", "text": "a"}\n'
        long = b'{"id": "y", "text": "' + b"x" * 2 * MAX_LINE + b'"}\n'
        source = table(tmp_path / "a.jsonl", good + b'{"id": "\xff"}\n' + long + good)
        assert failures(source) == {
            "row 2": "row 2: line 2 is not UTF-8: byte 0xff at position 9",
            "row 3": "row 3: line 3 has 32.0 MB, the limit is 16.0 MB",
        }
        assert list(table(tmp_path / "b.jsonl", "")) == []
        assert table(tmp_path / "c.jsonl", good * 3).count() == 3

    def test_packed_and_truncated(self, tmp_path):
        rows = "".join(json.dumps({"id": n, "text": os.urandom(9).hex()}) + "\n" for n in range(9000))
        packed = gzip.compress(rows.encode())
        assert len(contents(table(tmp_path / "a.jsonl.gz", packed))) == 9000
        assert "breaks off" in list(table(tmp_path / "b.jsonl.gz", packed[:-2000]))[-1].message


class TestParquet:
    def write(self, path: Path, columns: dict, **options) -> Path:
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
        (item,) = table(self.write(tmp_path / "a.parquet", columns))
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

    def test_other_values_become_json_too(self):
        value = {1: np.float32(0.5), "a": np.arange(2), "t": (timedelta(minutes=1), Decimal("NaN")), "p": Path("x")}
        assert json_value(value) == {"1": 0.5, "a": [0, 1], "t": [60.0, None], "p": "x"}

    def test_rows_keep_their_order_and_numbers_over_row_groups(self, tmp_path):
        keys = [str(n) if n != 1500 else None for n in range(3000)]
        columns = {"id": keys, "text": ["t"] * 3000, "more": [1] * 3000}
        source = table(self.write(tmp_path / "a.parquet", columns, row_group_size=1000), metadata=[])
        assert source.count() == 3000
        assert list(contents(source)) == [key or "!row 1501" for key in keys]
        assert next(iter(source)) == Item("0", "t")

    def test_a_value_that_cannot_be_read_costs_only_its_row(self, tmp_path):
        import pyarrow

        texts = pyarrow.array([b"a", b"\xff", b"c"], pyarrow.binary()).view(pyarrow.string())
        far = pyarrow.array([0, 0, 10**15], pyarrow.timestamp("s"))
        source = table(self.write(tmp_path / "a.parquet", {"id": ["1", "2", "3"], "text": texts, "far": far}))
        found = failures(source)
        assert list(contents(source)) == ["1", "!row 2", "!row 3"]
        assert "its column 'text' cannot be read" in found["row 2"] and "'far'" in found["row 3"]

    def test_what_is_no_parquet_file_is_an_error(self, tmp_path):
        for path in (write(tmp_path / "a.parquet", "no"), tmp_path / "none.parquet"):
            with pytest.raises(SourceError, match=r"is not a parquet file|does not exist"):
                list(table(path))
            assert table(path).count() is None
        with pytest.raises(SourceError, match=r"no column 'text' \(did you mean 'txt'\?\)"):
            list(table(self.write(tmp_path / "b.parquet", {"id": [1], "txt": [2]})))

    def test_a_damaged_row_group_costs_only_its_rows(self, tmp_path):
        columns = {"id": [str(n) for n in range(3000)], "text": [os.urandom(20).hex() for _ in range(3000)]}
        path = self.write(tmp_path / "a.parquet", columns, row_group_size=1000, compression="zstd")
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            chunk = file.metadata.row_group(1).column(1)
            start, size = chunk.dictionary_page_offset or chunk.data_page_offset, chunk.total_compressed_size
        data = path.read_bytes()
        write(path, data[: start + 50] + bytes(size - 60) + data[start + size - 10 :])
        found = list(table(path))
        (failure,) = [item for item in found if isinstance(item, Failure)]
        assert failure.key == "row 1001" and "all to row 2000 cannot be read" in failure.message
        assert len(found) == 2001

    def test_large_cells_come_in_small_batches(self, tmp_path):
        import pyarrow

        columns = {"id": [str(n) for n in range(100)], "text": [os.urandom(MIB // 4).hex() for n in range(100)]}
        path = self.write(tmp_path / "a.parquet", columns, use_dictionary=False, write_batch_size=1)
        del columns
        before = pyarrow.total_allocated_bytes()
        peak = max(pyarrow.total_allocated_bytes() - before for _ in table(path))
        assert peak < 15 * MIB


def test_a_table_of_another_kind_is_refused_by_its_parameters(tmp_path):
    for name in ("a.xlsx", "a.parquet.gz", "a", "csv"):
        with pytest.raises(ValidationError, match="a table is a"):
            table(tmp_path / name)
    for delimiter in ('"', "\n", "", "ab"):
        with pytest.raises(ValidationError):
            table(tmp_path / "a.csv", delimiter=delimiter)


def test_no_file_stays_open(tmp_path):
    for source in (table(tmp_path / "a.csv", "id,text\n1,a\n2,b\n"), lines(tmp_path / "a.txt", "a\nb\n")):
        iterator = iter(source)
        next(iterator)
        del iterator
        assert not [
            link for link in Path("/proc/self/fd").iterdir() if link.exists() and tmp_path in link.resolve().parents
        ]


class AnyEncoder:
    """A plugin, so that a config can name an encoder; peeking makes none."""

    @hookimpl
    def register_encoders(self, encoders):
        encoders.add("any", "vicinal.encoder:Encoder")


class TestPeek:
    @pytest.fixture
    def config(self, tmp_path: Path, monkeypatch) -> Path:
        manager = create_manager()
        manager.register(AnyEncoder(), "any")
        monkeypatch.setattr("vicinal.plugins.create_manager", lambda: manager)
        write(tmp_path / "a.csv", f"id,text,label\n1,[red]CCO\n,CC\n2,{'C' * 500},x\n3,C,y\n")
        source = "{type: table, path: a.csv, key: id, content: text}"
        return write(tmp_path / "a.yaml", f"name: peeked\nsource: {source}\nencoder: {{type: any}}\n")

    def test_json_lines(self, config):
        done = CliRunner().invoke(peek, [str(config), "-n", "2", "--json"], catch_exceptions=False)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert rows == [
            {"key": "1", "content": "[red]CCO", "uri": "", "metadata": {}},
            {"key": "row 2", "failed": "read", "message": "row 2: its key in column 'id' is empty"},
            {"key": "2", "content": "C" * 199 + "…", "uri": "", "metadata": {"label": "x"}},
        ]

    def test_a_table(self, config):
        done = CliRunner().invoke(peek, [str(config)], catch_exceptions=False)
        assert "[red]CCO" in done.stdout and "cannot read" in done.stdout and '{"label":"y"}' in done.stdout

    def test_it_stops_at_the_limit_though_only_failures_come(self, config):
        write(config.with_name("a.csv"), "id,text\n" + ",x\n" * 50)
        done = CliRunner().invoke(peek, [str(config), "-n", "3", "--json"], catch_exceptions=False)
        assert len(done.stdout.splitlines()) == 3
