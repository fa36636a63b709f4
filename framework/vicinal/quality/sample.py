"""A random sample of a solution's items with a vector for each, read in bounded memory.

Ids are hashes of keys, and Redis keeps items in the order of their ids: those that follow a random id are a random
sample, for which nothing else is read.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from vicinal.errors import NothingIndexedError, VicinalError
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.example_calls import to_query_vectors
from vicinal.solution.solution import Solution
from vicinal.stores.records import Entry, Record
from vicinal.types import Item, item_id

__all__ = ["Sample", "read_item_vectors", "read_sample", "require_seed", "sample_records", "to_item"]

_PAGE = 500
_MAX_BATCH_VALUES = 500_000
_MAX_BATCH_ROWS = 500
_ID_BITS = 63
_MAX_SEED = 2**32 - 1
"""What UMAP takes at most."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of a solution's items: ``vectors`` is ``(n, dimension)`` float32, bits being 0.0 and 1.0.

    A vector is the one that a search by the item uses, ``Encoder.to_query_vector``: two items are as near as one finds
    the other. ``total`` is how many items are indexed. An item of several segments has the mean of their vectors, of
    length 1 before where the metric is an angle; of fingerprints, the bits that at least half of them have.
    """

    records: Sequence[Record]
    vectors: np.ndarray
    total: int
    segmented: bool


def read_sample(solution: Solution, limit: int, seed: int = 0) -> Sample:
    """Read items and their vectors; the same collection and seed give the same ones, in the order of their ids.

    Raises:
        NothingIndexedError: fewer than two items are indexed.
    """
    solution.open()
    total = int(solution.metadata.state().get("items", 0))
    solution.fetch_rows([])  # says what is wrong where nothing can be searched
    committed = list(islice(_iter_committed(solution, seed), limit))
    sums, counts = _sum_vectors(solution, committed)
    complete = [place for place, (_, entry) in enumerate(committed) if counts[place] == entry.segments]
    if len(complete) < 2:
        found = "one" if complete else "none"
        raise NothingIndexedError(
            f"it takes two items, and {solution.name!r} has {found} indexed", hint="index more with `vicinal ingest`"
        )
    vectors = _to_mean(solution, sums[complete], counts[complete, None])
    records = [committed[place][0] for place in complete]
    return Sample(records, vectors, total, any(committed[place][1].segments > 1 for place in complete))


def sample_records(solution: Solution, limit: int, seed: int = 0) -> tuple[list[Record], int]:
    """The records of some items without their vectors, the same ones as ``read_sample``, and how many are indexed.

    Raises:
        NothingIndexedError: nothing can be searched yet.
    """
    solution.open()
    solution.fetch_rows([])  # says what is wrong where nothing can be searched
    records = [record for record, _ in islice(_iter_committed(solution, seed), limit)]
    return records, int(solution.metadata.state().get("items", 0))


def read_item_vectors(solution: Solution, keys: Iterable[str]) -> dict[str, np.ndarray]:
    """What items are compared by, ``(dimension,)`` float32 each, as ``read_sample``; without those that are gone."""
    ids = [item_id(key) for key in keys]
    pairs = zip(solution.metadata.records(ids), solution.metadata.ledger_entries(ids), strict=True)
    items = [(record, entry) for record, entry in pairs if record is not None and entry is not None]
    sums, counts = _sum_vectors(solution, items)
    return {
        record.key: _to_mean(solution, sums[place], counts[place])
        for place, (record, entry) in enumerate(items)
        if entry.segments and counts[place] == entry.segments
    }


def require_seed(seed: int) -> None:
    """
    Raises:
        VicinalError: a random generator does not take it.
    """
    if not 0 <= seed <= _MAX_SEED:
        raise VicinalError(f"seed is {seed}", hint=f"it is a whole number from 0 to {_MAX_SEED}")


def to_item(record: Record) -> Item:
    """The item that a record is of, to be rendered; a content that is not stored is None."""
    return Item(record.key, record.content, record.uri, record.metadata)


def _iter_committed(solution: Solution, seed: int) -> Iterator[tuple[Record, Entry]]:
    """The indexed items that follow a random id, then those before it."""
    start = random.Random(seed).getrandbits(_ID_BITS)
    for after, is_second_lap in ((start - 1, False), (-1, True)):
        cursor: int | None = after
        while cursor is not None:
            records, cursor = solution.metadata.list_records(_PAGE, cursor)
            ids = [item_id(record.key) for record in records]
            for id_, record, entry in zip(ids, records, solution.metadata.ledger_entries(ids), strict=True):
                if is_second_lap and id_ >= start:
                    return
                if entry is not None and entry.is_committed and entry.matches_key(record.key):
                    yield record, entry


def _sum_vectors(solution: Solution, items: Sequence[tuple[Record, Entry]]) -> tuple[np.ndarray, np.ndarray]:
    """The sum of the vectors of each item's segments, ``(n, dimension)`` float32, and how many there are."""
    dimension = solution.encoder.space.dimension
    is_angle = solution.metric in ("COSINE", "IP")
    sums, counts = np.zeros((len(items), dimension), np.float32), np.zeros(len(items), np.int64)
    segments = (
        (item_id(record.key, number), place)
        for place, (record, entry) in enumerate(items)
        for number in range(entry.segments)
    )
    size = min(_MAX_BATCH_ROWS, max(1, _MAX_BATCH_VALUES // dimension))
    while places := dict(islice(segments, size)):
        rows = solution.fetch_rows(list(places))
        for row, vector in zip(rows, _to_vectors(solution.encoder, rows), strict=True):
            length = float(np.linalg.norm(vector)) if is_angle else 1.0
            sums[places[row["id"]]] += vector / (length or 1.0)
            counts[places[row["id"]]] += 1
    return sums, counts


def _to_mean(solution: Solution, sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The mean of vectors; of fingerprints the bits that at least half of them have."""
    means: np.ndarray = sums / counts
    return (means >= 0.5).astype(np.float32) if solution.encoder.space.kind == "binary" else means


def _to_vectors(encoder: Encoder, rows: Sequence[Mapping[str, Any]]) -> Iterable[np.ndarray]:
    """What items are compared by, ``(dimension,)`` float32 for each row."""
    vectors = [_to_floats(row["vector"], encoder.space.dimension) for row in rows]
    return vectors if encoder.space.kind == "binary" or not vectors else to_query_vectors(encoder, np.stack(vectors))


def _to_floats(vector: Any, dimension: int) -> np.ndarray:
    """A stored vector as float32: packed bits, and the numbers of those that are set, become 0.0 and 1.0."""
    if isinstance(vector, dict):
        floats = np.zeros(dimension, np.float32)
        floats[list(vector)] = 1
        return floats
    if isinstance(vector, bytes):
        return np.unpackbits(np.frombuffer(vector, np.uint8)).astype(np.float32)
    return np.array(vector, np.float32)
