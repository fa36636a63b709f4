"""What the first lines of a csv file say of its dialect."""

from __future__ import annotations

import pytest

from vicinal.toolkit.csv_dialect import guess_delimiter, has_narrow_header, name_columns, parse_sep_line


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("id;text;year\n1;one;2020\n", ";"),
        ("id;text;price\n1;Hello, world;2,50\n2;a, b, c;3,10\n", ";"),
        ("id\ttext\n1\ta, b\n", "\t"),
        ("id|text\n1|a; b\n", "|"),
        ("id^text\n1^a\n", "^"),
        ("id:text\n1:a\n", ":"),
        ("id\x01text\n1\x01a\n", "\x01"),
        ('"id";"text"\n"1";"a;b"\n', ";"),
        ("id;text\n", ";"),
        ("id;text\n1;a;\n2;b;\n", ";"),
        ("sep=|\nid;text\n1;a\n", ";"),
        ("id,text\n1,a; b; c\n", ","),
        ('id,text\n1,"a;b"\n', ","),
        ("id,name:lang,text\n1,a,b\n", ","),
        ("id,time:start,text\n1,12:30,hello, world\n2,12:31,one, two\n3,1:1,x\n4,1:1,x\n", ","),
        ("text\nplain words, and; more\n", ","),
        ("question; please\nfree text\nmore, of it\n", ","),
        ('id;text\n1;"never closed\n', ";"),
        ("id text year\n1 one 2020\n2 two 2021\n", " "),
        ("full name\nAda Lovelace\nAlan Turing\n", ","),
        ("what they say\nhello\nhow are you\nnot bad\n", ","),
        ("", ","),
        ("\n", ","),
    ],
)
def test_the_delimiter_cuts_rows_as_the_header(text, delimiter):
    assert guess_delimiter(text.splitlines(keepends=True), ",") == delimiter


@pytest.mark.parametrize(
    ("text", "narrow"),
    [
        ("# made by us\nid,text\n1,a\n2,b\n", True),
        ("id,text\n1,hello, world\n2,a, b\n", True),
        ("id,text\n1,hello, world\n2,a\n3,b\n", False),
        ("id,text\n1,a,,\n2,b,,\n", False),
        ("# made by us\n\nid;text\n1;one, two\n2;two\n", True),
        ("text\nhello\n", False),
        ("text\nhello; world\n", False),
        ("text\nhello; world\nnobody there\n", False),
        ("text\n", False),
        ("", False),
    ],
)
def test_most_rows_may_be_wider_than_the_first_line(text, narrow):
    assert has_narrow_header(text.splitlines(keepends=True), ",") is narrow


def test_the_default_wins_a_tie():
    lines = ["id,a\tb\n"]
    assert [guess_delimiter(lines, default) for default in ",\t"] == [",", "\t"]


@pytest.mark.parametrize(
    ("line", "delimiter"),
    [
        ("sep=;\r\n", ";"),
        ("SEP=\t\n", "\t"),
        ('"sep=,"\n', ","),
        ("sep=;;;\n", ";"),
        ("sep=\n", ""),
        ("sep=ab\n", ""),
        ("sep\n", ""),
        ("separator=;\n", ""),
    ],
)
def test_excel_names_the_delimiter_in_a_line_of_its_own(line, delimiter):
    assert parse_sep_line(line) == delimiter


def test_a_column_without_a_name_is_called_by_its_position():
    assert name_columns(["id", "text", "", " "]) == ["id", "text", "column 3", "column 4"]
