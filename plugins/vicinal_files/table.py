"""The source ``table``: the rows of a csv, tsv, jsonl or parquet file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from vicinal.errors import SourceError
from vicinal.plugin.params import LocalPath
from vicinal.plugin.source import Source
from vicinal.toolkit.csv_dialect import guess_delimiter, parse_sep_line
from vicinal.toolkit.file_kinds import advise_conversion
from vicinal.types import Failure, Item
from vicinal_files.columns import Columns, Row, quote_name
from vicinal_files.csvfile import Dialect, read_csv_rows
from vicinal_files.decoding import Encoding
from vicinal_files.jsonlfile import read_jsonl_rows
from vicinal_files.text import estimate_lines, read_first_lines

__all__ = ["Table", "detect_format"]

FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


def detect_format(path: Path) -> str | None:
    """Return the file's format by its name: ``items.csv`` and ``items.csv.gz`` are csv."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    is_gzip = suffixes[-1:] == [".gz"]
    format_ = FORMATS.get("".join(suffixes[:-1][-1:] if is_gzip else suffixes[-1:]))
    return None if is_gzip and format_ == "parquet" else format_


def _validate_path(path: Path) -> Path:
    if detect_format(path) is None:
        advice = advise_conversion(path)
        hint = f"; {path.name} is {advice.kind}: {advice.hint}" if advice else ""
        raise ValueError(
            f"a table is a .csv, .tsv, .jsonl, .ndjson or .parquet file, or one of the first four and .gz{hint}"
        )
    return path


class Table(Source["Table.Params"]):
    """The rows of a table: an item's key is the row's ``key`` column, its content the ``content`` column.

    Cells of csv and tsv are texts; values of jsonl and parquet keep their JSON types.
    """

    class Params(Source.Params):
        path: Annotated[LocalPath, AfterValidator(_validate_path)]
        """The file: ``.csv``, ``.tsv``, ``.jsonl`` (``.ndjson``) or ``.parquet``; the first four may end in ``.gz``."""
        key: str
        """The column that names each row; one without a name is called by its position, as ``column 3``."""
        content: str
        """The column to encode."""
        metadata: list[str] | None = None
        """The columns to keep as metadata; all the others by default."""
        delimiter: str | None = Field(default=None, pattern=r'^[^"\r\n]$')
        """The character between the cells of a csv or tsv file; by default that of Excel's first line ``sep=;``, else a
        comma in csv, a tab in tsv."""
        quotes: bool = True
        """Whether double quotes enclose cells of a csv or tsv file; false where they are ordinary characters."""
        encoding: Encoding | None = None
        """A text file's encoding, as ``cp1252`` or ``utf-16-le``; else that of its byte order mark, else UTF-8."""

        @model_validator(mode="after")
        def _refuse_idle_parameters(self) -> Self:
            kind = detect_format(self.path)
            idle = {"encoding": kind == "parquet", "delimiter": kind in ("jsonl", "parquet")}
            for name, is_idle in idle.items():
                if is_idle and getattr(self, name) is not None:
                    raise ValueError(f"{name} has no effect on a {kind} file; remove it")
            return self

    def __iter__(self) -> Iterator[Item | Failure]:
        return self._columns.to_items(self._read_rows())

    def count(self) -> int | None:
        """Return the number of rows; for csv, tsv and jsonl an estimate by file size, None for a gzip file."""
        path, kind = self.params.path, detect_format(self.params.path)
        if kind == "parquet":
            from vicinal_files.parquetfile import count_rows

            return count_rows(path)
        lines = estimate_lines(path)
        return lines if lines is None or kind == "jsonl" else max(0, lines - 1)

    @property
    def _columns(self) -> Columns:
        return Columns(self.params.key, self.params.content, self.params.metadata)

    @property
    def _dialect(self) -> Dialect:
        default = "\t" if detect_format(self.params.path) == "tsv" else ","
        return Dialect(self.params.encoding, self.params.delimiter, default, self.params.quotes)

    def _read_rows(self) -> Iterator[Row]:
        kind = detect_format(self.params.path)
        if kind == "jsonl":
            return read_jsonl_rows(self.params.path, self.params.encoding)
        if kind == "parquet":
            from vicinal_files.parquetfile import read_parquet_rows

            return read_parquet_rows(self.params.path, self._select_columns)
        return read_csv_rows(self.params.path, self._dialect, self._require_csv_columns)

    def _require_csv_columns(self, names: Sequence[str]) -> None:
        """Check a csv file's columns; a header of one cell that another delimiter would cut is not one column."""
        if len(names) > 1 and self._columns.are_in(names):
            self._columns.require_in(self.params.path, names)
            return
        used, guessed = self._compare_delimiters()
        hint = f"set `delimiter: {json.dumps(guessed, ensure_ascii=False)}`" if guessed != used else ""
        if hint and self.params.delimiter is None and len(names) == 1:
            raise SourceError(
                f"the cells of {self.params.path} are not separated by {used!r}: its header is {quote_name(names[0])}",
                hint=f"{hint}, or `delimiter: {json.dumps(used)}` if it really has one column",
            )
        self._columns.require_in(self.params.path, names, hint)

    def _compare_delimiters(self) -> tuple[str, str]:
        """Return the delimiter that is used, and the one that suits the first lines."""
        lines = read_first_lines(self.params.path, self.params.encoding)
        used = self._dialect.delimiter or parse_sep_line(lines[0]) or self._dialect.default_delimiter
        return used, guess_delimiter(lines, used)

    def _select_columns(self, names: Sequence[str]) -> list[str]:
        self._columns.require_in(self.params.path, names)
        return self._columns.select_names(names)
