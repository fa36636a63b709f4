"""Datasets of HDF5 files, as ann-benchmarks publishes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vicinal.errors import DependencyError, SourceError
from vicinal.toolkit.vector_files.base import NUMBER_KINDS, VectorFile
from vicinal.toolkit.vector_files.rows import to_native

__all__ = ["Hdf5Vectors"]


class Hdf5Vectors(VectorFile):
    """A dataset ``(n, dimension)`` of numbers or booleans; chunked and compressed ones are read chunk by chunk."""

    def __init__(self, path: Path, column: str) -> None:
        try:
            import h5py
        except ImportError:
            raise DependencyError(
                f"{path} needs the package h5py, which is not installed", hint='pip install "vicinal[vectors]"'
            ) from None
        self.path = path
        with path.open("rb"):  # h5py's own errors do not say why a file cannot be opened
            pass
        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise SourceError(f"{path} is not an HDF5 file, or it is damaged: {error}") from error
        try:
            self._dataset = self._find_dataset(column)
        except BaseException:
            self._file.close()
            raise
        dtype = self._dataset.dtype
        self._is_bool = dtype.kind == "b"
        self.count, self.dimension = self._dataset.shape
        self.dtype = np.dtype(np.uint8) if self._is_bool else dtype.newbyteorder("=")
        self.kind = "binary" if self._is_bool else "float"
        self.dimension = (self.dimension + 7) // 8 * 8 if self._is_bool else self.dimension

    def _find_dataset(self, column: str) -> Any:
        """The dataset of this name, or the only one that holds vectors."""
        import h5py

        datasets: dict[str, Any] = {}
        self._file.visititems(
            lambda name, thing: datasets.update({name: thing} if isinstance(thing, h5py.Dataset) else {})
        )
        fitting = [name for name, dataset in datasets.items() if _holds_vectors(dataset)]
        name = column.strip("/") or (fitting[0] if len(fitting) == 1 else "")
        if name in fitting:
            return datasets[name]
        listed = ", ".join(f"{name} {dataset.shape}" for name, dataset in datasets.items()) or "none"
        if name in datasets:
            raise SourceError(
                f"{self.path}: the dataset {name!r} has the shape {datasets[name].shape} and holds"
                f" {datasets[name].dtype}; vectors are numbers in the shape (number, dimension)",
                f"its datasets are {listed}",
            )
        reason = f"has no dataset {name!r}" if name else f"has {len(fitting)} datasets of vectors"
        raise SourceError(f"{self.path} {reason}; its datasets are {listed}", "set `column` to one of them")

    def read_valid(self, start: int, stop: int) -> tuple[np.ndarray, dict[int, str]]:
        start, stop = self.clip_range(start, stop)
        try:
            rows = self._dataset[start:stop]
        except OSError as error:  # a chunk that is damaged or cut off
            raise SourceError(f"{self.path}: the rows {start} to {stop - 1} cannot be read: {error}") from error
        return np.packbits(rows, axis=1) if self._is_bool else to_native(rows), {}

    def close(self) -> None:
        self._file.close()


def _holds_vectors(dataset: Any) -> bool:
    kind = dataset.dtype.kind
    return len(dataset.shape or ()) == 2 and dataset.shape[1] > 0 and kind in NUMBER_KINDS + "b"
