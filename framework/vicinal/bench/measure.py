"""Recall and latency of one client, from searches whose exact answers are known."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vicinal.bench.collection import BenchCollection
from vicinal.bench.truth import Truth
from vicinal.bench.vectors import BUCKETS
from vicinal.stores.milvus_engine import Index
from vicinal.toolkit.slices import iter_slices

if TYPE_CHECKING:
    import numpy as np

__all__ = ["filter_expression", "max_batch", "measure_latency", "measure_recall", "summarize_latencies"]

_MIN_QUERIES = 30
_QUERIES_PER_CALL = 100
_EMBEDDED_NUMBERS = 250_000_000
"""Milvus Lite compares with rows that have no index by an array of queries x rows x dimension."""
_NORMAL_95 = 1.959964


def measure_recall(
    collection: BenchCollection, index: Index, truth: Truth, limit: int, rows: int, share: float = 1.0
) -> dict[str, float]:
    """The share of the ``limit`` nearest rows that a search returns, with its 95% interval over the queries.

    Rows as near as the k-th nearest count whichever of them is returned.
    """
    import numpy as np

    from vicinal.toolkit.nearest import compute_recalls

    found: list[list[int]] = []
    step = max_batch(collection, rows, truth.queries.shape[1])
    for part in iter_slices(truth.queries, step):
        found += collection.search(list(part), limit, index, filter_expression(share))
    distances = _look_up(found, truth.ids[share], truth.distances[share], limit)
    recalls = compute_recalls(distances, truth.distances[share][:, :limit])
    return _estimate_mean(recalls[~np.isnan(recalls)])


def measure_latency(
    collection: BenchCollection, index: Index, queries: np.ndarray, limit: int, seconds: float, share: float = 1.0
) -> dict[str, Any]:
    """Milliseconds of one client's searches, one query after another: all queries, or so many as the time allows."""
    filter = filter_expression(share)
    asked = [[query] for query in queries]
    for query in asked[:3]:
        collection.search(query, limit, index, filter)
    latencies: list[float] = []
    started = time.perf_counter()
    for query in asked:
        before = time.perf_counter()
        collection.search(query, limit, index, filter)
        now = time.perf_counter()
        latencies.append(now - before)
        if now - started > seconds and len(latencies) >= _MIN_QUERIES:
            break
    return summarize_latencies(latencies)


def summarize_latencies(seconds: Sequence[float] | np.ndarray) -> dict[str, Any]:
    """Percentiles in milliseconds, and their number."""
    import numpy as np

    p50, p95, p99 = np.percentile(np.asarray(seconds) * 1000, [50, 95, 99])
    mean = float(np.mean(seconds) * 1000)
    figures = {"avg": mean, "p50": float(p50), "p95": float(p95), "p99": float(p99)}
    return {"count": len(seconds), **{name: round(value, 3) for name, value in figures.items()}}


def max_batch(collection: BenchCollection, rows: int, dimension: int) -> int:
    """How many queries a request may have."""
    if not collection.embedded:
        return _QUERIES_PER_CALL
    return max(1, min(_QUERIES_PER_CALL, _EMBEDDED_NUMBERS // (rows * dimension)))


def filter_expression(share: float) -> str:
    """The filter that leaves this share of the rows; nothing for all of them."""
    return "" if share >= 1 else f"bucket < {round(share * BUCKETS)}"


def _look_up(found: Sequence[Sequence[int]], ids: np.ndarray, distances: np.ndarray, limit: int) -> np.ndarray:
    """The exact distances of what was found where it is among the nearest, else infinity; of shape (n, limit)."""
    import numpy as np

    result = np.full((len(found), limit), np.inf)
    for row, (got, near, far) in enumerate(zip(found, ids.tolist(), distances.tolist(), strict=True)):
        known = dict(zip(near, far, strict=True))
        values = [known.get(id_, np.inf) for id_ in dict.fromkeys(got)][:limit]
        result[row, : len(values)] = values
    return result


def _estimate_mean(values: np.ndarray) -> dict[str, float]:
    """A mean with its 95% interval, by the normal distribution; between 0 and 1."""
    mean, margin = float(values.mean()), _NORMAL_95 * float(values.std(ddof=1)) / len(values) ** 0.5
    figures = {"value": mean, "low": max(0.0, mean - margin), "high": min(1.0, mean + margin)}
    return {name: round(value, 5) for name, value in figures.items()}
