"""What an index loses: the nearest stored vectors that it returns, against a comparison with every stored vector.

Each query is the vector of an indexed item, without itself. A returned vector counts where it is as near as the k-th
nearest, so that ties count whichever of them is returned; distances are computed anew from the stored vectors, since an
index that quantises returns approximate ones.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vicinal.plugin.encoder import Encoder
from vicinal.plugin.example_calls import to_query_vectors
from vicinal.quality.estimates import Estimate, estimate_means
from vicinal.search.similarity import compute_milvus_distances
from vicinal.stores.layout import to_query_vector
from vicinal.types import Metric, Space, item_id

if TYPE_CHECKING:
    import numpy as np

    from vicinal.solution.solution import Solution

__all__ = ["IndexRecall", "measure_index_recall"]

MAX_QUERIES = 500
_ROWS_PER_FETCH = 1_000
_NUMBERS_PER_PART = 2_000_000
"""A stored vector arrives as Python floats, of 32 bytes each."""


@dataclass(frozen=True, slots=True)
class IndexRecall:
    """The share of the ``limit`` nearest stored vectors that the index returns."""

    limit: int
    recall: Estimate
    queries: int
    rows: int
    index: str

    def to_dict(self) -> dict[str, Any]:
        figures = {"queries": self.queries, "rows": self.rows}
        return {"type": self.index, f"recall@{self.limit}": self.recall.to_dict(), **figures}


def measure_index_recall(solution: Solution, keys: Sequence[str], limit: int, seed: int = 0) -> IndexRecall | None:
    """Compare what the index returns for up to 500 of these items with an exact search over all stored vectors.

    The vectors are read in parts, and of each query only its ``limit`` smallest distances are kept.

    Returns:
        None where the collection has no second vector.
    """
    import numpy as np

    vectors, space = solution.vectors, solution.encoder.space
    found_rows = solution.vectors.fetch_vectors(_choose_rows(solution, keys, seed))
    ids, stored = list(found_rows), _to_queries(solution.encoder, list(found_rows.values()))
    nearest = np.full((len(ids), limit), np.inf)
    rows = 0
    size = max(100, min(5_000, _NUMBERS_PER_PART // space.dimension))
    for part in vectors.iter_rows(["id", "vector"], size):
        rows += len(part)
        part_ids = np.array([row["id"] for row in part])
        distances = _compute_distances(stored, [to_query_vector(row["vector"]) for row in part], solution.metric, space)
        distances[part_ids[None, :] == np.array(ids)[:, None]] = np.inf
        nearest = np.partition(np.hstack([nearest, distances]), limit - 1, axis=1)[:, :limit]
    if solution.metric == "JACCARD":
        nearest[nearest >= 1.0] = np.inf  # without a common bit there is nothing to find
    wanted = np.isfinite(nearest).sum(axis=1)
    if not wanted.any():
        return None
    farthest = np.where(np.isfinite(nearest), nearest, -np.inf).max(axis=1)
    found = solution.search_vectors(stored, limit + 1)
    found_ids = [
        [id_ for candidate in candidates if (id_ := item_id(candidate.item, candidate.segment)) != own][:limit]
        for candidates, own in zip(found, ids, strict=True)
    ]
    near = np.fromiter(_count_near(solution, stored, found_ids, farthest), np.float64, len(ids))
    recalls = np.minimum(near, wanted)[wanted > 0] / wanted[wanted > 0]
    index = str((solution.metadata.state().get("index") or {}).get("type", ""))
    return IndexRecall(limit, estimate_means(recalls[:, None], seed)[0], len(recalls), rows, index)


def _to_queries(encoder: Encoder, stored: Sequence[Any]) -> list[Any]:
    """What searches by ``@key`` use in place of stored vectors."""
    if encoder.space.kind == "binary":
        return list(stored)
    import numpy as np

    return list(to_query_vectors(encoder, np.array(stored, np.float32)))


def _choose_rows(solution: Solution, keys: Sequence[str], seed: int) -> list[int]:
    """The id of a random row of each of up to 500 random items."""
    rng = random.Random(seed)
    chosen = rng.sample(list(keys), min(len(keys), MAX_QUERIES))
    entries = solution.metadata.ledger_entries([item_id(key) for key in chosen])
    return [
        item_id(key, rng.randrange(entry.segments))
        for key, entry in zip(chosen, entries, strict=True)
        if entry is not None and entry.segments
    ]


def _count_near(
    solution: Solution, stored: Sequence[Any], found: Sequence[Sequence[int]], farthest: np.ndarray
) -> Iterator[int]:
    """How many of the returned rows of each query are no farther than its k-th nearest.

    The rows of several queries are fetched at once: a server takes 0.2 s for each call that has to see every write.
    """
    step = max(1, _ROWS_PER_FETCH // max(1, *map(len, found)))
    for start in range(0, len(found), step):
        part = found[start : start + step]
        vectors = solution.vectors.fetch_vectors(list({id_ for ids in part for id_ in ids}))
        for query, ids, limit in zip(stored[start:], part, farthest[start:].tolist(), strict=False):
            near = [vectors[id_] for id_ in ids if id_ in vectors]
            if not near:
                yield 0
                continue
            distances = _compute_distances([query], near, solution.metric, solution.encoder.space)
            yield int((distances <= limit + 1e-6 * abs(limit) + 1e-9).sum())


def _compute_distances(queries: Sequence[Any], stored: Sequence[Any], metric: Metric, space: Space) -> np.ndarray:
    """Distances that rise with farness, of shape (queries, stored)."""
    if space.kind == "binary":
        queries, stored = ([_pack(vector, space.dimension) for vector in part] for part in (queries, stored))
    distances: np.ndarray = compute_milvus_distances(queries, stored, metric)
    return distances if metric in ("L2", "JACCARD") else -distances


def _pack(vector: Any, dimension: int) -> bytes:
    """A fingerprint as packed bits, where the engine stores it as the numbers of its set bits."""
    import numpy as np

    if isinstance(vector, bytes):
        return vector
    bits = np.zeros(dimension, np.uint8)
    bits[list(vector)] = 1
    return np.packbits(bits).tobytes()
