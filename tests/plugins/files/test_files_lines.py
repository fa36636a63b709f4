"""The source ``lines``: text of any size, whole, damaged or packed."""

from __future__ import annotations

import gzip
import os
import tracemalloc

import pytest

from source_helpers import MIB, make_lines, read_contents, read_failures
from vicinal import Item
from vicinal.errors import SourceError
from vicinal_files.lines import Lines
from vicinal_files.text import MAX_LINE_BYTES, MAX_TEXT_BYTES


class TestLines:
    def test_keys_are_numbers_and_empty_lines_are_items(self, tmp_path):
        source = make_lines(tmp_path / "a.txt", "one\n\n two \r\nfo\x0bur\u2028\rx")
        assert list(source) == [Item("1", "one"), Item("2", ""), Item("3", " two "), Item("4", "fo\x0bur\u2028\rx")]
        assert source.count() == 4 or source.count() == 5

    def test_an_empty_file_has_no_items(self, tmp_path):
        source = make_lines(tmp_path / "a.txt", "")
        assert (list(source), source.count()) == ([], 0)

    @pytest.mark.parametrize("data", [b"\xef\xbb\xbfa\nb\n", b"a\r\nb\r\n", b"a\rb\r", b"a\nb"])
    def test_byte_order_mark_and_line_ends(self, tmp_path, data):
        assert read_contents(make_lines(tmp_path / "a.txt", data)) == {"1": "a", "2": "b"}

    def test_a_line_that_is_not_utf8_costs_only_itself(self, tmp_path):
        source = make_lines(tmp_path / "a.txt", "müde\n".encode() + "müde\n".encode("latin-1") + b"ok\n")
        assert read_contents(source) == {"1": "müde", "!2": "", "3": "ok"}
        assert read_failures(source) == {"2": "line 2 is not UTF-8: byte 0xfc at position 2"}
        assert not list(source)[1].hides_items

    def test_lines_that_cross_blocks(self, tmp_path):
        texts = ["é" * (n % 7000) for n in range(1000)]
        assert list(read_contents(make_lines(tmp_path / "a.txt", "\n".join(texts))).values()) == texts

    def test_the_limit_of_a_line(self, tmp_path):
        source = make_lines(
            tmp_path / "a.txt",
            b"\n".join([b"a" * MAX_TEXT_BYTES, b"a" * (MAX_TEXT_BYTES + 1), "é".encode() * MAX_TEXT_BYTES]),
        )
        assert read_contents(source) == {"1": "a" * MAX_TEXT_BYTES, "!2": "", "!3": ""}
        assert read_failures(source)["3"] == "line 3 has 2.0 MB, the limit is 1.0 MB"

    def test_a_line_of_any_length_is_not_held(self, tmp_path):
        path = tmp_path / "a.txt"
        with path.open("wb") as stream:
            stream.write(b"first\n")
            for _ in range(80):
                stream.write(b"x" * MIB)
            stream.write(b"\nlast\n")
        tracemalloc.start()
        found = read_contents(Lines(Lines.Params(path=path)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found == {"1": "first", "!2": "", "3": "last"}
        assert read_failures(Lines(Lines.Params(path=path)))["2"] == "line 2 has 80.0 MB, the limit is 1.0 MB"
        assert peak < 3 * MAX_LINE_BYTES

    def test_what_is_not_a_text_is_refused_as_a_whole(self, tmp_path):
        with pytest.raises(SourceError, match="is a binary file, not a text file"):
            list(make_lines(tmp_path / "b.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"))
        with pytest.raises(SourceError, match="is a folder"):
            list(Lines(Lines.Params(path=tmp_path)))
        with pytest.raises(SourceError, match="does not exist"):
            list(Lines(Lines.Params(path=tmp_path / "none")))
        assert Lines(Lines.Params(path=tmp_path / "none")).count() is None

    def test_a_truncated_gz_gives_its_lines_and_then_a_failure(self, tmp_path):
        texts = [os.urandom(20).hex() for _ in range(20_000)]
        packed = gzip.compress("\n".join(texts).encode())
        assert list(read_contents(make_lines(tmp_path / "a.txt.gz", packed)).values()) == texts
        found = list(make_lines(tmp_path / "b.txt.gz", packed[: len(packed) // 2]))
        assert len(found) > 9_000
        assert [item.content for item in found[:-1]] == texts[: len(found) - 1]
        assert found[-1].key == str(len(found)) and "is truncated" in found[-1].message
        assert found[-1].hides_items
        assert "is truncated" in read_failures(make_lines(tmp_path / "c.txt.gz", packed[:-8] + bytes(8)))["20000"]
        with pytest.raises(SourceError, match="cannot be read: Not a gzipped file"):
            list(make_lines(tmp_path / "d.txt.gz", b"plain"))
        assert make_lines(tmp_path / "b.txt.gz", packed).count() is None

    def test_count_is_about_right(self, tmp_path):
        texts = ["x" * (n % 50) for n in range(50_000)]
        assert make_lines(tmp_path / "a.txt", "\n".join(texts)).count() == pytest.approx(50_000, rel=0.05)
