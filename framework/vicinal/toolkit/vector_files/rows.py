"""Files whose rows have one size: fvecs, bvecs and ivecs; fbin, u8bin and i8bin; and npy by the same class.

Rows are read, not mapped into memory: a mapped file that another program truncates ends the process, and its pages
count as the process's own.
"""

from __future__ import annotations

import os
import threading
from io import BufferedReader
from pathlib import Path

import numpy as np

from vicinal.errors import SourceError
from vicinal.toolkit.vector_files.base import VectorFile

__all__ = ["RowFile", "open_bin", "open_vecs", "read_exactly", "to_native"]

_VECS = {".fvecs": "<f4", ".bvecs": "u1", ".ivecs": "<i4"}
_BIN = {".fbin": "<f4", ".u8bin": "u1", ".i8bin": "i1"}
_HEADER = np.dtype("<u4")


class RowFile(VectorFile):
    """A file of ``count`` records after ``offset`` bytes, each with a ``vector`` and perhaps its ``dimension``."""

    def __init__(self, path: Path, file: BufferedReader, record: np.dtype, count: int, offset: int) -> None:
        self.path, self.count = path, count
        self._file, self._record, self._offset = file, record, offset
        self._lock = threading.Lock()
        vector = record["vector"]
        self._is_bool = vector.base.kind == "b"
        self.dtype = np.dtype(np.uint8) if self._is_bool else vector.base.newbyteorder("=")
        self.kind = "binary" if self._is_bool else "float"
        (self.dimension,) = vector.shape
        if self._is_bool:
            self.dimension = (self.dimension + 7) // 8 * 8

    def read_valid(self, start: int, stop: int) -> tuple[np.ndarray, dict[int, str]]:
        start, stop = self.clip_range(start, stop)
        rows = np.empty(max(0, stop - start), self._record)
        with self._lock:
            read_exactly(self.path, self._file, rows, self._offset + start * self._record.itemsize)
        if "dimension" in (self._record.names or ()):
            self._require_one_dimension(rows["dimension"], start)
        vectors = rows["vector"]
        return np.packbits(vectors, axis=1) if self._is_bool else to_native(vectors), {}

    def _require_one_dimension(self, dimensions: np.ndarray, start: int) -> None:
        """Rows after one of another dimension begin where nobody knows, so that they cannot be read either."""
        others = np.flatnonzero(dimensions != self.dimension)
        if len(others):
            other = int(dimensions[others[0]])
            raise SourceError(
                f"{self.path}: row {start + int(others[0])} has the dimension {other}, those before {self.dimension}",
                "all vectors of a file have one dimension; the file may be damaged",
            )

    def close(self) -> None:
        self._file.close()


def open_vecs(path: Path, column: str) -> VectorFile:
    """Open a file of TEXMEX' formats: before each row its dimension in four bytes."""
    file = path.open("rb")
    try:
        size = os.fstat(file.fileno()).st_size
        header = np.frombuffer(file.read(_HEADER.itemsize), "u1")
        if len(header) < _HEADER.itemsize:
            raise SourceError(f"{path} is empty" if size == 0 else f"{path} is truncated: it has {size} bytes")
        dimension = int(header.view(_HEADER)[0])
        base = np.dtype(_VECS[path.suffix.lower()])
        row_bytes = _HEADER.itemsize + dimension * base.itemsize
        if dimension == 0 or row_bytes > size:
            raise SourceError(
                f"{path}: its first row says that it has the dimension {dimension:,}, which the file of {size:,} bytes"
                " cannot hold",
                f"it is damaged, or not a {path.suffix} file",
            )
        if size % row_bytes:
            raise SourceError(
                f"{path} is truncated or damaged: its {size:,} bytes are not a multiple of the {row_bytes:,} that a row"
                f" of dimension {dimension:,} has"
            )
        record = np.dtype([("dimension", _HEADER), ("vector", base, (dimension,))])
        return RowFile(path, file, record, size // row_bytes, 0)
    except BaseException:
        file.close()
        raise


def open_bin(path: Path, column: str) -> VectorFile:
    """Open a file of the Big-ANN benchmarks' formats: the number of rows and the dimension, and then the rows."""
    file = path.open("rb")
    try:
        size = os.fstat(file.fileno()).st_size
        header = np.frombuffer(file.read(2 * _HEADER.itemsize), "u1")
        if len(header) < 2 * _HEADER.itemsize:
            raise SourceError(f"{path} is truncated: it has {size} bytes, and its header alone has 8")
        count, dimension = map(int, header.view(_HEADER))
        base = np.dtype(_BIN[path.suffix.lower()])
        expected = len(header) + count * dimension * base.itemsize
        if size != expected or dimension == 0:
            raise SourceError(
                f"{path}: its header says {count:,} rows of dimension {dimension:,}, which are {expected:,} bytes, and"
                f" the file has {size:,}",
                f"it is truncated, or not a {path.suffix} file",
            )
        return RowFile(path, file, np.dtype([("vector", base, (dimension,))]), count, len(header))
    except BaseException:
        file.close()
        raise


def read_exactly(path: Path, file: BufferedReader, target: np.ndarray, offset: int) -> None:
    """Fill an array with the bytes of a file from ``offset`` on."""
    if target.nbytes == 0:
        return
    file.seek(offset)
    if file.readinto(target.reshape(-1).view("u1").data) < target.nbytes:
        raise SourceError(f"{path} ends before its last row", "another program may have changed it")


def to_native(vectors: np.ndarray) -> np.ndarray:
    """The same numbers in this machine's byte order, row after row, in an array of its own."""
    return np.array(vectors, vectors.dtype.newbyteorder("="), order="C")
