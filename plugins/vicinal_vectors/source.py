"""The source ``vectors``: files of vectors, each row an item."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from vicinal.errors import SourceError, VicinalError
from vicinal.plugin.params import LocalPath
from vicinal.plugin.source import Source
from vicinal.toolkit.vector_files import SUFFIXES, open_vectors
from vicinal.types import Failure, Item
from vicinal_vectors.companions import iter_table_rows, read_ids
from vicinal_vectors.items import make_item

__all__ = ["VectorSource"]

_BLOCK_BYTES = 2 << 20
_GLOB = ("*", "?", "[")


def _validate_suffix(path: Path) -> Path:
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"vectors are read from {', '.join(SUFFIXES)} files; for a csv or jsonl use `type: table`")
    return path


VectorPath = Annotated[LocalPath, AfterValidator(_validate_suffix)]


class VectorSource(Source["VectorSource.Params"]):
    """The rows of files of vectors: an item's content is its vector, its key the row's number, or its id.

    Rows are counted from 0, as numpy does. Of several files each key begins with the file's name, unless it is an id.
    """

    class Params(Source.Params):
        path: VectorPath | Annotated[list[VectorPath], Field(min_length=1)]
        """The file, several in a list, or a pattern, as ``part-*.parquet``: ``.npy``; ``.fvecs``, ``.bvecs``,
        ``.ivecs``; ``.fbin``, ``.u8bin``, ``.i8bin``; ``.hdf5``, ``.h5``; ``.parquet``."""
        column: str = ""
        """The list column of a parquet file, or the dataset of an HDF5 file; needed where there are several."""
        key: str = ""
        """The column that names each row, of a parquet file or of ``table``; by default the row's number."""
        ids: LocalPath | None = None
        """A file with the key of each row: a ``.npy`` file of numbers or texts, or a text file with a key on each
        line."""
        table: LocalPath | None = None
        """A csv, tsv, jsonl or parquet file whose rows are the metadata of the vectors, in the same order."""
        metadata: list[str] | None = None
        """The columns to keep as metadata, of a parquet file or of ``table``; by default all but lists and bytes."""

        @property
        def paths(self) -> list[Path]:
            return self.path if isinstance(self.path, list) else [self.path]

        @model_validator(mode="after")
        def _refuse_idle_parameters(self) -> Self:
            columns = {path.suffix.lower() for path in self.paths}
            is_parquet = columns == {".parquet"}
            if self.column and not columns <= {".parquet", ".h5", ".hdf5"}:
                raise ValueError("column has no effect on such a file; remove it")
            if (self.key or self.metadata is not None) and not (is_parquet or self.table):
                raise ValueError("key and metadata name columns: those of a parquet file, or of `table`")
            if self.key and self.ids:
                raise ValueError("keys are read from a column, `key`, or from a file, `ids`; remove one of them")
            if self.table and is_parquet:
                raise ValueError("table has no effect on a parquet file, which has its own columns; remove it")
            if (self.table or self.ids) and (len(self.paths) > 1 or _is_pattern(self.paths[0])):
                raise ValueError("ids and table belong to one file of vectors")
            return self

    def __iter__(self) -> Iterator[Item | Failure]:
        paths = self._find_paths()
        for path in paths:
            prefix = f"{path.name}:" if len(paths) > 1 else ""
            if path.suffix.lower() == ".parquet":
                from vicinal_vectors.parquet import iter_parquet_items

                params = self.params
                yield from iter_parquet_items(path, prefix, params.column, params.key, params.metadata, params.ids)
            else:
                yield from self._iter_items(path, prefix)

    def count(self) -> int | None:
        """Return the number of rows; None where a file cannot be read."""
        total = 0
        try:
            for path in self._find_paths():
                with open_vectors(path, self.params.column) as file:
                    total += file.count
        except VicinalError:
            return None
        return total

    def _find_paths(self) -> list[Path]:
        """
        Raises:
            SourceError: no file fits a pattern; or two have one name, and their items would have one key.
        """
        found: list[Path] = []
        for path in self.params.paths:
            fitting = sorted(path.parent.glob(path.name)) if _is_pattern(path) else [path]
            if not fitting:
                raise SourceError(f"no file fits {path}")
            found += fitting
        names = [path.name for path in found]
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise SourceError(
                f"two files are named {repeated}, and keys begin with a file's name", "rename one of them"
            )
        return found

    def _iter_items(self, path: Path, prefix: str) -> Iterator[Item | Failure]:
        with open_vectors(path, self.params.column) as file:
            ids = read_ids(self.params.ids, file.count) if self.params.ids else None
            table = self._iter_table(file.count)
            row_bytes = file.row_shape[0] * file.dtype.itemsize
            rows = max(1, _BLOCK_BYTES // row_bytes)
            for start in range(0, file.count, rows):
                vectors, problems = file.read_valid(start, start + rows)
                for row, vector in enumerate(vectors, start):
                    key, metadata = (f"{prefix}{row}", {}) if table is None else next(table)
                    if isinstance(metadata, Failure):
                        yield metadata
                        continue
                    key = str(ids[row]) if ids is not None else key
                    if row in problems:
                        yield Failure(key, "read", f"row {row} {problems[row]}", hides_items=False)
                    else:
                        yield make_item(key, vector, metadata)
            if table is not None:
                next(table, None)  # it checks that it has no more rows

    def _iter_table(self, count: int) -> Iterator[tuple[str, Any]] | None:
        if self.params.table is None:
            return None
        return iter_table_rows(self.params.table, count, self.params.key, self.params.metadata)


def _is_pattern(path: Path) -> bool:
    return any(character in path.name for character in _GLOB)
