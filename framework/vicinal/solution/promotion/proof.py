"""The proof that two pairs of stores hold the same of a solution, and that searches find the same in both."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np

from vicinal.errors import StoreMismatchError
from vicinal.solution.promotion.digest import Digest, digest_failures, digest_items, digest_rows
from vicinal.solution.writable import WritableSolution
from vicinal.stores.layout import to_matrix, to_vector_bytes
from vicinal.stores.milvus import Candidate
from vicinal.toolkit.nearest import NearestNeighbors, compute_distances, compute_recalls
from vicinal.toolkit.slices import iter_slices
from vicinal.types import item_id

__all__ = ["LIMIT", "Pair", "Proof", "prove_copy"]

T = TypeVar("T")

LIMIT = 10
_GOOD_SHARE_OF_RECALL, _MIN_SHARE_OF_RECALL = 0.9, 0.5
"""Of what the old index finds. Of 20,000 random vectors of 384 numbers, the hardest there are, HNSW on a server found
80% of the 10 nearest, where HNSW_SQ on Milvus Lite had found 96%; of an index that is not in use much less is found."""
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Pair:
    """What both have: numbers, or checksums in hexadecimal."""

    source: Any
    target: Any

    @property
    def is_equal(self) -> bool:
        return bool(self.source == self.target)


@dataclass(frozen=True, slots=True)
class Proof:
    """What was compared; each ``Pair`` has to be equal.

    ``vectors`` is a checksum over all rows in Milvus, with all their columns, ``metadata`` over ledger, records and
    what was added by hand, ``failures`` over failures, ``encoder`` the hash of what an encoder that learns has learnt.
    Of ``queries`` stored vectors, ``same_top_10`` have the same ten nearest in both by an exact search, equal distances
    allowed; ``recall`` says how many of those each of the two indexes finds.
    """

    items: Pair
    rows: Pair
    vectors: Pair
    metadata: Pair
    failures: Pair
    encoder: Pair
    queries: int
    same_top_10: int
    recall: Pair
    is_exact: bool
    """Whether the target's index compares with every vector."""
    seconds: float

    def find_difference(self) -> str:
        """What is not the same; empty if all is."""
        for name in ("items", "rows", "vectors", "metadata", "failures", "encoder"):
            pair: Pair = getattr(self, name)
            if not pair.is_equal:
                return f"{name} differ: {pair.source} here, {pair.target} there"
        if self.same_top_10 < self.queries:
            return f"the 10 nearest differ for {self.queries - self.same_top_10} of {self.queries} stored vectors"
        least = 1.0 - 1e-9 if self.is_exact else _MIN_SHARE_OF_RECALL * self.recall.source
        if self.queries and self.recall.target < least:
            return self._describe_recall()
        return ""

    def list_warnings(self) -> list[str]:
        """What is no difference of the copies, and worth knowing."""
        if not self.queries or self.recall.target >= _GOOD_SHARE_OF_RECALL * self.recall.source:
            return []
        return [f"{self._describe_recall()}; `vicinal tune` finds an index for there"]

    def _describe_recall(self) -> str:
        return f"the index finds {self.recall.target:.1%} of the 10 nearest there, {self.recall.source:.1%} here"

    def require_equal(self) -> None:
        """See that all is the same.

        Raises:
            StoreMismatchError: something is not; the message says what.
        """
        if difference := self.find_difference():
            raise StoreMismatchError(
                f"the copy is not what is here: {difference}",
                hint="`vicinal check FILE` says whether what is here is consistent, and --repair repairs it; then"
                " promote again, which continues",
            )

    def to_dict(self) -> dict[str, Any]:
        """The proof as the JSON object that ``promote --json`` prints."""
        return asdict(self)


def prove_copy(
    source: WritableSolution,
    target: WritableSolution,
    queries: int,
    *,
    seed: int = 0,
    raise_if_stopped: Callable[[], None] = lambda: None,
) -> Proof:
    """Compare two solutions of one config, in one pass over the rows of each, in bounded memory.

    Args:
        queries: how many stored vectors are searched for.
    """
    started = time.perf_counter()
    asked = source.vectors.fetch_vectors(_sample_row_ids(source, queries, random.Random(seed)))
    nearest = [_find_nearest(source, asked) for _ in range(2)]
    sides = (source, target)
    rows = [digest_rows(side, near, raise_if_stopped) for side, near in zip(sides, nearest, strict=True)]
    items = [digest_items(side, raise_if_stopped) for side in sides]
    failures = [digest_failures(side) for side in sides]
    recalls = [_measure_recall(side, near, list(asked)) for side, near in zip(sides, nearest, strict=True)]
    index = target._collection.current_index()
    return Proof(
        items=Pair(*(_read_count(side, "items") for side in sides)),
        rows=Pair(*(digest.count for digest in rows)),
        vectors=_make_pair(rows),
        metadata=_make_pair(items),
        failures=_make_pair(failures),
        encoder=Pair(*(side.metadata.fitted_state.read_hash() for side in sides)),
        queries=len(asked),
        same_top_10=_count_same(*(near.distances for near in nearest)),
        recall=Pair(*recalls),
        is_exact=index is not None and index.is_exact,
        seconds=round(time.perf_counter() - started, 3),
    )


def _make_pair(digests: Sequence[Digest]) -> Pair:
    return Pair(*map(str, digests))


def _read_count(solution: WritableSolution, name: str) -> int:
    return int(solution.metadata.state().get(name, 0))


def _sample_row_ids(solution: WritableSolution, count: int, rng: random.Random) -> list[int]:
    """A row each of random items that are committed: a reservoir sample, so that memory holds no more."""
    sample: list[tuple[int, int]] = []
    seen = 0
    for entries in solution.metadata.iter_ledger():
        for id_, entry in sorted(entries.items()):
            if not entry.is_committed or not entry.segments:
                continue
            seen += 1
            place = len(sample) if len(sample) < count else rng.randrange(seen)
            if place < count:
                sample[place : place + 1] = [(id_, rng.randrange(entry.segments))]
    records = solution.metadata.records([id_ for id_, _ in sample])
    return [item_id(record.key, number) for record, (_, number) in zip(records, sample, strict=True) if record]


def _find_nearest(solution: WritableSolution, asked: dict[int, Any]) -> NearestNeighbors:
    space = solution.encoder.space
    width = space.dimension // 8 if space.kind == "binary" else space.dimension
    packed = [to_vector_bytes(vector, space) for vector in asked.values()]
    matrix = to_matrix(packed, space) if packed else np.zeros((0, width), np.float32)
    return NearestNeighbors(matrix, LIMIT, solution.metric)


def _count_same(distances: np.ndarray, others: np.ndarray) -> int:
    """How many queries have neighbours of the same distances."""
    both_missing = np.isinf(distances) & np.isinf(others)
    slack = _TOLERANCE * np.abs(np.where(np.isinf(distances), 0, distances)) + 1e-9
    near = np.abs(np.where(both_missing, 0, distances) - np.where(both_missing, 0, others)) <= slack
    return int(near.all(axis=1).sum())


def _measure_recall(solution: WritableSolution, nearest: NearestNeighbors, ids: list[int]) -> float:
    """The share of the exact nearest that the index finds; of several that are equally far, any will do."""
    if not ids:
        return 1.0
    space = solution.encoder.space
    stored = solution.vectors.fetch_vectors(ids)
    found = solution.search_vectors([stored[id_] for id_ in ids if id_ in stored], LIMIT)
    if len(stored) < len(ids):
        return 0.0
    pairs = [(row, id_) for row, candidates in enumerate(found) for id_ in _to_row_ids(candidates)]
    others = _fetch_all(solution, [id_ for _, id_ in pairs])
    pairs = [(row, id_) for row, id_ in pairs if id_ in others]
    distances = np.full((len(ids), LIMIT), np.inf)
    filled = np.zeros(len(ids), int)
    queries = to_matrix([to_vector_bytes(stored[ids[row]], space) for row, _ in pairs], space)
    vectors = to_matrix([others[id_] for _, id_ in pairs], space)
    for (row, _), distance in zip(pairs, compute_distances(queries, vectors, solution.metric).tolist(), strict=True):
        distances[row, filled[row]] = distance
        filled[row] += 1
    return round(float(np.nanmean(compute_recalls(distances, nearest.distances))), 4)


def _to_row_ids(candidates: Sequence[Candidate]) -> list[int]:
    return [item_id(candidate.item, candidate.segment) for candidate in candidates[:LIMIT]]


def _fetch_all(solution: WritableSolution, ids: Sequence[int]) -> dict[int, bytes]:
    """Stored vectors in one form, by id."""
    space, unique = solution.encoder.space, sorted(set(ids))
    found: dict[int, bytes] = {}
    for part in iter_slices(unique, solution.vectors.rows_per_message):
        vectors = solution.vectors.fetch_vectors(part)
        found |= {id_: to_vector_bytes(vector, space) for id_, vector in vectors.items()}
    return found
