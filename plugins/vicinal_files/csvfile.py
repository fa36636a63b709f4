"""Rows of a csv or tsv file.

The parsing is Python's ``csv``, in its strict mode. What it lacks is done here: a quote that is never closed would make
one cell of all that follows. Instead, such a row is a failure, and reading goes on with the very next line.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vicinal.errors import SourceError
from vicinal_files.columns import Row, row_failure
from vicinal_files.text import MAX_LINE, DamageError, NotUtf8, TooLong, megabytes, read_lines

if TYPE_CHECKING:
    import _csv

__all__ = ["csv_rows"]


def csv_rows(path: Path, delimiter: str, quotes: bool, check: Callable[[Sequence[str]], None]) -> Iterator[Row]:
    """Yield the rows below the header. Blank lines are no rows; cells missing at a row's end are missing in it.

    Raises:
        SourceError: there is no header, or ``check``, which is given its names, does not accept it.
    """
    csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_LINE))  # of the whole process, so it is never lowered
    with closing(_Records(path, delimiter, quotes)) as records:
        rows = iter(records)
        header = _header(path, next(rows, None))
        check(header)
        records.width = width = len(header)
        for number, cells in enumerate(rows, 1):
            if isinstance(cells, str):
                yield row_failure(number, cells)
            elif len(cells) > width:
                yield row_failure(number, f"it has {len(cells)} cells, the header has {width} (line {records.line})")
            else:
                yield number, dict(zip(header, cells, strict=False))


def _header(path: Path, cells: list[str] | str | None) -> list[str]:
    if cells is None:
        raise SourceError(f"{path} is empty", hint="its first line has to name its columns")
    if isinstance(cells, str):
        raise SourceError(f"the header of {path} cannot be read: {cells}")
    return cells


class _Records:
    """Yields the cells of each record, or a sentence about what is wrong with it."""

    def __init__(self, path: Path, delimiter: str, quotes: bool) -> None:
        self.width = 0
        self._path = path
        self._delimiter = delimiter
        self._quotes = quotes
        self._lines = self._read()
        self._taken: list[str] = []  # the lines of the record at hand
        self._again: deque[str] = deque()  # lines of a broken record, to be read as records of their own
        self._doubtful = 0  # the last line of a broken record
        self._done = 0  # the lines before the reader's first
        self._reader = self._new_reader()
        self._damage = ""

    @property
    def line(self) -> int:
        """The number of the line where the record at hand begins."""
        return self._done + self._reader.line_num - len(self._taken) + 1

    def __iter__(self) -> Iterator[list[str] | str]:
        taken = self._taken
        ended = False
        while not ended:
            self._reader = self._new_reader()
            try:
                for cells in self._reader:
                    plain = len(taken) == 1 and not self._doubtful and type(taken[0]) is str
                    if found := cells if plain else self._checked(cells):
                        yield found
                    taken.clear()
                ended = True
            except csv.Error as error:
                yield self._broken(error)
                self._start_again()
        if self._damage:
            yield self._damage

    def close(self) -> None:
        """Close the file, though it is not read to its end."""
        self._lines.close()

    def _new_reader(self) -> _csv.Reader:
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if self._quotes else csv.QUOTE_NONE
        return csv.reader(self._feed(), delimiter=self._delimiter, quoting=quoting, strict=True)

    def _read(self) -> Generator[str]:
        try:
            yield from read_lines(self._path)
        except DamageError as error:
            self._damage = str(error)

    def _feed(self) -> Iterator[str]:
        """The lines for the csv reader, first those that are read again; keeps those of the record at hand."""
        taken, again, size = self._taken, self._again, 0
        while again:
            taken.append(again.popleft())
            yield taken[-1]
        for line in self._lines:
            size = size + len(line) if taken else 0
            if size > MAX_LINE:
                again.append(line)
                raise csv.Error(f"the row would be longer than {megabytes(MAX_LINE)}")
            taken.append(line)
            yield line

    def _start_again(self) -> None:
        """After a broken record: read from its second line on, with care as far as the first attempt went."""
        first = self.line
        self._doubtful = max(self._doubtful, first + len(self._taken) - 1)
        self._done = first
        self._again.extendleft(reversed(self._taken[1:]))
        self._taken.clear()

    def _checked(self, cells: list[str]) -> list[str] | str:
        wrong = _unreadable(self._taken)
        if wrong:
            return f"{wrong} (line {self.line})"
        if self.line > self._doubtful:
            self._doubtful = 0
        elif (cells and len(cells) != self.width) or sum(line.count('"') for line in self._taken) % 2:
            return f"it follows a quote that is not closed and cannot be told from its cell (line {self.line})"
        return cells

    def _broken(self, error: csv.Error) -> str:
        first, last = self.line, self.line + len(self._taken) - 1
        if wrong := _unreadable(self._taken[:1]):
            return f"{wrong} (line {first})"
        if len(self._taken) == 1 and "end of data" not in str(error):
            return f"its quotes are not csv: {error} (line {first})"
        return f"a quote opens in line {first} and is not closed by line {last} ({error})"


def _unreadable(lines: Sequence[str]) -> str:
    for line in lines:
        if isinstance(line, NotUtf8):
            return f"not UTF-8: {line.wrong()}"
        if isinstance(line, TooLong):
            return f"its line has {megabytes(line.size)}, the limit is {megabytes(MAX_LINE)}"
    return ""
