"""The source ``table``: the rows of a csv, tsv, jsonl or parquet file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from vicinal.plugin.params import LocalPath
from vicinal.plugin.source import Source
from vicinal.types import Failure, Item
from vicinal_files.columns import Columns, Row
from vicinal_files.csvfile import read_csv_rows
from vicinal_files.jsonlfile import read_jsonl_rows
from vicinal_files.text import estimate_lines

__all__ = ["Table"]

FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


def _detect_format(path: Path) -> str | None:
    """Return the file's format by its name: ``items.csv`` and ``items.csv.gz`` are csv."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    is_gzip = suffixes[-1:] == [".gz"]
    format_ = FORMATS.get("".join(suffixes[:-1][-1:] if is_gzip else suffixes[-1:]))
    return None if is_gzip and format_ == "parquet" else format_


def _validate_path(path: Path) -> Path:
    if _detect_format(path) is None:
        raise ValueError("a table is a .csv, .tsv, .jsonl, .ndjson or .parquet file, or one of the first four and .gz")
    return path


class Table(Source):
    """The rows of a table: an item's key is the row's ``key`` column, its content the ``content`` column.

    Cells of csv and tsv are texts; values of jsonl and parquet keep their JSON types.
    """

    class Params(Source.Params):
        path: Annotated[LocalPath, AfterValidator(_validate_path)]
        """The file: ``.csv``, ``.tsv``, ``.jsonl`` (``.ndjson``) or ``.parquet``; the first four may end in ``.gz``."""
        key: str
        """The column that names each row."""
        content: str
        """The column to encode."""
        metadata: list[str] | None = None
        """The columns to keep as metadata; all the others by default."""
        delimiter: str | None = Field(default=None, pattern=r'^[^"\r\n]$')
        """The character between the cells of a csv or tsv file; by default a comma in csv, a tab in tsv."""
        quotes: bool = True
        """Whether double quotes enclose cells of a csv or tsv file; false where they are ordinary characters."""

    def __iter__(self) -> Iterator[Item | Failure]:
        return self._columns.to_items(self._read_rows())

    def count(self) -> int | None:
        """Return the number of rows; for csv, tsv and jsonl an estimate by file size, None for a gzip file."""
        path, kind = self.params.path, _detect_format(self.params.path)
        if kind == "parquet":
            from vicinal_files.parquetfile import count_rows

            return count_rows(path)
        lines = estimate_lines(path)
        return lines if lines is None or kind == "jsonl" else max(0, lines - 1)

    @property
    def _columns(self) -> Columns:
        return Columns(self.params.key, self.params.content, self.params.metadata)

    def _read_rows(self) -> Iterator[Row]:
        kind = _detect_format(self.params.path)
        if kind == "jsonl":
            return read_jsonl_rows(self.params.path)
        if kind == "parquet":
            from vicinal_files.parquetfile import read_parquet_rows

            return read_parquet_rows(self.params.path, self._select_columns)
        delimiter = self.params.delimiter or ("\t" if kind == "tsv" else ",")
        return read_csv_rows(self.params.path, delimiter, self.params.quotes, self._require_columns)

    def _require_columns(self, names: Sequence[str]) -> None:
        self._columns.require_in(self.params.path, names)

    def _select_columns(self, names: Sequence[str]) -> list[str]:
        self._require_columns(names)
        return self._columns.select(names)
