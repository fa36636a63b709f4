"""Reads columns of a table of any size, csv, tsv, parquet or jsonl, in chunks of some megabytes.

pyarrow parses: 25 million rows of csv take it some seconds, where Python's ``csv`` needs a minute.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from vicinal import SourceError
from vicinal.toolkit.text import shorten
from vicinal.toolkit.text_encoding import guess_encoding

if TYPE_CHECKING:
    import pyarrow

__all__ = ["FORMATS", "Dialect", "TableReader", "detect_format"]

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "csv",
    ".dat": "csv",
    ".data": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_BLOCK_BYTES = 16 << 20
_BATCH_ROWS = 1 << 18
_LONG_INTEGER = re.compile(rb"[0-9]{20}|-[0-9]{19}")
_JSON_ROWS = 1 << 15
_DAMAGED = "the file is damaged, or its name ends as another format's: copy it again, or rename it"
_HEAD_BYTES = 4 << 10
_MAX_HEADER_CHARS = 1 << 20


def detect_format(path: Path) -> str | None:
    """A table's format by its name; a text may be compressed, as ``ratings.csv.gz``."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    is_gzip = suffixes[-1:] == [".gz"]
    found = FORMATS.get("".join(suffixes[:-1][-1:] if is_gzip else suffixes[-1:]))
    return None if is_gzip and found == "parquet" else found


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a csv or tsv file is written; ``columns`` are its columns, else its first line names them."""

    delimiter: str
    columns: Sequence[str] | None = None
    quotes: bool = True
    encoding: str = "utf-8"
    has_header: bool = True


class TableReader:
    """Yields the chosen columns of a table as arrays; ``malformed`` counts the rows that have other columns."""

    def __init__(self, path: Path, names: Sequence[str], dialect: Dialect) -> None:
        self.malformed = 0
        self._unclosed = ""
        self._path = path
        self._names = list(dict.fromkeys(names))
        self._dialect = dialect

    def __iter__(self) -> Iterator[dict[str, pyarrow.Array]]:
        """Yield chunks: an array for each name.

        Raises:
            SourceError: the file cannot be read to its end, or lacks one of the columns.
        """
        import pyarrow

        kind = detect_format(self._path)
        read = {"parquet": self._read_parquet, "jsonl": self._read_jsonl}.get(str(kind), self._read_csv)
        try:
            yield from read()
        except FileNotFoundError as error:
            raise SourceError(
                f"{self._path} does not exist",
                "correct `interactions.path`; a relative one is relative to the YAML file",
            ) from error
        except UnicodeError as error:
            hint = "correct `interactions.encoding`"
            raise SourceError(f"{self._path} cannot be read: {error}", hint) from error
        except (OSError, EOFError, zlib.error, pyarrow.ArrowException) as error:
            hint = "" if getattr(error, "errno", None) else _DAMAGED
            raise SourceError(f"{self._path} cannot be read: {error}", hint) from error

    def _read_csv(self) -> Iterator[dict[str, pyarrow.Array]]:
        import pyarrow
        import pyarrow.csv

        dialect = self._dialect
        head = self._read_head()
        columns = self._name_columns([line for _, line in head])
        if columns is None:
            return
        header_lines = head[0][0] if dialect.columns is None and dialect.has_header else 0
        chosen = {name: pyarrow.binary() if dialect.encoding == "utf-8" else pyarrow.string() for name in self._names}
        with pyarrow.input_stream(str(self._path), compression="detect") as stream:
            batches = pyarrow.csv.open_csv(
                stream,
                pyarrow.csv.ReadOptions(
                    block_size=_BLOCK_BYTES,
                    column_names=columns,
                    skip_rows=header_lines,
                    encoding=dialect.encoding,
                ),
                pyarrow.csv.ParseOptions(
                    delimiter=dialect.delimiter,
                    quote_char='"' if dialect.quotes else False,
                    invalid_row_handler=self._skip_row,
                ),
                pyarrow.csv.ConvertOptions(
                    column_types=chosen, include_columns=self._names, strings_can_be_null=False, check_utf8=False
                ),
            )
            for batch in batches:
                arrays = {name: batch.column(name) for name in self._names}
                self._require_single_lines(arrays.values())
                yield arrays
            self._require_single_lines(())

    def _require_single_lines(self, arrays: Iterable[pyarrow.Array]) -> None:
        """Check that no cell holds the end of a line, as one does whose quote is not closed.

        Raises:
            SourceError: one does; the rows that it spans would be lost.
        """
        import pyarrow
        import pyarrow.compute as pc

        for array in arrays if self._dialect.quotes else ():
            found = array.filter(pc.match_substring(array, "\n"))[:1].cast(pyarrow.binary()).to_pylist()
            self._unclosed = self._unclosed or b"".join(found).decode(errors="replace")
        if not self._unclosed:
            return
        shown = shorten(self._unclosed, 40)
        if self._dialect.delimiter in self._unclosed:  # it holds other cells
            fault, hint = "a quote that is not closed, before", "remove the quote, or double it"
        else:
            fault, hint = "a cell of more than one line:", "write it in one line, or remove the quote before it"
        raise SourceError(f"{self._path} has {fault} {shown!r}", hint)

    def _skip_row(self, row: pyarrow.csv.InvalidRow) -> str:
        self.malformed += 1
        if row.text and "\n" in row.text.rstrip():
            self._unclosed = self._unclosed or row.text
        return "skip"

    def _name_columns(self, lines: list[str]) -> list[str] | None:
        """The columns of a csv file that begins with these lines; None where it has no row.

        Raises:
            SourceError: it has no such columns.
        """
        dialect = self._dialect
        if not lines:
            raise SourceError(f"{self._path} is empty", "its first line names its columns; see `header`")
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if dialect.quotes else csv.QUOTE_NONE
        cells = next(csv.reader(lines[:1], delimiter=dialect.delimiter, quoting=quoting))
        if dialect.columns is not None:
            names, hint = list(dialect.columns), ""
        elif dialect.has_header:
            names = [cell.strip() or f"column {number}" for number, cell in enumerate(cells, 1)]
            hint = "if its first line names no columns, write `header: false`, and `user: column 1`, `item: column 2`"
        else:
            names, hint = (
                [f"column {number}" for number in range(1, len(cells) + 1)],
                "without a header columns have numbers",
            )
        self._require_columns(names, hint)
        has_rows = len(lines) > 1 or dialect.columns is not None or not dialect.has_header
        return names if has_rows else None

    def _read_head(self) -> list[tuple[int, str]]:
        """The first two lines that are not blank, each with its number in the file.

        Raises:
            SourceError: the file is UTF-16 or UTF-32, and another encoding is given.
        """
        with self._open_file() as binary:
            self._require_encoding(binary.read(_HEAD_BYTES))
            binary.seek(0)
            encoding = "utf-8-sig" if self._dialect.encoding == "utf-8" else self._dialect.encoding
            with io.TextIOWrapper(binary, encoding, errors="replace") as text:
                lines = enumerate(iter(lambda: text.readline(_MAX_HEADER_CHARS), ""), 1)
                return list(islice(((number, line) for number, line in lines if line.strip()), 2))

    def _require_encoding(self, head: bytes) -> None:
        given = self._dialect.encoding
        guess = guess_encoding(head) if b"\0" in head else ""
        if guess.startswith(("utf-16", "utf-32")) and given[:6] != guess[:6]:
            raise SourceError(
                f"{self._path} seems to be {guess.upper()}, not {given.upper()}",
                f"write `encoding: {guess}` in `interactions`",
            )

    def _open_file(self) -> gzip.GzipFile | BinaryIO:
        return gzip.open(self._path) if self._path.suffix.lower() == ".gz" else self._path.open("rb")

    def _read_parquet(self) -> Iterator[dict[str, pyarrow.Array]]:
        from pyarrow.parquet import ParquetFile

        with ParquetFile(self._path, pre_buffer=False, buffer_size=1 << 20) as file:
            self._require_columns(file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=self._names):
                yield {name: batch.column(name) for name in self._names}

    def _read_jsonl(self) -> Iterator[dict[str, pyarrow.Array]]:
        import pyarrow

        with self._open_file() as lines:
            while rows := [self._parse_row(line) for line in islice(lines, _JSON_ROWS)]:
                valid = [row for row in rows if row is not None]
                yield {name: pyarrow.array([_to_text(row.get(name)) for row in valid]) for name in self._names}

    def _parse_row(self, line: bytes) -> dict[str, Any] | None:
        """The object of a line; one that is none is malformed, unless it is blank."""
        import orjson

        try:
            row = orjson.loads(line)
            if _LONG_INTEGER.search(line):  # of more than 64 bits orjson makes a float
                row = json.loads(line, parse_int=str)
        except orjson.JSONDecodeError:
            self.malformed += bool(line.strip())
            return None
        if isinstance(row, dict):
            return row
        self.malformed += 1
        return None

    def _require_columns(self, names: Sequence[str], hint: str = "") -> None:
        for name in self._names:
            if names.count(name) != 1:
                reason = f"has two columns {name!r}" if name in names else f"has no column {name!r}"
                shown = ", ".join(map(repr, names[:20])) + (" …" if len(names) > 20 else "")
                raise SourceError(
                    f"{self._path} {reason}; its columns are {shown}",
                    hint or "correct `user`, `item`, `weight` or `time` in `interactions`",
                )


def _to_text(value: Any) -> str | None:
    """A JSON value as an id or a number is written; None for null, a list or an object."""
    if value is None or isinstance(value, list | dict):
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
