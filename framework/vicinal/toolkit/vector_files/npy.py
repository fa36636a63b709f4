"""Arrays that numpy saved. One of Python objects is refused: to read it is to run what its author wrote into it."""

from __future__ import annotations

import os
import threading
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from vicinal.errors import SourceError
from vicinal.toolkit.vector_files.base import NUMBER_KINDS, VectorFile
from vicinal.toolkit.vector_files.rows import RowFile, read_exactly, to_native

__all__ = ["open_npy"]

_HEADERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}


def open_npy(path: Path, column: str) -> VectorFile:
    """Open a file of one array, ``(n, dimension)``, of numbers or of booleans."""
    file = path.open("rb")
    try:
        shape, is_fortran, dtype = _read_header(path, file)
        count, dimension = _require_matrix(path, shape, dtype)
        offset = file.tell()
        expected = offset + count * dimension * dtype.itemsize
        size = os.fstat(file.fileno()).st_size
        if size < expected:
            raise SourceError(f"{path} is truncated: {expected:,} bytes were saved, and the file has {size:,}")
        if is_fortran and count > 1 and dimension > 1:
            return _ColumnFile(path, file, dtype, count, dimension, offset)
        return RowFile(path, file, np.dtype([("vector", dtype, (dimension,))]), count, offset)
    except BaseException:
        file.close()
        raise


def _read_header(path: Path, file: BufferedReader) -> tuple[tuple[int, ...], bool, np.dtype]:
    try:
        version = npy_format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"its format is {version[0]}.{version[1]}, which numpy writes for records alone")
        return _HEADERS[version](file)
    except ValueError as error:  # what numpy raises for whatever may be wrong with a header
        raise SourceError(
            f"{path} is not a file that `numpy.save` wrote: {str(error).splitlines()[0]}",
            "save the vectors with `numpy.save('vectors.npy', array)`",
        ) from error


def _require_matrix(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> tuple[int, int]:
    if dtype.hasobject:
        raise SourceError(
            f"{path} holds Python objects, which are not read, since that may run code of the file's author",
            "save numbers: `numpy.save('vectors.npy', numpy.array(vectors, dtype='float32'))`",
        )
    if dtype.kind not in NUMBER_KINDS + "b" or dtype.itemsize > 8:
        raise SourceError(f"{path} holds {dtype}, not numbers", "save float32: `array.astype('float32')`")
    if len(shape) == 1:
        raise SourceError(
            f"{path} is an array of {shape[0]:,} numbers, not a table of vectors",
            "save it with a row for each vector, as `array.reshape(-1, DIMENSION)`",
        )
    if len(shape) != 2 or shape[1] == 0:
        raise SourceError(f"{path} has the shape {shape}; vectors have (number, dimension)")
    return shape[0], shape[1]


class _ColumnFile(VectorFile):
    """An array in Fortran's order: the file has one component of all vectors after another."""

    def __init__(
        self, path: Path, file: BufferedReader, dtype: np.dtype, count: int, dimension: int, offset: int
    ) -> None:
        self.path, self.count = path, count
        self._file, self._stored, self._offset, self._components = file, dtype, offset, dimension
        self._lock = threading.Lock()
        self._is_bool = dtype.kind == "b"
        self.dtype = np.dtype(np.uint8) if self._is_bool else dtype.newbyteorder("=")
        self.kind = "binary" if self._is_bool else "float"
        self.dimension = (dimension + 7) // 8 * 8 if self._is_bool else dimension

    def read_valid(self, start: int, stop: int) -> tuple[np.ndarray, dict[int, str]]:
        start, stop = self.clip_range(start, stop)
        columns = np.empty((self._components, max(0, stop - start)), self._stored)
        with self._lock:
            for number, column in enumerate(columns):
                place = self._offset + (number * self.count + start) * self._stored.itemsize
                read_exactly(self.path, self._file, column, place)
        return np.packbits(columns.T, axis=1) if self._is_bool else to_native(columns.T), {}

    def close(self) -> None:
        self._file.close()
