"""List columns of parquet files: floats or integers, or bits packed into bytes."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.errors import SourceError
from vicinal.toolkit.vector_files.base import VectorFile

__all__ = ["ParquetVectors", "VectorColumn", "find_vector_column", "open_parquet"]

_BATCH_BYTES = 4 << 20
_FIRST_ROWS = 64
_NO_PART: tuple[int, Any] = (-1, ())


def open_parquet(path: Path) -> Any:
    """Open a parquet file so that reading a part of it does not buffer whole columns of a row group.

    Raises:
        SourceError: it is not a parquet file.
    """
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
    except pyarrow.ArrowException as error:
        raise SourceError(f"{path} is not a parquet file: {error}") from error


def find_vector_column(path: Path, schema: Any, column: str) -> str:
    """The name of the list column to read: the given one, or the only one there is.

    Raises:
        SourceError: there is none of that name, or it holds something else; or there are several.
    """
    known = [field.name for field in schema if _item_type(field.type) is not None]
    if column in known:
        return column
    fitting = [name for name in known if not _is_any_bytes(schema.field(name).type)]
    if column in schema.names:
        raise SourceError(
            f"{path}: the column {column!r} holds {schema.field(column).type}, not lists of numbers",
            f"its list columns are {', '.join(fitting) or 'none'}",
        )
    if column or len(fitting) != 1:
        reason = f"has no column {column!r}" if column else f"has {len(fitting)} columns of vectors"
        raise SourceError(f"{path} {reason}; its columns are {', '.join(schema.names)}", "set `column` to one of them")
    return str(fitting[0])


class VectorColumn:
    """Turns parts of a list column into matrices."""

    def __init__(self, path: Path, file: Any, name: str) -> None:
        """``name`` is that of one of the file's list columns; the first vector is read for its dimension."""
        self.name = name
        item = _item_type(file.schema_arrow.field(name).type)
        self.is_binary = item == "bits"
        self.dtype = np.dtype(np.uint8) if self.is_binary else np.dtype(item.to_pandas_dtype())
        self.width = self._find_width(path, file)
        """How many numbers a row has; of bits, how many bytes."""

    def _find_width(self, path: Path, file: Any) -> int:
        import pyarrow.types as types

        kind = _storage_type(file.schema_arrow.field(self.name).type)
        if types.is_fixed_size_binary(kind):
            width = kind.byte_width
        elif types.is_fixed_size_list(kind):
            width = kind.list_size
        else:
            rows = (row for batch in file.iter_batches(_FIRST_ROWS, columns=[self.name]) for row in batch.column(0))
            width = next((len(row) if not self.is_binary else len(row.as_py()) for row in rows if row.is_valid), 0)
        if not width:
            raise SourceError(f"{path}: the column {self.name!r} has no vector in it")
        return int(width)

    def to_matrix(self, column: Any) -> tuple[np.ndarray, dict[int, str]]:
        """The rows of a part of the column, zeros where one is not a vector, and for each of those why."""
        import pyarrow
        import pyarrow.compute as pc

        column = getattr(column, "storage", column)
        lengths = pc.fill_null((pc.binary_length if self.is_binary else pc.list_value_length)(column), -1)
        lengths = lengths.to_numpy(zero_copy_only=False)
        problems = {int(row): self._explain_length(int(lengths[row])) for row in np.flatnonzero(lengths != self.width)}
        matrix = np.zeros((len(column), self.width), self.dtype)
        mask = lengths == self.width
        valid = column.filter(pyarrow.array(mask)) if problems else column
        if len(valid) == 0:
            return matrix, problems
        if self.is_binary:
            matrix[mask] = np.frombuffer(b"".join(valid.to_pylist()), np.uint8).reshape(-1, self.width)
            return matrix, problems
        values = valid.flatten()
        if values.null_count:
            places = np.flatnonzero(mask)
            has_null = values.is_null().to_numpy(zero_copy_only=False).reshape(-1, self.width).any(axis=1)
            problems |= {int(row): "has a null among its numbers" for row in places[has_null]}
            values = pc.fill_null(values, pyarrow.scalar(0, values.type))
        matrix[mask] = values.to_numpy(zero_copy_only=False).reshape(-1, self.width)
        for row in problems:
            matrix[row] = 0
        return matrix, dict(sorted(problems.items()))

    def _explain_length(self, length: int) -> str:
        if length < 0:
            return "is null"
        unit = "bytes" if self.is_binary else "numbers"
        return f"has {length:,} {unit}, the first vector {self.width:,}"


class ParquetVectors(VectorFile):
    """A list column of a parquet file. Rows are read in the order of the file; one before them begins its row group."""

    def __init__(self, path: Path, column: str) -> None:
        self.path = path
        with path.open("rb"):
            self._file = open_parquet(path)
        try:
            self._column = VectorColumn(path, self._file, find_vector_column(path, self._file.schema_arrow, column))
        except BaseException:
            self._file.close()
            raise
        self.dtype = self._column.dtype
        self.kind = "binary" if self._column.is_binary else "float"
        self.dimension = self._column.width * (8 if self._column.is_binary else 1)
        sizes = [self._file.metadata.row_group(group).num_rows for group in range(self._file.num_row_groups)]
        self._group_starts = [0, *accumulate(sizes)]
        self.count = self._group_starts[-1]
        self._parts: Iterator[tuple[int, Any]] = iter(())
        self._part: tuple[int, Any] = _NO_PART
        self._lock = threading.Lock()

    def read_valid(self, start: int, stop: int) -> tuple[np.ndarray, dict[int, str]]:
        start, stop = self.clip_range(start, stop)
        vectors = np.zeros((max(0, stop - start), *self.row_shape), self.dtype)
        problems: dict[int, str] = {}
        row = start
        with self._lock:
            while row < stop:
                first, column = self._find_part(row)
                part = column.slice(row - first, stop - row)
                matrix, found = self._column.to_matrix(part)
                vectors[row - start : row - start + len(part)] = matrix
                problems |= {row + number: reason for number, reason in found.items()}
                row += len(part)
        return vectors, problems

    def _find_part(self, row: int) -> tuple[int, Any]:
        """The part of the column that holds a row, with the number of its first one; it is read unless it was."""
        import pyarrow

        first, column = self._part
        if not first <= row <= first + len(column):
            self._parts = self._iter_parts(bisect_right(self._group_starts, row) - 1)
        try:
            while not self._part[0] <= row < self._part[0] + len(self._part[1]):
                self._part = next(self._parts)
        except (OSError, pyarrow.ArrowException, StopIteration) as error:
            self._parts, self._part = iter(()), _NO_PART
            old = "all lists to be of size" in str(error)
            raise SourceError(
                f"{self.path}: row {row} cannot be read: {error or 'it is missing'}",
                hint="nulls among lists of a fixed size need pyarrow 26 or later" if old else "",
            ) from error
        return self._part

    def _iter_parts(self, group: int) -> Iterator[tuple[int, Any]]:
        groups = range(max(0, group), self._file.num_row_groups)
        rows = max(1, _BATCH_BYTES // (self._column.width * self.dtype.itemsize))
        first = self._group_starts[max(0, group)]
        for batch in self._file.iter_batches(rows, row_groups=list(groups), columns=[self._column.name]):
            yield first, batch.column(0)
            first += len(batch)

    def close(self) -> None:
        self._file.close()


def _storage_type(kind: Any) -> Any:
    return getattr(kind, "storage_type", kind)


def _is_any_bytes(kind: Any) -> bool:
    """Whether it is the type of bytes of any length, which may also be pictures."""
    import pyarrow.types as types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _item_type(kind: Any) -> Any:
    """The type of the numbers of a list type, ``bits`` for bytes, None for what is no vector."""
    import pyarrow.types as types

    kind = _storage_type(kind)
    if types.is_fixed_size_binary(kind) or _is_any_bytes(kind):
        return "bits"
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return None
    item = kind.value_type
    return item if types.is_floating(item) or types.is_integer(item) else None
