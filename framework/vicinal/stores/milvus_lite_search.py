"""How Milvus Lite searches: which rows are valid is found out once, not in every search."""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

__all__ = ["remember_valid_rows"]

_MAX_REMEMBERED = 16
"""Collections whose valid rows are remembered: 17 bytes a row."""

_PARAMETERS = {
    "query_vectors",
    "segments",
    "memtable",
    "delta_index",
    "top_k",
    "metric_type",
    "pk_field",
    "vector_field",
    "partition_names",
    "compiled_filter",
    "output_fields",
    "indexed_filter_plan",
    "project_record_fn",
    "search_params",
}
"""With which a Milvus Lite that this module knows calls ``execute_search_with_index``."""

Hits = list[dict[str, Any]]


def remember_valid_rows() -> None:
    """Have Milvus Lite remember which rows are valid; call it before Milvus Lite is first opened in this process.

    Milvus Lite 3.2 asks of every row of a collection, in Python and in every search, whether it was overwritten or
    deleted: 0.45 microseconds a row, 90 of the 95 ms of a search of 200,000. That changes only when rows are flushed,
    so it is computed then. Rows that are not flushed yet are searched as Milvus Lite does.
    """
    from milvus_lite.engine import collection

    search: Callable[..., list[Hits]] = collection.execute_search_with_index
    if hasattr(search, "__wrapped__"):
        return
    searcher = _Searcher(search)

    @functools.wraps(search)
    def execute_search_with_index(*args: Any, **request: Any) -> list[Hits]:
        if args or request.keys() != _PARAMETERS:  # of another version, whose searches may mean something else
            return search(*args, **request)
        return searcher.search(**request)

    collection.execute_search_with_index = execute_search_with_index


class _ValidRows:
    """Which rows of some segments are the newest of their ids, and not deleted."""

    def __init__(self, segments: Sequence[Any], deleted: dict[int, int]) -> None:
        self._seqs = [weakref.ref(segment.seqs) for segment in segments]
        self._deleted = deleted
        ids = np.concatenate([np.fromiter(segment.pks, np.int64, len(segment.pks)) for segment in segments])
        seqs = np.concatenate([segment.seqs for segment in segments])
        self._order = np.lexsort((seqs, ids))
        self._sorted_ids = ids[self._order]
        self._bounds = np.cumsum([0, *(len(segment.pks) for segment in segments)]).tolist()
        self._is_valid = np.ones(len(ids), bool)
        self._is_valid[self._order[:-1][self._sorted_ids[:-1] == self._sorted_ids[1:]]] = False
        when = np.fromiter(deleted.values(), np.uint64, len(deleted))
        rows, places = self._find_newest_rows(deleted)
        self._is_valid[rows[seqs[rows] < when[places]]] = False

    def is_needed_beside(self, segments: Sequence[Any]) -> bool:
        """Whether Milvus Lite still holds these rows, and they are of another collection than these segments."""
        known = {id(segment.seqs) for segment in segments}
        return all((seqs := ref()) is not None and id(seqs) not in known for ref in self._seqs)

    def is_of(self, segments: Sequence[Any], deleted: dict[int, int]) -> bool:
        """Whether this is what these segments and tombstones say."""
        return (
            len(self._seqs) == len(segments)
            and all(seqs() is segment.seqs for seqs, segment in zip(self._seqs, segments, strict=True))
            and self._deleted == deleted
        )

    def to_masks(self, hidden: Iterable[int]) -> list[np.ndarray]:
        """For each segment which rows are valid, without these ids."""
        is_valid = self._is_valid
        rows, _ = self._find_newest_rows(hidden)
        if len(rows):
            is_valid = is_valid.copy()
            is_valid[rows] = False
        return [is_valid[start:stop] for start, stop in zip(self._bounds, self._bounds[1:], strict=False)]

    def _find_newest_rows(self, ids: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
        """The newest row of each of these ids that has one, and the places of these among the ids."""
        wanted = np.fromiter(ids, np.int64)
        last = np.searchsorted(self._sorted_ids, wanted, "right") - 1
        places = np.flatnonzero((last >= 0) & (self._sorted_ids[last] == wanted))
        return self._order[last[places]], places


class _Searcher:
    """Searches as Milvus Lite does, ``search`` being its own function, and remembers which rows are valid."""

    def __init__(self, search: Callable[..., list[Hits]]) -> None:
        self._search = search
        self._lock = threading.Lock()
        self._remembered: list[_ValidRows] = []

    def search(self, **request: Any) -> list[Hits]:
        """Take what ``execute_search_with_index`` takes."""
        segments = [segment for segment in request["segments"] if segment.num_rows]
        if (
            not segments
            or request["top_k"] <= 0
            or request["partition_names"] is not None
            or not all(isinstance(segment.pks[0], int) for segment in segments)
        ):
            return self._search(**request)
        vectors = np.atleast_2d(np.asarray(request["query_vectors"], np.float32))
        memtable = request["memtable"]
        unflushed: list[Hits] = [[] for _ in vectors]
        hidden: list[int] = []
        if memtable.size():
            hidden = [*memtable.to_search_snapshot(None)[0], *memtable.delete_index_snapshot()]
            unflushed = self._search(**{**request, "segments": ()})
        masks = self._find_valid_rows(segments, request["delta_index"].snapshot).to_masks(hidden)
        found = [
            _search_segment(segment, vectors, mask, request) for segment, mask in zip(segments, masks, strict=True)
        ]
        flushed = _merge_hits(segments, found, request)
        return [_add_unflushed(old, new, request["top_k"]) for old, new in zip(flushed, unflushed, strict=True)]

    def _find_valid_rows(self, segments: Sequence[Any], deleted: dict[int, int]) -> _ValidRows:
        with self._lock:
            for valid in self._remembered:
                if valid.is_of(segments, deleted):
                    return valid
        valid = _ValidRows(segments, deleted)
        with self._lock:
            needed = [known for known in self._remembered if known.is_needed_beside(segments)]
            self._remembered = [valid, *needed][:_MAX_REMEMBERED]
        return valid


def _search_segment(
    segment: Any, vectors: np.ndarray, is_valid: np.ndarray, request: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the nearest rows, (queries, top_k), -1 for none, and their distances."""
    from milvus_lite.index.brute_force import BruteForceIndex
    from milvus_lite.search.indexed_filter import evaluate_segment_filter

    rows, has_vector = segment.vector_data(request["vector_field"])
    if request["compiled_filter"] is not None:
        passes = evaluate_segment_filter(segment, request["compiled_filter"], request["indexed_filter_plan"])
        is_valid = is_valid & passes.astype(bool)
    if has_vector is not None:
        is_valid = is_valid & has_vector
    if not is_valid.any():
        none = (len(vectors), 0)
        return np.empty(none, np.int64), np.empty(none, np.float32)
    index = segment.indexes.get(request["vector_field"])
    if index is None:
        index = BruteForceIndex.build(rows, request["metric_type"])
    mask = None if is_valid.all() else is_valid
    numbers, distances = index.search(vectors, request["top_k"], valid_mask=mask, params=request["search_params"])
    return numbers, distances


def _merge_hits(
    segments: Sequence[Any], found: Sequence[tuple[np.ndarray, np.ndarray]], request: dict[str, Any]
) -> list[Hits]:
    """The hits of each query, nearest first; of equally near ones that of the first segment."""
    numbers = np.concatenate([each for each, _ in found], axis=1)
    distances = np.concatenate([each for _, each in found], axis=1)
    owners = np.repeat(np.arange(len(found)), [each.shape[1] for each, _ in found])
    hits = []
    for row_numbers, row_distances in zip(numbers, distances, strict=True):
        places = np.flatnonzero(row_numbers >= 0)
        order = np.lexsort((row_numbers[places], owners[places], row_distances[places]))
        nearest = places[order[: request["top_k"]]]
        hits.append(
            [
                _to_hit(segments[owner], number, distance, request)
                for owner, number, distance in zip(
                    owners[nearest].tolist(),
                    row_numbers[nearest].tolist(),
                    row_distances[nearest].tolist(),
                    strict=True,
                )
            ]
        )
    return hits


def _to_hit(segment: Any, number: int, distance: float, request: dict[str, Any]) -> dict[str, Any]:
    record = segment.row_to_dict(number)
    return {"id": segment.pks[number], "distance": distance, "entity": request["project_record_fn"](record)}


def _add_unflushed(flushed: Hits, unflushed: Hits, limit: int) -> Hits:
    """The nearest of both; an id that was written meanwhile is taken as it is now."""
    if not unflushed:
        return flushed
    written = {hit["id"] for hit in unflushed}
    hits = [*(hit for hit in flushed if hit["id"] not in written), *unflushed]
    return sorted(hits, key=lambda hit: hit["distance"])[:limit]
