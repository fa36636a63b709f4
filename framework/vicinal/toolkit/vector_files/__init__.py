"""Files of vectors that exist already: npy, fvecs and its kin, fbin and its kin, HDF5, parquet.

``open_vectors`` reads no more than a header; ``read`` returns the rows asked for, so that a file of any size is read
in bounded memory.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from vicinal.errors import SourceError
from vicinal.toolkit.vector_files.base import VectorFile

__all__ = ["SUFFIXES", "VectorFile", "open_vectors"]

_OPENERS = {
    ".npy": "npy:open_npy",
    ".fvecs": "rows:open_vecs",
    ".bvecs": "rows:open_vecs",
    ".ivecs": "rows:open_vecs",
    ".fbin": "rows:open_bin",
    ".u8bin": "rows:open_bin",
    ".i8bin": "rows:open_bin",
    ".h5": "hdf5:Hdf5Vectors",
    ".hdf5": "hdf5:Hdf5Vectors",
    ".parquet": "parquet:ParquetVectors",
}
SUFFIXES = tuple(_OPENERS)
"""The endings of the files that can be read, in lower case."""
_WITH_COLUMNS = (".h5", ".hdf5", ".parquet")


def open_vectors(path: Path | str, column: str = "") -> VectorFile:
    """Open a file of vectors, whose format its suffix names.

    Args:
        path: ``.npy``; ``.fvecs``, ``.bvecs``, ``.ivecs`` (before each row its dimension); ``.fbin``, ``.u8bin``,
            ``.i8bin`` (first the number of rows and the dimension); ``.h5``, ``.hdf5``; ``.parquet``.
        column: the dataset of an HDF5 file, or the list column of a parquet file; needed where there are several.

    Raises:
        SourceError: there is no such file, it is damaged, or it holds no vectors; or its format is not known.
        DependencyError: HDF5 needs the package h5py.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _OPENERS:
        raise SourceError(
            f"{path}: vectors are read from {', '.join(SUFFIXES)} files",
            "save them with `numpy.save('vectors.npy', array)`",
        )
    if column and suffix not in _WITH_COLUMNS:
        raise SourceError(f"{path}: a {suffix} file has no columns", f"remove the column {column!r}")
    module, _, name = _OPENERS[suffix].partition(":")
    opener: Callable[[Path, str], VectorFile] = getattr(import_module(f"{__name__}.{module}"), name)
    try:
        return opener(path, column)
    except FileNotFoundError:
        raise SourceError(f"there is no file {path}") from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error
