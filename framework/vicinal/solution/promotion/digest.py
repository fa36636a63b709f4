"""What two pairs of stores are compared by: checksums over all that they hold, whatever the order it is read in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import orjson

from vicinal.solution.writable import WritableSolution
from vicinal.stores.layout import to_matrix, to_vector_bytes
from vicinal.toolkit.nearest import NearestNeighbors

__all__ = ["Digest", "digest_failures", "digest_items", "digest_rows"]

_BYTES = 16


@dataclass(slots=True)
class Digest:
    """How many records there are, and the sum of their hashes, which does not depend on their order."""

    count: int = 0
    total: int = 0

    def add(self, *parts: bytes) -> None:
        hash_ = blake2b(digest_size=_BYTES)
        for part in parts:
            hash_.update(len(part).to_bytes(8, "big"))
            hash_.update(part)
        self.count += 1
        self.total = (self.total + int.from_bytes(hash_.digest(), "big")) % (1 << 8 * _BYTES)

    def __str__(self) -> str:
        return self.total.to_bytes(_BYTES, "big").hex()


def digest_rows(solution: WritableSolution, nearest: NearestNeighbors, raise_if_stopped: Callable[[], None]) -> Digest:
    """Read all rows once: each with its id, its vector as float32 or packed bits, and all other columns.

    Args:
        nearest: gets all vectors, so that it has the exact nearest ones of its queries.
    """
    digest, vectors, space = Digest(), solution.vectors, solution.encoder.space
    names = [name for name in vectors.stored_columns if name not in ("id", "vector", "ones")]
    for rows in vectors.iter_rows(vectors.stored_columns, vectors.rows_per_message):
        raise_if_stopped()
        packed = [to_vector_bytes(row["vector"], space) for row in rows]
        for row, vector in zip(rows, packed, strict=True):
            digest.add(row["id"].to_bytes(8, "big"), vector, orjson.dumps([row[name] for name in names]))
        nearest.add(np.array([row["id"] for row in rows]), to_matrix(packed, space))
    return digest


def digest_items(solution: WritableSolution, raise_if_stopped: Callable[[], None]) -> Digest:
    """Read the ledger and all records once: of each item both, and whether it was added by hand."""
    digest, metadata = Digest(), solution.metadata
    for entries, records in metadata.iter_ledger_and_records():
        raise_if_stopped()
        for (id_, entry), is_manual in zip(entries.items(), metadata.are_manual(list(entries)), strict=True):
            record = records[id_].pack() if id_ in records else b""
            digest.add(id_.to_bytes(8, "big"), entry.pack(), record, bytes([is_manual]))
    return digest


def digest_failures(solution: WritableSolution) -> Digest:
    """Read all failures once."""
    return _digest_records(orjson.dumps(failure.to_dict()) for failure in solution.metadata.iter_failures())


def _digest_records(records: Iterable[bytes]) -> Digest:
    digest = Digest()
    for record in records:
        digest.add(record)
    return digest
