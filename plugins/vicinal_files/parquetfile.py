"""Rows of a parquet file, a few megabytes at a time, with values that JSON can hold."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicinal.errors import SourceError
from vicinal_files.columns import Row, row_failure
from vicinal_files.text import no_file

if TYPE_CHECKING:
    import pyarrow

__all__ = ["count_rows", "json_value", "parquet_rows"]

BATCH_BYTES = 4 << 20
BATCH_ROWS = 4096


def parquet_rows(path: Path, choose: Callable[[Sequence[str]], list[str]]) -> Iterator[Row]:
    """Yield the rows with the columns that ``choose`` picks from the file's.

    Raises:
        SourceError: the file is no parquet file, or ``choose`` does not accept its columns.
    """
    import pyarrow

    try:
        file = _open(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise _unreadable(path, error) from error
    with file:
        names = choose(file.schema_arrow.names)
        first = 1
        for group in range(file.num_row_groups):
            yield from _group_rows(file, group, names, first)
            first += file.metadata.row_group(group).num_rows


def count_rows(path: Path) -> int | None:
    """The number of rows, as the file's footer tells; None if it cannot be read."""
    import pyarrow

    try:
        with _open(path) as file:
            return int(file.metadata.num_rows)
    except (OSError, pyarrow.ArrowException):
        return None


def json_value(value: Any) -> Any:
    """The value as JSON types: times in ISO 8601, decimals as numbers, NaN as null, bytes as text or else as base64."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, (float, Decimal)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return _text(value)
    if isinstance(value, dict):
        return {str(key): json_value(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(inner) for inner in value]
    if hasattr(value, "tolist"):
        return json_value(value.tolist())
    return str(value)


class _Unreadable(str):
    """In place of a value that has no Python or JSON form: why."""


def _group_rows(file: Any, group: int, names: list[str], first: int) -> Iterator[Row]:
    import pyarrow

    size = file.metadata.row_group(group)
    rows = max(1, min(BATCH_ROWS, BATCH_BYTES * size.num_rows // max(1, size.total_byte_size)))
    batches = file.iter_batches(batch_size=rows, row_groups=[group], columns=names)
    number = first - 1
    try:
        for number, cells in enumerate(chain.from_iterable(map(_cells, batches)), first):
            yield _row(number, cells)
    except (OSError, pyarrow.ArrowException) as error:
        last = first + size.num_rows - 1
        yield row_failure(number + 1, f"this row and all to row {last} cannot be read: {error}")


def _cells(batch: pyarrow.RecordBatch) -> Iterator[dict[str, Any]]:
    names = batch.schema.names
    for values in zip(*(_values(column) for column in batch.columns), strict=True):
        yield dict(zip(names, values, strict=True))


def _row(number: int, cells: dict[str, Any]) -> Row:
    for name, value in cells.items():
        if type(value) is _Unreadable:
            return row_failure(number, f"its column {name!r} cannot be read: {value}")
    return number, cells


def _values(column: pyarrow.Array) -> list[Any]:
    """A column's values for JSON; one that cannot be converted costs only its own row."""
    import pyarrow.types as types

    kind = column.type
    try:
        values: list[Any] = _microseconds(column).to_pylist()
        plain = types.is_string(kind) or types.is_large_string(kind) or types.is_integer(kind) or types.is_boolean(kind)
        return values if plain else [json_value(value) for value in values]
    except (ValueError, OverflowError, LookupError):  # arrow's errors and UnicodeDecodeError are ValueErrors
        return [_value(value) for value in column]


def _value(scalar: Any) -> Any:
    try:
        return json_value(scalar.as_py())
    except (ValueError, OverflowError, LookupError) as error:
        return _Unreadable(error)


def _microseconds(column: pyarrow.Array) -> pyarrow.Array:
    """Times in the unit that Python has, and in UTC: nanoseconds would need pandas, time zones a database of them."""
    import pyarrow

    kind = column.type
    if pyarrow.types.is_timestamp(kind):
        return column.cast(pyarrow.timestamp("us", tz="UTC" if kind.tz else None), safe=False)
    if pyarrow.types.is_duration(kind):
        return column.cast(pyarrow.duration("us"), safe=False)
    if pyarrow.types.is_time64(kind):
        return column.cast(pyarrow.time64("us"), safe=False)
    return column


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode("ascii")


def _open(path: Path) -> Any:
    from pyarrow.parquet import ParquetFile

    return ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)  # else it holds whole columns of a row group


def _unreadable(path: Path, error: Exception) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return no_file(path)
    return SourceError(f"{path} is not a parquet file: {error}")
