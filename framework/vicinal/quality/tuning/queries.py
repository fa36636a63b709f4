"""What an index is asked in order to be measured: a log, items that it does not have, or items that it has."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vicinal.errors import VicinalError
from vicinal.plugin.example_calls import to_query_vectors
from vicinal.solution.solution import Solution
from vicinal.toolkit.slices import iter_slices

__all__ = ["MAX_QUERIES", "QueryKind", "QuerySet", "ask_rows", "choose_queries", "describe_queries", "to_matrix"]

QueryKind = Literal["log", "held-out", "stored"]

MAX_QUERIES = 4_000
_MIN_QUERIES = 500
_HELD_OUT_SHARE = 10
"""At most a tenth of the rows is held out."""
_PER_FETCH = 1_000
_PER_ENCODING = 200
_MAX_LOG_LINES = 1_000_000


@dataclass(frozen=True, slots=True)
class QuerySet:
    """Queries in random order.

    ``vectors`` are as the store is searched with them, ``matrix`` is the same in the form in which they are compared.
    ``own_ids`` are the ids of the rows that they are; None for those of a log.
    """

    kind: QueryKind
    vectors: Sequence[Any]
    matrix: np.ndarray
    own_ids: np.ndarray | None

    def __len__(self) -> int:
        return len(self.vectors)


def choose_queries(
    solution: Solution, ids: np.ndarray, path: Path | None, seed: int, *, may_hold_out: bool
) -> QuerySet:
    """Up to 4,000 queries: those of a log, else rows, which are held out where there are enough of them.

    Args:
        ids: the ids of all rows.
        path: the log.
        may_hold_out: whether rows can be left out of the index.

    Raises:
        VicinalError: the log cannot be read, or its queries cannot.
    """
    if path is not None:
        vectors = _encode_log(solution, path, seed)
        return QuerySet("log", vectors, to_matrix(solution, vectors), None)
    count = min(MAX_QUERIES, len(ids) // _HELD_OUT_SHARE)
    is_held_out = may_hold_out and count >= _MIN_QUERIES
    chosen = random.Random(seed).sample(range(len(ids)), count if is_held_out else min(MAX_QUERIES, len(ids)))
    return ask_rows(solution, ids[chosen].tolist(), "held-out" if is_held_out else "stored")


def ask_rows(solution: Solution, ids: Sequence[int], kind: QueryKind) -> QuerySet:
    """The queries that find what is near these rows; without those that are gone."""
    own_ids, stored = _fetch_vectors(solution, ids)
    vectors = stored
    if stored and solution.encoder.space.kind == "float":
        vectors = list(to_query_vectors(solution.encoder, np.array(stored, np.float32)))
    return QuerySet(kind, vectors, to_matrix(solution, vectors), np.array(own_ids, np.int64))


def describe_queries(kind: QueryKind) -> str:
    return {
        "log": "queries of the log",
        "held-out": "items that were not in the index",
        "stored": "indexed items, each without itself",
    }[kind]


def to_matrix(solution: Solution, vectors: Sequence[Any]) -> np.ndarray:
    """Vectors as the store returns them, or is searched with: ``(n, dimension)`` float32, or packed bits as uint8."""
    space = solution.encoder.space
    if space.kind == "float":
        return np.asarray(vectors, np.float32).reshape(len(vectors), space.dimension)
    if vectors and isinstance(vectors[0], dict):
        bits = np.zeros((len(vectors), space.dimension), np.uint8)
        for row, vector in zip(bits, vectors, strict=True):
            row[list(vector)] = 1
        return np.packbits(bits, axis=1)
    packed = [vector[0] if isinstance(vector, list) else vector for vector in vectors]
    return np.frombuffer(b"".join(packed), np.uint8).reshape(len(packed), -1)


def _fetch_vectors(solution: Solution, ids: Sequence[int]) -> tuple[list[int], list[Any]]:
    """The stored vectors of those of these rows that are still there."""
    found: dict[int, Any] = {}
    for part in iter_slices(ids, _PER_FETCH):
        found |= solution.vectors.fetch_vectors(part)
    kept = [id_ for id_ in ids if id_ in found]
    return kept, [found[id_] for id_ in kept]


def _encode_log(solution: Solution, path: Path, seed: int) -> list[Any]:
    """The vectors of up to 4,000 random queries of a log.

    Raises:
        VicinalError: none of them can be read; the message has the first one's reason.
    """
    queries = list(dict.fromkeys(islice(_read_log(path), _MAX_LOG_LINES)))
    random.Random(seed).shuffle(queries)
    vectors: list[Any] = []
    reason = "it has no line"
    for start in range(0, min(len(queries), MAX_QUERIES), _PER_ENCODING):
        for query in solution.encode_queries(queries[start : start + _PER_ENCODING]):
            if isinstance(query, Exception):
                reason = str(query)
            else:
                vectors += query[:1]
    if len(vectors) < 2:
        raise VicinalError(f"{path} has fewer than two queries that can be asked: {reason}", "write one query a line")
    return vectors


def _read_log(path: Path) -> Iterator[str]:
    """The queries of a text file, one a line; of a .csv or .tsv the last column, as `evaluate --queries` reads it."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix.lower() in (".csv", ".tsv"):
                delimiter = "," if path.suffix.lower() == ".csv" else "\t"
                yield from (cells[-1] for cells in csv.reader(file, delimiter=delimiter) if cells and cells[-1].strip())
            else:
                yield from (line.strip() for line in file if line.strip())
    except OSError as error:
        raise VicinalError(f"cannot read {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise VicinalError(f"{path} cannot be read: {error}", "it has to be UTF-8 text") from error
