"""Rows of a parquet file, read a few megabytes at a time, with values that JSON can hold."""

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
from vicinal_files.columns import Row, make_row_failure
from vicinal_files.text import missing_file_error

if TYPE_CHECKING:
    import pyarrow

__all__ = ["count_rows", "read_json_columns", "read_parquet_rows", "to_json_value"]

BATCH_BYTES = 4 << 20
BATCH_ROWS = 4096


def read_parquet_rows(path: Path, choose: Callable[[Sequence[str]], list[str]]) -> Iterator[Row]:
    """Yield the rows with those of the file's columns that ``choose`` returns.

    Raises:
        SourceError: the file is not a parquet file, or ``choose`` rejects its columns.
    """
    import pyarrow

    try:
        file = _open_parquet(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise _to_source_error(path, error) from error
    with file:
        names = choose(file.schema_arrow.names)
        first = 1
        for group in range(file.num_row_groups):
            yield from _read_row_group(file, group, names, first)
            first += file.metadata.row_group(group).num_rows


def count_rows(path: Path) -> int | None:
    """Return the number of rows from the file's footer; None if it cannot be read."""
    import pyarrow

    try:
        with _open_parquet(path) as file:
            return int(file.metadata.num_rows)
    except (OSError, pyarrow.ArrowException):
        return None


def to_json_value(value: Any) -> Any:
    """Convert to JSON types: times to ISO 8601, decimals to numbers, NaN to null, bytes to text or else base64.

    A decimal whose digits do not fit into a number becomes a text, since keys of many digits would collide.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return _decimal_to_json(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return _decode_bytes(value)
    if isinstance(value, dict):
        return {str(key): to_json_value(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json_value(inner) for inner in value]
    if hasattr(value, "tolist"):
        return to_json_value(value.tolist())
    return str(value)


def _decimal_to_json(value: Decimal) -> int | float | str | None:
    if not value.is_finite():
        return None
    if value.as_tuple().exponent == 0:
        return int(value) if -(2**63) <= value < 2**64 else str(value)
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)


class _UnreadableValue(str):
    """Stands in for a value that has no Python or JSON form, and says why."""


def _read_row_group(file: Any, group: int, names: list[str], first: int) -> Iterator[Row]:
    import pyarrow

    size = file.metadata.row_group(group)
    rows = max(1, min(BATCH_ROWS, BATCH_BYTES * size.num_rows // max(1, size.total_byte_size)))
    batches = file.iter_batches(batch_size=rows, row_groups=[group], columns=names)
    number = first - 1
    try:
        for number, cells in enumerate(chain.from_iterable(map(read_json_columns, batches)), first):
            yield _validate_row(number, cells)
    except (OSError, pyarrow.ArrowException) as error:
        last = first + size.num_rows - 1
        yield make_row_failure(number + 1, f"this row and all to row {last} cannot be read: {error}")


def read_json_columns(batch: pyarrow.RecordBatch) -> Iterator[dict[str, Any]]:
    """Yield the rows of a batch, their values in the form that JSON can hold."""
    names = batch.schema.names
    for values in zip(*(_to_json_values(column) for column in batch.columns), strict=True):
        yield dict(zip(names, values, strict=True))


def _validate_row(number: int, cells: dict[str, Any]) -> Row:
    for name, value in cells.items():
        if type(value) is _UnreadableValue:
            return make_row_failure(number, f"its column {name!r} cannot be read: {value}")
    return number, cells


def _to_json_values(column: pyarrow.Array) -> list[Any]:
    """Convert a column to JSON values; one that cannot be converted fails only its own row."""
    import pyarrow.types as types

    kind = column.type
    try:
        values: list[Any] = _cast_to_microseconds(column).to_pylist()
        is_json = (
            types.is_string(kind) or types.is_large_string(kind) or types.is_integer(kind) or types.is_boolean(kind)
        )
        return values if is_json else [to_json_value(value) for value in values]
    except (ValueError, OverflowError, LookupError):  # arrow's errors and UnicodeDecodeError are ValueErrors
        return [_to_json_or_error(value) for value in column]


def _to_json_or_error(scalar: Any) -> Any:
    try:
        return to_json_value(scalar.as_py())
    except (ValueError, OverflowError, LookupError) as error:
        return _UnreadableValue(error)


def _cast_to_microseconds(column: pyarrow.Array) -> pyarrow.Array:
    """Cast times to Python's unit and UTC, since nanoseconds need pandas and time zones need their database."""
    import pyarrow

    kind = column.type
    if pyarrow.types.is_timestamp(kind):
        return column.cast(pyarrow.timestamp("us", tz="UTC" if kind.tz else None), safe=False)
    if pyarrow.types.is_duration(kind):
        return column.cast(pyarrow.duration("us"), safe=False)
    if pyarrow.types.is_time64(kind):
        return column.cast(pyarrow.time64("us"), safe=False)
    return column


def _decode_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode("ascii")


def _open_parquet(path: Path) -> Any:
    from pyarrow.parquet import ParquetFile

    return ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)  # else it buffers whole columns of a row group


def _to_source_error(path: Path, error: Exception) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return missing_file_error(path)
    return SourceError(f"{path} is not a parquet file: {error}")
