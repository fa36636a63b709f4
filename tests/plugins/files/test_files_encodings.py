"""The encodings of text files: declared, named by a byte order mark, or suggested in the error."""

from __future__ import annotations

import gzip
import json

import pytest
from pydantic import ValidationError

from source_helpers import make_lines, make_table, read_contents, read_failures
from vicinal.errors import SourceError
from vicinal_files.lines import Lines
from vicinal_files.table import Table
from vicinal_files.text import MAX_LINE_BYTES

GERMAN = ["Gemüsesuppe", "Größe und Maße", "plain", "Straße nach Köln"]
WIDE = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]


def read_error(source):
    with pytest.raises(SourceError) as caught:
        list(source)
    return str(caught.value).rpartition("/")[2], caught.value.hint


class TestDeclared:
    @pytest.mark.parametrize(
        "encoding", ["cp1252", "latin-1", "mac_roman", "cp037", "utf-16", "utf-32", "utf-7", *WIDE]
    )
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_every_source_reads_it(self, tmp_path, encoding, end):
        data = end.join(GERMAN).encode(encoding)
        assert list(read_contents(make_lines(tmp_path / "a.txt", data, encoding=encoding)).values()) == GERMAN
        rows = end.join(["id,text,größe", *(f"{number},{text},x" for number, text in enumerate(GERMAN))])
        table = make_table(tmp_path / "a.csv", rows.encode(encoding), encoding=encoding, content="text")
        assert list(read_contents(table).values()) == GERMAN
        assert next(iter(table)).metadata == {"größe": "x"}
        rows = end.join(json.dumps({"id": text, "text": text}, ensure_ascii=False) for text in GERMAN)
        table = make_table(tmp_path / "a.jsonl.gz", gzip.compress(rows.encode(encoding)), encoding=encoding)
        assert list(read_contents(table)) == GERMAN

    @pytest.mark.parametrize("encoding", ["shift_jis", "euc_jp", "gb18030", "iso2022_jp", "utf-16-le"])
    def test_characters_may_cross_blocks(self, tmp_path, encoding):
        texts = ["日本語" * (number % 700) for number in range(2000)]
        data = "\n".join(texts).encode(encoding)
        assert list(read_contents(make_lines(tmp_path / "a.txt", data, encoding=encoding)).values()) == texts

    def test_carriage_returns_of_a_classic_mac(self, tmp_path):
        data = "Größe\rMaße\r".encode("mac_roman")
        assert read_contents(make_lines(tmp_path / "a.txt", data, encoding="mac_roman")) == {"1": "Größe", "2": "Maße"}

    @pytest.mark.parametrize(
        ("encoding", "data", "problem"),
        [
            ("cp1252", b"one\ncaf\x81\nthree\n", "line 2 is not cp1252: byte 0x81 at position 4"),
            ("ascii", "one\ncafé\nthree\n".encode(), "line 2 is not ascii: byte 0xc3 at position 4"),
            ("shift_jis", b"one\nab\x81\xff\nthree\n", "line 2 is not shift_jis: byte 0x81 at position 3"),
            ("utf-16-le", "one\nab\ud800c\nthree\n".encode("utf-16-le", "surrogatepass"),
             "line 2 is not UTF-16-LE: byte 0x00 at position 3"),
            ("utf-8", "one\ncafé\xe9\nthree\n".encode("latin-1"), "line 2 is not UTF-8: byte 0xe9 at position 4"),
        ],
    )  # fmt: skip
    def test_an_invalid_line_costs_only_itself(self, tmp_path, encoding, data, problem):
        source = make_lines(tmp_path / "a.txt", data, encoding=encoding)
        assert read_contents(source) == {"1": "one", "!2": "", "3": "three"}
        assert read_failures(source) == {"2": problem}

    def test_an_incomplete_last_character_is_a_failure(self, tmp_path):
        source = make_lines(tmp_path / "a.txt", "one\ntwo".encode("utf-16-le")[:-1], encoding="utf-16-le")
        assert list(read_contents(source)) == ["1", "!2"]

    def test_a_line_of_any_length_is_not_held(self, tmp_path):
        data = f"one\n{'ü' * MAX_LINE_BYTES}\nthree\n".encode("utf-16-le")
        source = make_lines(tmp_path / "a.txt", data, encoding="utf-16-le")
        assert read_contents(source) == {"1": "one", "!2": "", "3": "three"}

    @pytest.mark.parametrize("name", ["utf8x", "", "base64", "rot13", "undefined", "\0"])
    def test_a_name_that_python_does_not_know_is_refused(self, tmp_path, name):
        for source in (Lines.Params, Table.Params):
            with pytest.raises(ValidationError, match="is not a text encoding of Python; some are utf-8"):
                source(path=tmp_path / "a.csv", key="id", content="text", encoding=name)

    @pytest.mark.parametrize(
        ("data", "declared", "message", "hint"),
        [
            ("é,ü\n".encode("utf-16"), "cp1252", "UTF-16, not cp1252", "set `encoding: utf-16` "),
            ("é,ü\n".encode("utf-16-be"), "utf-16-le", "UTF-16-BE, not utf-16-le", "set `encoding: utf-16-be` "),
            ("é,ü\n".encode(), "utf-16", "UTF-8, not utf-16", "remove `encoding`"),
            ("é,ü\n".encode("utf-8-sig"), "cp1252", "UTF-8, not cp1252", "remove `encoding`"),
            ("é,ü\n".encode("utf-32-le"), "utf-8", "UTF-32-LE, not utf-8", "set `encoding: utf-32-le` "),
        ],
    )  # fmt: skip
    def test_a_declaration_that_the_first_bytes_contradict_is_refused(self, tmp_path, data, declared, message, hint):
        error, given = read_error(make_lines(tmp_path / "a.txt", data, encoding=declared))
        assert error == f"a.txt seems to be {message}"
        assert given.startswith(hint)

    def test_a_declaration_makes_no_text_of_another_file(self, tmp_path):
        source = make_lines(tmp_path / "a.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", encoding="cp1252")
        assert read_error(source) == (
            "a.txt is a binary file, not a text file",
            "convert it to csv, tsv, jsonl or parquet",
        )


class TestUndeclared:
    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
    def test_a_byte_order_mark_is_obeyed(self, tmp_path, encoding):
        data = "\n".join(GERMAN).encode(encoding)
        assert list(read_contents(make_lines(tmp_path / "a.txt", data)).values()) == GERMAN
        data = ("\ufeff" + "id,text\n1,Größe\n").encode(encoding.removesuffix("-sig") + "-be" * ("sig" not in encoding))
        assert read_contents(make_table(tmp_path / "a.csv", data)) == {"1": "Größe"}

    @pytest.mark.parametrize("encoding", WIDE)
    def test_without_a_mark_the_encoding_is_named(self, tmp_path, encoding):
        data = "\n".join(GERMAN).encode(encoding)
        expected = (
            f"a.txt seems to be {encoding.upper()}, not UTF-8",
            f"set `encoding: {encoding}` in the source's block",
        )
        assert read_error(make_lines(tmp_path / "a.txt", data)) == expected
        assert read_error(make_table(tmp_path / "a.csv", data))[1] == expected[1]
        assert read_error(make_table(tmp_path / "a.jsonl", data))[1] == expected[1]

    @pytest.mark.parametrize(
        ("encoding", "text"),
        [
            ("cp1252", "Größe und Maße"),
            ("cp1252", "déjà vu à l’été"),
            ("mac_roman", "déjà vu à l’été"),
            ("cp1250", "Zażółć gęślą jaźń"),
            ("cp1251", "Привет, мир"),
            ("cp932", "これは日本語のテキストです"),
        ],
    )
    def test_a_file_of_another_encoding_is_refused_and_named(self, tmp_path, encoding, text):
        """One in ten of its first lines is enough, if none of them has a character of UTF-8."""
        lines = [text if number % 10 == 0 else "plain" for number in range(60)]
        hint = f"set `encoding: {encoding}` in the source's block; with `encoding: utf-8` such lines are recorded as"
        expected = ("a.txt is not UTF-8: 6 of its first 60 lines are not", f"{hint} failures")
        data = "".join(f"{line}\n" for line in lines).encode(encoding)
        assert read_error(make_lines(tmp_path / "a.txt", data)) == expected
        assert list(read_contents(make_lines(tmp_path / "a.txt", data, encoding=encoding)).values()) == lines
        kept = read_contents(make_lines(tmp_path / "a.txt", data, encoding="utf-8"))
        assert [key[0] == "!" for key in kept] == [line == text for line in lines]
        rows = ["id,text", *(f"{number},{text}" for number in range(5))]
        assert expected[1] == read_error(make_table(tmp_path / "a.csv", "\n".join(rows).encode(encoding)))[1]

    def test_few_invalid_lines_are_failures_that_suggest(self, tmp_path):
        data = "id,text\n1,plain\n2,café\n3,plain\n".encode("cp1252")
        suggestion = "; the file may be cp1252: set `encoding: cp1252`"
        source = make_table(tmp_path / "a.csv", data)
        assert list(read_contents(source)) == ["1", "!row 2", "3"]
        assert read_failures(source) == {"row 2": f"row 2: not UTF-8: byte 0xe9 at position 6 (line 3){suggestion}"}
        assert read_failures(make_lines(tmp_path / "a.txt", data)) == {
            "3": f"line 3 is not UTF-8: byte 0xe9 at position 6{suggestion}"
        }
        message, _ = read_error(make_table(tmp_path / "b.csv", b"id,text,gr\xf6\xdfe\n1,a,b\n"))
        assert message.endswith(f"not UTF-8: byte 0xf6 at position 11 (line 1){suggestion}")

    def test_in_a_file_of_utf8_nothing_is_suggested(self, tmp_path):
        data = "é\n".encode() + "ü\nö\nä\nß\n".encode("cp1252")
        assert list(read_contents(make_lines(tmp_path / "a.txt", data))) == ["1", "!2", "!3", "!4", "!5"]
        assert (
            read_failures(make_lines(tmp_path / "a.txt", data))["2"] == "line 2 is not UTF-8: byte 0xfc at position 1"
        )


def test_a_parameter_without_effect_is_refused(tmp_path):
    for name, wrong in (("a.parquet", "encoding"), ("a.parquet", "delimiter"), ("a.jsonl.gz", "delimiter")):
        value = {"encoding": "cp1252", "delimiter": ";"}[wrong]
        with pytest.raises(ValidationError, match=f"{wrong} has no effect on a (parquet|jsonl) file; remove it"):
            make_table(tmp_path / name, **{wrong: value})
