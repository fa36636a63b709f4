"""The stored vectors of a whole collection in a temporary file, item by item, so that memory need not hold them."""

from __future__ import annotations

import shutil
import tempfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal

import numpy as np

from vicinal.errors import NothingIndexedError, VicinalError
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.example_calls import to_query_vectors
from vicinal.solution.solution import Solution
from vicinal.types import Space, item_id

__all__ = ["StoredVectors", "open_stored_vectors"]

_NUMBERS_PER_PART = 2_000_000
"""A stored vector arrives as Python floats, of 32 bytes each."""


@dataclass(frozen=True, slots=True)
class StoredVectors:
    """A vector for each row, rows of one item side by side; items have numbers from 0, and so do rows.

    A vector is the one that a search by the item uses, ``Encoder.to_query_vector``: two items are as near as one finds
    the other.
    """

    space: Space
    item_ids: np.ndarray
    """``(m,)`` int64: the id of each item, as ``item_id`` makes it."""
    starts: np.ndarray
    """``(m + 1,)`` int64: item i has the rows ``starts[i]`` to ``starts[i + 1]``."""
    row_ids: np.ndarray
    """``(n,)`` int64: the id of each row."""
    seconds: np.ndarray
    """``(m,)`` float64: where an item's last segment ends; 0 where segments have no times."""
    form: Literal["floats", "packed bits", "set bits"]
    """How the store holds a vector."""
    _values: np.ndarray
    _places: np.ndarray
    _sorted_ids: np.ndarray
    _by_id: np.ndarray

    @property
    def rows(self) -> int:
        return len(self.row_ids)

    @property
    def items(self) -> int:
        return len(self.item_ids)

    @property
    def counts(self) -> np.ndarray:
        """``(m,)`` int64: how many rows each item has."""
        return np.diff(self.starts)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """The vectors of these rows, ``(len(rows), dimension)`` float32; bits are 0.0 and 1.0."""
        values = self._values[self._places[rows]]
        return values if self.space.kind == "float" else np.unpackbits(values, axis=1).astype(np.float32)

    def read_items(self, first: int, last: int) -> np.ndarray:
        """The vectors of the items from ``first`` up to, not including, ``last``."""
        return self.read(np.arange(self.starts[first], self.starts[last]))

    def read_queries(self, rows: np.ndarray) -> list[Any]:
        """The vectors of these rows in the form that the store is searched with."""
        values = self._values[self._places[rows]]
        if self.form == "floats":
            return list(values)
        if self.form == "packed bits":
            return [value.tobytes() for value in values]
        bits = (np.flatnonzero(np.unpackbits(value)).tolist() for value in values)
        return [dict.fromkeys(numbers, max(len(numbers), 1) ** -0.5) for numbers in bits]

    def find_rows(self, ids: np.ndarray) -> np.ndarray:
        """The number of the row of each of these ids; -1 for an unknown one."""
        if not self.rows:
            return np.full(len(ids), -1)
        places = np.minimum(np.searchsorted(self._sorted_ids, ids), self.rows - 1)
        return np.where(self._sorted_ids[places] == ids, self._by_id[places], -1)

    def find_items(self, rows: np.ndarray) -> np.ndarray:
        """The number of the item of each of these rows."""
        return np.searchsorted(self.starts, rows, side="right") - 1


@contextmanager
def open_stored_vectors(solution: Solution, on_rows: Callable[[int], object] = bool) -> Iterator[StoredVectors]:
    """Read all vectors of a solution into a temporary file, which is deleted at the end: 4 bytes for each float.

    Memory holds 60 bytes for each row; ``on_rows`` receives how many were read, again and again.

    Raises:
        NothingIndexedError: there are none.
        VicinalError: the folder of temporary files has too little space.
    """
    space = solution.encoder.space
    rows = int(solution.metadata.state().get("rows", 0))
    _require_space(rows * (space.dimension // 8 if space.kind == "binary" else 4 * space.dimension))
    with tempfile.TemporaryFile(prefix="vicinal-") as file:
        spool = _Spool(solution.encoder, file)
        fields = ["id", "item", "vector", *(["end"] if _has_times(solution) else [])]
        size = max(100, min(5_000, _NUMBERS_PER_PART // space.dimension))
        for part in solution.vectors.iter_rows(fields, size):
            spool.add(part)
            on_rows(len(spool.row_ids))
        if not spool.row_ids:
            raise NothingIndexedError(f"nothing is indexed in {solution.name!r}", hint="run `vicinal ingest` first")
        file.flush()
        yield spool.sort_by_item()


def _has_times(solution: Solution) -> bool:
    return solution.encoder.segmented and not solution.encoder.labelled


def _require_space(size: int) -> None:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if size > free:
        raise VicinalError(
            f"all vectors take {size / 1e6:,.0f} MB on disk, and {folder} has {free / 1e6:,.0f} MB",
            hint="set TMPDIR to a folder with more space",
        )


@dataclass(slots=True)
class _Spool:
    """Takes rows as Milvus returns them, and writes their vectors to a file."""

    encoder: Encoder
    file: BinaryIO | Any
    row_ids: array[int] = field(default_factory=lambda: array("q"))
    item_ids: array[int] = field(default_factory=lambda: array("q"))
    ends: array[float] = field(default_factory=lambda: array("d"))
    form: Literal["floats", "packed bits", "set bits"] = "floats"

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        self.row_ids.extend(row["id"] for row in rows)
        self.item_ids.extend(item_id(row["item"]) for row in rows)
        self.ends.extend(row.get("end", 0.0) for row in rows)
        vectors = [row["vector"] for row in rows]
        if self.encoder.space.kind == "float":
            vectors = list(to_query_vectors(self.encoder, np.array(vectors, np.float32)))
            self.file.write(np.stack(vectors).tobytes())
            return
        self.form = "set bits" if isinstance(vectors[0], dict) else "packed bits"
        self.file.write(b"".join(_pack_fingerprint(vector, self.encoder.space.dimension) for vector in vectors))

    def sort_by_item(self) -> StoredVectors:
        space = self.encoder.space
        is_binary = space.kind == "binary"
        shape = (len(self.row_ids), space.dimension // 8 if is_binary else space.dimension)
        values = np.memmap(self.file, np.uint8 if is_binary else np.float32, "r", shape=shape)
        row_ids, item_ids = (np.frombuffer(ids, np.int64) for ids in (self.row_ids, self.item_ids))
        places = np.lexsort((row_ids, item_ids))
        row_ids, item_ids = row_ids[places], item_ids[places]
        distinct, starts = np.unique(item_ids, return_index=True)
        seconds = np.maximum.reduceat(np.frombuffer(self.ends, np.float64)[places], starts)
        by_id = np.argsort(row_ids)
        starts = np.append(starts, len(row_ids))
        return StoredVectors(
            space, distinct, starts, row_ids, seconds, self.form, values, places, row_ids[by_id], by_id
        )


def _pack_fingerprint(vector: Any, dimension: int) -> bytes:
    """A fingerprint as packed bits: some engines return the numbers of its set bits, or bytes in a list."""
    if isinstance(vector, dict):
        bits = np.zeros(dimension, np.uint8)
        bits[list(vector)] = 1
        return np.packbits(bits).tobytes()
    return bytes(vector[0] if isinstance(vector, list) else vector)
