"""The table with a row for each query: what it was, its figures, and what it found; as parquet or CSV."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, Self

from vicinal.errors import VicinalError
from vicinal.toolkit.atomic_files import open_replacing, require_writable

__all__ = ["PerQueryTable", "require_writable_table"]


class PerQueryTable:
    """Written part by part, so that it need not fit in memory; without a path it writes nothing. A context manager."""

    def __init__(self, path: Path | None, columns: Sequence[str], figures: Sequence[str]) -> None:
        """``columns`` hold texts, ``figures`` numbers; ``relevant`` and ``found`` follow.

        Raises:
            VicinalError: the file's name says neither parquet nor csv.
        """
        if path is not None:
            _require_suffix(path)
        self._path, self._columns, self._figures = path, columns, figures
        self._stack = ExitStack()
        self._writer: Any = None

    def __enter__(self) -> Self:
        """
        Raises:
            VicinalError: the file cannot be written.
        """
        if self._path is None:
            return self
        file = self._stack.enter_context(open_replacing(self._path))
        if self._path.suffix.lower() == ".parquet":
            self._writer = self._stack.enter_context(self._open_parquet(file))
        else:
            text = self._stack.enter_context(TextIOWrapper(file, encoding="utf-8", newline=""))
            self._writer = csv.DictWriter(text, [*self._columns, "relevant", *self._figures, "found"])
            self._writer.writeheader()
        return self

    def __exit__(self, *exception: Any) -> None:
        """Put the table in the place of an older one; after an exception that stays."""
        self._stack.__exit__(*exception)

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write some rows; ``found`` is the list of the keys that were found."""
        if self._path is None or not rows:
            return
        if self._path.suffix.lower() == ".parquet":
            import pyarrow as pa

            self._writer.write_table(pa.Table.from_pylist(list(rows), self._make_schema()))
            return
        import orjson

        self._writer.writerows({**row, "found": orjson.dumps(row["found"]).decode()} for row in rows)

    def _open_parquet(self, file: BinaryIO) -> Any:
        import pyarrow.parquet as pq

        return pq.ParquetWriter(file, self._make_schema())

    def _make_schema(self) -> Any:
        import pyarrow as pa

        texts = [(name, pa.string()) for name in self._columns]
        figures = [(name, pa.float64()) for name in self._figures]
        return pa.schema([*texts, ("relevant", pa.int64()), *figures, ("found", pa.list_(pa.string()))])


def require_writable_table(path: Path) -> None:
    """See before the work that a table can be written.

    Raises:
        VicinalError: it cannot, or the file's name says neither parquet nor csv.
    """
    _require_suffix(path)
    require_writable(path)


def _require_suffix(path: Path) -> None:
    if path.suffix.lower() not in (".parquet", ".csv"):
        raise VicinalError(f"{path}: a per-query table is .parquet or .csv", "name the file so")
