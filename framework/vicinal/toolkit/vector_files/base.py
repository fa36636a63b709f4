"""What a file of vectors is, whatever its format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from vicinal.errors import SourceError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["NUMBER_KINDS", "VectorFile"]

NUMBER_KINDS = "fiu"
"""The kinds of numpy's numbers: floats, and integers with and without a sign."""


class VectorFile(ABC):
    """An open file of vectors, all of one dimension. It is a context manager; threads may read it at once."""

    path: Path
    count: int
    """How many rows there are."""
    dimension: int
    """How many numbers a vector has; of ``binary`` ones how many bits, a multiple of 8."""
    dtype: np.dtype
    """The numbers of the file, in this machine's byte order; ``uint8`` for binary vectors."""
    kind: Literal["float", "binary"] = "float"
    """``binary`` where the file holds bits: ``read`` returns them packed, the first in the highest bit of a byte."""

    @abstractmethod
    def read_valid(self, start: int, stop: int) -> tuple[np.ndarray, Mapping[int, str]]:
        """Read the rows from ``start`` up to ``stop``, as ``read`` does, and go on where one is not a vector.

        Returns:
            The rows, zeros in place of one that is not a vector; and for each of those, by its number in the file, why.

        Raises:
            SourceError: these rows cannot be read at all.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read the rows from ``start`` up to ``stop``, fewer at the end of the file.

        Returns:
            ``(n, dimension)`` of ``dtype``, or ``(n, dimension / 8)`` uint8 of binary ones; an array of its own. NaN
            and infinity are returned as they are.

        Raises:
            SourceError: the rows cannot be read, or one of them is null or of another dimension.
        """
        vectors, problems = self.read_valid(start, stop)
        for row, reason in problems.items():
            raise SourceError(f"{self.path}: row {row} {reason}")
        return vectors

    def iter_blocks(self, rows: int = 4096) -> Iterator[np.ndarray]:
        """Read all rows, so many at a time."""
        for start in range(0, self.count, rows):
            yield self.read(start, start + rows)

    @property
    def row_shape(self) -> tuple[int]:
        """The shape of a row that ``read`` returns."""
        return (self.dimension if self.kind == "float" else self.dimension // 8,)

    def clip_range(self, start: int, stop: int) -> tuple[int, int]:
        """The part of a range of rows that the file has."""
        if start < 0:
            raise ValueError(f"rows are counted from 0, not from {start}")
        stop = min(stop, self.count)
        return min(start, max(stop, 0)), stop

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
