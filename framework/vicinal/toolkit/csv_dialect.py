"""What the first lines of a csv file say of its dialect: the delimiter, Excel's line ``sep=``, the columns' names."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from contextlib import suppress

__all__ = ["guess_delimiter", "has_narrow_header", "name_columns", "parse_sep_line"]

_DELIMITERS = (",;\t|", ":^~¦\x01\x1f")
"""Usual delimiters, and others, which are considered only where none of the usual ones separates anything."""
_SEP_LINE = re.compile(r'"?sep=(?P<delimiter>.)"?(?P=delimiter)*', re.IGNORECASE)
_MIN_SHARE = 0.5
_SPACE_MIN_WIDTH = 3
_SPACE_MIN_SHARE = 0.9
"""Blanks separate words, too: they are a delimiter where nearly all rows have as many words, three or more."""


def parse_sep_line(line: str) -> str:
    """Return the delimiter that Excel's first line ``sep=;`` names; empty for any other line."""
    match = _SEP_LINE.fullmatch(line.rstrip("\r\n"))
    return match["delimiter"] if match and match["delimiter"] not in '"\r\n' else ""


def guess_delimiter(lines: Sequence[str], default: str) -> str:
    """Return the delimiter that cuts most rows into as many cells as the header, whose line is the first.

    ``csv.Sniffer`` looks at all characters, takes the ``e`` of plain words for a delimiter, and raises where there is
    none; here a delimiter has to cut the header, and ``default`` is what remains.
    """
    lines = lines[1:] if lines and parse_sep_line(lines[0]) else lines
    for group in (default + _DELIMITERS[0], _DELIMITERS[1]):
        fits = {delimiter: fit for delimiter in group if (fit := _measure_fit(lines, delimiter))[0] >= _MIN_SHARE}
        if fits:
            return max(fits, key=lambda delimiter: fits[delimiter])
    share, width = _measure_fit(lines, " ")
    return " " if share >= _SPACE_MIN_SHARE and width >= _SPACE_MIN_WIDTH else default


def has_narrow_header(lines: Sequence[str], delimiter: str) -> bool:
    """Whether most rows have more cells than the first line, which then names no columns: a comment, say.

    Where the first line is one cell, any usual delimiter counts that cuts two rows or more, all into as many cells.
    """
    header, *rows = _parse_records(lines, delimiter) or [[]]
    if sum(any(row[len(header) :]) for row in rows) > _MIN_SHARE * len(rows):
        return True
    tables = [_parse_records(lines, usual) for usual in _DELIMITERS[0]]
    return any(
        len(table) > 2 and len(table[0]) == 1 and {len(row) for row in table[1:]} == {len(table[1])} != {1}
        for table in tables
    )


def name_columns(cells: Sequence[str]) -> list[str]:
    """Return the header's names; a column without one is named by its position, as ``column 3``."""
    return [cell if cell.strip() else f"column {number}" for number, cell in enumerate(cells, 1)]


def _measure_fit(lines: Sequence[str], delimiter: str) -> tuple[float, int]:
    """Return the share of rows that are as wide as the header, and its width; zeros where it is a single cell."""
    records = _parse_records(lines, delimiter)
    if not records or (width := len(records[0])) < 2:
        return 0.0, 0
    rows = records[1:]
    fitting = sum(len(row) >= width and not any(row[width:]) for row in rows)
    return (fitting / len(rows) if rows else 1.0), width


def _parse_records(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    records: list[list[str]] = []
    with suppress(csv.Error):  # a quote that is not closed ends the sample
        records.extend(record for record in csv.reader(lines, delimiter=delimiter, strict=True) if record)
    return records
