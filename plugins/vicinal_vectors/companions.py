"""What lies beside a file of vectors: a file with their keys, or a table with their metadata."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.errors import SourceError
from vicinal.types import Failure
from vicinal_files.columns import Row
from vicinal_files.csvfile import Dialect, read_csv_rows
from vicinal_files.jsonlfile import read_jsonl_rows
from vicinal_files.parquetfile import read_parquet_rows
from vicinal_files.table import detect_format

__all__ = ["iter_table_rows", "read_ids", "require_columns"]


def read_ids(path: Path, count: int) -> Sequence[Any]:
    """The key of each row: numbers or texts of a ``.npy`` file, or the lines of a text file.

    Raises:
        SourceError: it cannot be read, or has more or fewer keys than there are vectors.
    """
    try:
        ids: Sequence[Any] = _load_ids(path) if path.suffix.lower() == ".npy" else path.read_text().splitlines()
    except FileNotFoundError:
        raise SourceError(f"there is no file {path}") from None
    except (OSError, ValueError, EOFError) as error:  # numpy's errors and UnicodeDecodeError are ValueErrors
        raise SourceError(f"the ids in {path} cannot be read: {str(error).splitlines()[0]}") from error
    if len(ids) != count:
        raise SourceError(f"{path} has {len(ids):,} ids, and there are {count:,} vectors")
    return ids


def _load_ids(path: Path) -> Any:
    """Mapped into memory: a million texts are not held at once."""
    ids = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(ids, np.ndarray) or ids.ndim != 1 or ids.dtype.kind not in "iuU":
        raise ValueError("they are whole numbers or texts in one dimension")
    return ids


def iter_table_rows(
    path: Path, count: int, key: str, metadata: Sequence[str] | None
) -> Iterator[tuple[str, dict[str, Any] | Failure]]:
    """The key and the metadata of each of ``count`` vectors; in place of the metadata why a row cannot be read.

    Raises:
        SourceError: it is no table, lacks a column, or has more or fewer rows than there are vectors.
    """
    rows = _read_rows(path, [key] if key else [], metadata)
    for place in range(count):
        row = next(rows, None)
        if row is None:
            raise SourceError(f"{path} has {place:,} rows, and there are {count:,} vectors, each with a row of its own")
        if isinstance(row, Failure):
            yield str(place), Failure(str(place) if not key else row.key, "read", row.message, hides_items=bool(key))
            continue
        number, cells = row
        if number != place + 1:
            raise SourceError(f"{path} has no row for the vector {place}: the row {place + 1} is blank or damaged")
        name = cells.pop(key, None) if key else place
        if name is None or isinstance(name, list | dict):
            yield str(place), _make_key_failure(place, key)
            continue
        chosen = cells if metadata is None else {column: cells[column] for column in metadata if column in cells}
        yield str(name), chosen
    if next(rows, None) is not None:
        raise SourceError(f"{path} has more than {count:,} rows, and there are {count:,} vectors")


def _make_key_failure(place: int, key: str) -> Failure:
    return Failure(f"row {place}", "read", f"row {place} has no key in the column {key!r}", hides_items=False)


def require_columns(path: Path, names: Sequence[str], needed: Sequence[str]) -> None:
    """
    Raises:
        SourceError: a file lacks one of these columns.
    """
    for name in needed:
        if name not in names:
            raise SourceError(f"{path} has no column {name!r}; its columns are {', '.join(names)}")


def _read_rows(path: Path, keys: list[str], metadata: Sequence[str] | None) -> Iterator[Row]:
    needed = [*keys, *(metadata or ())]

    def choose(names: Sequence[str]) -> list[str]:
        require_columns(path, names, needed)
        return list(names) if metadata is None else [name for name in names if name in needed]

    def check(names: Sequence[str]) -> None:
        require_columns(path, names, needed)

    kind = detect_format(path)
    if kind == "parquet":
        return read_parquet_rows(path, choose)
    if kind == "jsonl":
        return read_jsonl_rows(path, None)
    if kind in ("csv", "tsv"):
        return read_csv_rows(path, Dialect(None, None, "\t" if kind == "tsv" else ",", True), check)
    raise SourceError(f"{path}: a table is a .csv, .tsv, .jsonl or .parquet file")
