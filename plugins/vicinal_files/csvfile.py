"""Rows of a csv or tsv file.

Python's ``csv`` parses, in its strict mode. A quote that is never closed would make one cell of the rest of the file;
here such a row is a failure, and parsing resynchronizes at the very next line.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vicinal.errors import SourceError
from vicinal_files.columns import Row, make_row_failure
from vicinal_files.text import (
    MAX_LINE_BYTES,
    InvalidLine,
    OversizedLine,
    TruncatedFileError,
    format_megabytes,
    read_lines,
)

if TYPE_CHECKING:
    import _csv

__all__ = ["read_csv_rows"]


def read_csv_rows(path: Path, delimiter: str, quotes: bool, check: Callable[[Sequence[str]], None]) -> Iterator[Row]:
    """Yield the rows below the header. Blank lines are skipped; a row's mapping lacks the cells that the row lacks.

    Raises:
        SourceError: there is no header, or ``check``, which receives its names, rejects it.
    """
    csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_LINE_BYTES))  # process-wide, so never lowered
    with closing(_RecordReader(path, delimiter, quotes)) as records:
        rows = iter(records)
        header = _require_header(path, next(rows, None))
        check(header)
        records.width = width = len(header)
        for number, cells in enumerate(rows, 1):
            if isinstance(cells, str):
                yield make_row_failure(number, cells)
            elif len(cells) > width:
                yield make_row_failure(
                    number, f"it has {len(cells)} cells, the header has {width} (line {records.line_number})"
                )
            else:
                yield number, dict(zip(header, cells, strict=False))


def _require_header(path: Path, cells: list[str] | str | None) -> list[str]:
    if cells is None:
        raise SourceError(f"{path} is empty", hint="its first line must name its columns")
    if isinstance(cells, str):
        raise SourceError(f"the header of {path} cannot be read: {cells}")
    return cells


class _RecordReader:
    """Yields the cells of each record, or a sentence that says why it cannot be read."""

    def __init__(self, path: Path, delimiter: str, quotes: bool) -> None:
        self.width = 0
        self._path = path
        self._delimiter = delimiter
        self._quotes = quotes
        self._lines = self._read_file()
        self._record_lines: list[str] = []  # the lines of the current record
        self._replay: deque[str] = deque()  # lines of a broken record, to parse as records of their own
        self._recovering_until = 0  # the last line of the broken record that is being replayed
        self._lines_before = 0  # how many lines precede the csv reader's first
        self._reader = self._create_reader()
        self._truncation = ""

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

    def close(self) -> None:
        """Close the file, even if it was not read to its end."""
        self._lines.close()

    def _create_reader(self) -> _csv.Reader:
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if self._quotes else csv.QUOTE_NONE
        return csv.reader(self._feed_reader(), delimiter=self._delimiter, quoting=quoting, strict=True)

    def _read_file(self) -> Generator[str]:
        try:
            yield from read_lines(self._path)
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
        if reason := _describe_bad_line(self._record_lines):
            return f"{reason} (line {self.line_number})"
        if self.line_number > self._recovering_until:
            self._recovering_until = 0
        elif (cells and len(cells) != self.width) or sum(line.count('"') for line in self._record_lines) % 2:
            return f"it follows a quote that is not closed, and may be part of its cell (line {self.line_number})"
        return cells

    def _error_for(self, error: csv.Error) -> str:
        first, last = self.line_number, self.line_number + len(self._record_lines) - 1
        if reason := _describe_bad_line(self._record_lines[:1]):
            return f"{reason} (line {first})"
        if len(self._record_lines) == 1 and "end of data" not in str(error):
            return f"its quotes are not csv: {error} (line {first})"
        return f"a quote opens in line {first} and is not closed by line {last} ({error})"


def _describe_bad_line(lines: Sequence[str]) -> str:
    for line in lines:
        if isinstance(line, InvalidLine):
            return f"not UTF-8: {line.describe_error()}"
        if isinstance(line, OversizedLine):
            return f"its line has {format_megabytes(line.size)}, the limit is {format_megabytes(MAX_LINE_BYTES)}"
    return ""
