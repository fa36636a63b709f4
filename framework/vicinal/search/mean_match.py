"""Ranks items by the mean, over a query's segments, of each one's best match among the item's segments.

A segment that many items share, as a black frame or a jingle, then does not decide alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vicinal.search.similarity import compute_milvus_distances
from vicinal.stores.milvus import Candidate, VectorStore
from vicinal.stores.redis import MetadataStore
from vicinal.toolkit.slices import iter_slices
from vicinal.types import Metric, item_id

__all__ = ["BestMatchComputer", "rank_by_mean_match"]

_MIN_CANDIDATES = 64
_CANDIDATES_PER_HIT = 4
_ITEMS_PER_STEP = 16
_SEGMENTS_PER_FETCH = 1_024

ComputeBestMatches = Callable[[Sequence[str]], dict[str, list[float]]]
"""For each of these items, what Milvus calls the distance of its best match to each segment of the query."""


@dataclass(slots=True)
class _Item:
    """What a search tells of an item: its nearest segment, and its best match to each segment of the query."""

    nearest: Candidate
    matches: dict[int, float] = field(default_factory=dict)


def rank_by_mean_match(
    lists: Sequence[Sequence[Candidate]], limit: int, metric: Metric, compute_best_matches: ComputeBestMatches
) -> list[Candidate]:
    """The ``limit`` best items, best first, each as its nearest segment with the mean as its distance.

    Candidates are the items that any segment of the query finds, at most 64 or four for each hit. Those that every
    segment finds need no computation; for the others a missing match is at best as near as the last one found, which
    tells when no further item can be better. The mean is exact for all that are ranked.

    Args:
        lists: for each segment of the query its nearest segments, nearest first.
        compute_best_matches: the exact matches of items; an item without any is left out.
    """
    sign = 1.0 if _smaller_is_nearer(metric) else -1.0
    items = _group_by_item(lists, sign)
    bounds = _bound_missing_matches(lists, sign)
    optimistic = {
        key: sum(item.matches.get(number, bound) for number, bound in enumerate(bounds)) / len(bounds)
        for key, item in items.items()
    }
    order = sorted(items, key=lambda key: (optimistic[key], key))[: max(_MIN_CANDIDATES, _CANDIDATES_PER_HIT * limit)]
    means: dict[str, float] = {}
    for part in iter_slices(order, _ITEMS_PER_STEP):
        if len(means) >= limit and sorted(means.values())[limit - 1] < optimistic[part[0]]:
            break
        complete = {key for key in part if len(items[key].matches) == len(bounds)}
        means |= {key: optimistic[key] for key in complete}
        computed = compute_best_matches([key for key in part if key not in complete])
        means |= {key: sign * sum(matches) / len(matches) for key, matches in computed.items()}
    best = sorted(means, key=lambda key: (means[key], key))[:limit]
    return [replace(items[key].nearest, distance=sign * means[key]) for key in best]


def _group_by_item(lists: Sequence[Sequence[Candidate]], sign: float) -> dict[str, _Item]:
    items: dict[str, _Item] = {}
    for number, candidates in enumerate(lists):
        for candidate in candidates:
            item = items.setdefault(candidate.item, _Item(candidate))
            item.matches.setdefault(number, sign * candidate.distance)  # the first one is the nearest
            if sign * candidate.distance < sign * item.nearest.distance:
                item.nearest = candidate
    return items


def _bound_missing_matches(lists: Sequence[Sequence[Candidate]], sign: float) -> list[float]:
    """How near to each segment of the query an item may be that its list lacks: as near as the last one in it."""
    found = [sign * candidates[-1].distance for candidates in lists if candidates]
    return [sign * candidates[-1].distance if candidates else min(found, default=0.0) for candidates in lists]


@dataclass(slots=True)
class BestMatchComputer:
    """Computes from the stored vectors of items how near they come to the segments of a query."""

    vectors: VectorStore
    metadata: MetadataStore
    metric: Metric
    queries: Sequence[Any]

    def compute_best_matches(self, keys: Sequence[str]) -> dict[str, list[float]]:
        """For each item that is still there, the distance of its nearest segment to each query vector."""
        entries = self.metadata.ledger_entries([item_id(key) for key in keys])
        owners = {
            item_id(key, number): key
            for key, entry in zip(keys, entries, strict=True)
            if entry is not None and entry.matches_key(key)
            for number in range(entry.segments)
        }
        ids, nearest = list(owners), dict[str, Any]()
        for part in iter_slices(ids, _SEGMENTS_PER_FETCH):
            self._add_matches(part, owners, nearest)
        return {key: distances.tolist() for key, distances in nearest.items()}

    def _add_matches(self, ids: Sequence[int], owners: Mapping[int, str], nearest: dict[str, Any]) -> None:
        """Compute the distances of these segments, and take the nearest of each item into ``nearest``."""
        import numpy as np

        pick_nearest = np.minimum if _smaller_is_nearer(self.metric) else np.maximum
        stored = self.vectors.fetch_vectors(ids)
        ids = [id_ for id_ in ids if id_ in stored]
        if not ids:
            return
        distances = compute_milvus_distances(self.queries, [stored[id_] for id_ in ids], self.metric)
        starts = [place for place, id_ in enumerate(ids) if not place or owners[ids[place - 1]] != owners[id_]]
        for start, best in zip(starts, pick_nearest.reduceat(distances, starts, axis=1).T, strict=True):
            key = owners[ids[start]]
            nearest[key] = pick_nearest(nearest[key], best) if key in nearest else best


def _smaller_is_nearer(metric: Metric) -> bool:
    return metric in ("L2", "JACCARD")
