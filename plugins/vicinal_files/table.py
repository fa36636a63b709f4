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
from vicinal_files.csvfile import csv_rows
from vicinal_files.jsonlfile import jsonl_rows
from vicinal_files.text import estimate_lines

__all__ = ["Table"]

FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


def _format(path: Path) -> str | None:
    """The file's format by its name: ``items.csv`` and ``items.csv.gz`` are csv."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    found = FORMATS.get("".join(suffixes[:-1][-1:] if packed else suffixes[-1:]))
    return None if packed and found == "parquet" else found


def _checked_path(path: Path) -> Path:
    if _format(path) is None:
        raise ValueError("a table is a .csv, .tsv, .jsonl, .ndjson or .parquet file, or one of the first four and .gz")
    return path


class Table(Source):
    """The rows of a table; a row is an item named by its ``key`` column, and its ``content`` column is encoded.

    Cells of csv and tsv stay texts; values of jsonl and parquet keep their JSON types.
    """

    class Params(Source.Params):
        path: Annotated[LocalPath, AfterValidator(_checked_path)]
        """The file: ``.csv``, ``.tsv``, ``.jsonl`` (``.ndjson``) or ``.parquet``; the first four may end in ``.gz``."""
        key: str
        """The column that names each row."""
        content: str
        """The column to encode."""
        metadata: list[str] | None = None
        """The columns to keep as metadata; all the others by default."""
        delimiter: str | None = Field(default=None, pattern=r'^[^"\r\n]$')
        """What separates the cells of a csv or tsv file; by default a comma in the former, a tab in the latter."""
        quotes: bool = True
        """Whether a csv or tsv cell may stand in double quotes; false where they are ordinary characters."""

    def __iter__(self) -> Iterator[Item | Failure]:
        return self._columns.items(self._rows())

    def count(self) -> int | None:
        """The number of rows; for texts about that, judged by the file's size, and None for a packed one."""
        path, kind = self.params.path, _format(self.params.path)
        if kind == "parquet":
            from vicinal_files.parquetfile import count_rows

            return count_rows(path)
        lines = estimate_lines(path)
        return lines if lines is None or kind == "jsonl" else max(0, lines - 1)

    @property
    def _columns(self) -> Columns:
        return Columns(self.params.key, self.params.content, self.params.metadata)

    def _rows(self) -> Iterator[Row]:
        kind = _format(self.params.path)
        if kind == "jsonl":
            return jsonl_rows(self.params.path)
        if kind == "parquet":
            from vicinal_files.parquetfile import parquet_rows

            return parquet_rows(self.params.path, self._choose)
        delimiter = self.params.delimiter or ("\t" if kind == "tsv" else ",")
        return csv_rows(self.params.path, delimiter, self.params.quotes, self._check)

    def _check(self, names: Sequence[str]) -> None:
        self._columns.check(self.params.path, names)

    def _choose(self, names: Sequence[str]) -> list[str]:
        self._check(names)
        return self._columns.wanted(names)
