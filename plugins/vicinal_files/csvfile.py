"""Rows of a csv or tsv file.

Python's ``csv`` parses, in its strict mode. A quote that is never closed would make one cell of the rest of the file;
here such a row is a failure, and parsing resynchronizes at the very next line.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vicinal.errors import SourceError
from vicinal.toolkit.csv_dialect import name_columns, parse_sep_line
from vicinal_files.columns import Row, make_row_failure
from vicinal_files.decoding import InvalidLine
from vicinal_files.text import (
    MAX_LINE_BYTES,
    OversizedLine,
    TruncatedFileError,
    format_megabytes,
    read_lines,
)

if TYPE_CHECKING:
    import _csv

__all__ = ["Dialect", "read_csv_rows"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is written; without ``delimiter`` Excel's line ``sep=;`` gives it, else it is the default."""

    encoding: str | None
    delimiter: str | None
    default_delimiter: str
    quotes: bool


def read_csv_rows(path: Path, dialect: Dialect, check: Callable[[Sequence[str]], None]) -> Iterator[Row]:
    """Yield the rows below the header. Blank lines, and rows of empty cells alone, are skipped.

    A row's mapping lacks the cells that the row lacks. A column without a name is called by its position, and its empty
    cells, as those beyond the header, are left out: spreadsheets write them.

    Raises:
        SourceError: there is no header, or ``check``, which receives its names, rejects it.
    """
    csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_LINE_BYTES))  # process-wide, so never lowered
    with closing(_RecordReader(path, dialect)) as records:
        rows = iter(records)
        header = _require_header(path, next(rows, None))
        names = name_columns(header)
        check(names)
        unnamed = [name for name, given in zip(names, header, strict=True) if name != given]
        records.width = width = len(names)
        for number, cells in enumerate(rows, 1):
            if isinstance(cells, str):
                yield make_row_failure(number, cells)
            elif len(cells) > width and any(cells[width:]):
                yield make_row_failure(
                    number, f"it has {len(cells)} cells, the header has {width} (line {records.line_number})"
                )
            elif any(cells):
                row = dict(zip(names, cells, strict=False))
                yield number, _drop_empty(row, unnamed) if unnamed else row


def _require_header(path: Path, cells: list[str] | str | None) -> list[str]:
    if cells is None:
        raise SourceError(f"{path} is empty", hint="its first line must name its columns")
    if isinstance(cells, str):
        raise SourceError(f"the header of {path} cannot be read: {cells}")
    return cells


def _drop_empty(row: dict[str, str], names: Sequence[str]) -> dict[str, str]:
    return {name: cell for name, cell in row.items() if cell or name not in names}


class _RecordReader:
    """Yields the cells of each record, or a sentence that says why it cannot be read."""

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self.width = 0
        self._truncation = ""
        self._lines = self._read_file(path, dialect.encoding)
        self._record_lines: list[str] = []  # the lines of the current record
        self._replay: deque[str] = deque()  # lines of a broken record, to parse as records of their own
        self._recovering_until = 0  # the last line of the broken record that is being replayed
        self._lines_before = 0  # how many lines precede the csv reader's first
        self._quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if dialect.quotes else csv.QUOTE_NONE
        sep = self._skip_sep_line()
        self._delimiter = dialect.delimiter or sep or dialect.default_delimiter
        self._reader = self._create_reader()

    @property
    def line_number(self) -> int:
        """The number of the line at which the current record begins."""
        return self._lines_before + self._reader.line_num - len(self._record_lines) + 1

    def __iter__(self) -> Iterator[list[str] | str]:
        lines = self._record_lines
        at_end = False
        while not at_end:
            self._reader = self._create_reader()
            try:
                for cells in self._reader:
                    is_plain = len(lines) == 1 and not self._recovering_until and type(lines[0]) is str
                    if record := cells if is_plain else self._validate_record(cells):
                        yield record
                    lines.clear()
                at_end = True
            except csv.Error as error:
                yield self._error_for(error)
                self._resync()
        if self._truncation:
            yield self._truncation

    def _skip_sep_line(self) -> str:
        """Return the delimiter of Excel's first line ``sep=;``; any other line is left to the csv reader."""
        for line in self._lines:
            if delimiter := parse_sep_line(line):
                self._lines_before = 1
                return delimiter
            self._replay.append(line)
            break
        return ""

    def close(self) -> None:
        """Close the file, even if it was not read to its end."""
        self._lines.close()

    def _create_reader(self) -> _csv.Reader:
        return csv.reader(self._feed_reader(), delimiter=self._delimiter, quoting=self._quoting, strict=True)

    def _read_file(self, path: Path, encoding: str | None) -> Generator[str]:
        try:
            yield from read_lines(path, encoding)
        except TruncatedFileError as error:
            self._truncation = str(error)

    def _feed_reader(self) -> Iterator[str]:
        """Yield lines to the csv reader, replayed ones first, and collect those of the current record."""
        record, replay, size = self._record_lines, self._replay, 0
        while replay:
            record.append(replay.popleft())
            yield record[-1]
        for line in self._lines:
            size = size + len(line) if record else 0
            if size > MAX_LINE_BYTES:
                replay.append(line)
                raise csv.Error(f"the row would be longer than {format_megabytes(MAX_LINE_BYTES)}")
            record.append(line)
            yield line

    def _resync(self) -> None:
        """After a broken record, parse again from its second line, and validate the records that it spanned."""
        first = self.line_number
        self._recovering_until = max(self._recovering_until, first + len(self._record_lines) - 1)
        self._lines_before = first
        self._replay.extendleft(reversed(self._record_lines[1:]))
        self._record_lines.clear()

    def _validate_record(self, cells: list[str]) -> list[str] | str:
        if reason := _describe_bad_line(self._record_lines, self.line_number):
            return reason
        if self.line_number > self._recovering_until:
            self._recovering_until = 0
        elif (cells and len(cells) != self.width) or sum(line.count('"') for line in self._record_lines) % 2:
            return f"it follows a quote that is not closed, and may be part of its cell (line {self.line_number})"
        return cells

    def _error_for(self, error: csv.Error) -> str:
        first, last = self.line_number, self.line_number + len(self._record_lines) - 1
        if reason := _describe_bad_line(self._record_lines[:1], first):
            return reason
        if len(self._record_lines) == 1 and "end of data" not in str(error):
            return f"its quotes are not csv: {error} (line {first})"
        return f"a quote opens in line {first} and is not closed by line {last} ({error})"


def _describe_bad_line(lines: Sequence[str], number: int) -> str:
    for line in lines:
        if isinstance(line, InvalidLine):
            return f"{line.problem} (line {number}){line.suggestion}"
        if isinstance(line, OversizedLine):
            sizes = f"{format_megabytes(line.size)}, the limit is {format_megabytes(MAX_LINE_BYTES)}"
            return f"its line has {sizes} (line {number})"
    return ""
