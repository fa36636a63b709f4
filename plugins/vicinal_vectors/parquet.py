"""Items of a parquet file, whose other columns are keys and metadata."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vicinal.errors import SourceError
from vicinal.toolkit.vector_files.parquet import VectorColumn, find_vector_column, open_parquet
from vicinal.types import Failure, Item
from vicinal_files.parquetfile import read_json_columns
from vicinal_vectors.companions import read_ids, require_columns
from vicinal_vectors.items import make_item

__all__ = ["iter_parquet_items"]

_BLOCK_BYTES = 2 << 20


def iter_parquet_items(
    path: Path, prefix: str, column: str, key: str, metadata: Sequence[str] | None, ids_path: Path | None
) -> Iterator[Item | Failure]:
    """An item for each row, with the key of a column or of a file of ids, else ``prefix`` and its number.

    Raises:
        SourceError: the file cannot be read, or lacks a column.
    """
    import pyarrow

    try:
        file = open_parquet(path)
    except OSError as error:
        reason = "there is no file" if isinstance(error, FileNotFoundError) else str(error)
        raise SourceError(f"{path} cannot be read: {reason}") from error
    with file:
        schema = file.schema_arrow
        vectors = VectorColumn(path, file, find_vector_column(path, schema, column))
        names = _choose_metadata(path, schema, vectors.name, key, metadata)
        ids = read_ids(ids_path, file.metadata.num_rows) if ids_path else None
        rows = max(1, _BLOCK_BYTES // (vectors.width * vectors.dtype.itemsize))
        columns = list(dict.fromkeys([vectors.name, *([key] if key else []), *names]))
        first = 0
        try:
            for batch in file.iter_batches(rows, columns=columns):
                keys = _read_keys(batch, key, ids, prefix, first)
                yield from _iter_batch(batch, vectors, names, keys, first)
                first += len(batch)
        except (OSError, pyarrow.ArrowException) as error:
            raise SourceError(f"{path} cannot be read from row {first} on: {error}") from error


def _choose_metadata(path: Path, schema: Any, vector: str, key: str, metadata: Sequence[str] | None) -> list[str]:
    """The columns of the metadata; by default all but lists and bytes, which may be vectors of another model."""
    import pyarrow.types as types

    require_columns(path, schema.names, [*([key] if key else []), *(metadata or ())])
    if metadata is not None:
        return [name for name in metadata if name != vector]
    checks = (types.is_nested, types.is_binary, types.is_large_binary, types.is_fixed_size_binary)
    return [
        field.name
        for field in schema
        if field.name not in (vector, key) and not any(check(field.type) for check in checks)
    ]


def _read_keys(batch: Any, key: str, ids: Sequence[Any] | None, prefix: str, first: int) -> list[str | None]:
    """The key of each row of a batch; None where its column has none."""
    if ids is not None:
        return [str(ids[first + row]) for row in range(len(batch))]
    if not key:
        return [f"{prefix}{first + row}" for row in range(len(batch))]
    return [
        None if value is None or isinstance(value, list | dict) else str(value)
        for values in read_json_columns(batch.select([key]))
        for value in values.values()
    ]


def _iter_batch(
    batch: Any, column: VectorColumn, names: list[str], keys: Sequence[str | None], first: int
) -> Iterator[Item | Failure]:
    matrix, problems = column.to_matrix(batch.column(column.name))
    cells: Iterator[dict[str, Any]] = read_json_columns(batch.select(names)) if names else iter([{}] * len(batch))
    for row, (vector, key, metadata) in enumerate(zip(matrix, keys, cells, strict=True)):
        if key is None:
            yield Failure(f"row {first + row}", "read", f"row {first + row} has no key", hides_items=False)
        elif row in problems:
            yield Failure(key, "read", f"row {first + row} {problems[row]}", hides_items=False)
        else:
            yield make_item(key, vector, metadata)
