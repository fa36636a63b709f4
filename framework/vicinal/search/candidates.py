"""Retrieves the candidates of queries from Milvus and groups them by item, nearest item first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from vicinal.search.examples import EncodedQuery
from vicinal.search.mean_match import BestMatchComputer, rank_by_mean_match
from vicinal.search.similarity import compute_milvus_distances, to_distance_and_similarity
from vicinal.stores import tanimoto
from vicinal.stores.milvus import MAX_LIMIT, Candidate, VectorStore
from vicinal.stores.milvus_engine import Index
from vicinal.stores.redis import MetadataStore
from vicinal.toolkit.slices import iter_slices
from vicinal.types import SegmentMatch, item_id

__all__ = ["CandidateRetriever"]

_OVERFETCH = 4
"""How many segments are fetched for each item that is wanted, where items have several."""
_MAX_DROPPED = 100
"""Of more excluded items Milvus is told to leave them out.

Up to 1,000 among 60,000 vectors of 128 dimensions both take the same time, on Milvus Lite and on a server; for 15,000
Milvus Lite takes 0.4 s with a filter and 1.4 s to return them, a server 170 and 75 ms. Fewer are dropped, since
queries of different excluded items would each need a call of their own.
"""
_CANDIDATES_PER_STEP = 256


@dataclass(slots=True)
class CandidateRetriever:
    """Finds the nearest items to encoded queries: by vectors alone, or by vectors and words (``hybrid``)."""

    vectors: VectorStore
    metadata: MetadataStore
    index: Index
    rows: int
    segmented: bool
    hybrid: bool
    match: SegmentMatch

    def retrieve_candidates(self, queries: Sequence[EncodedQuery], limit: int, filter: str) -> list[list[Candidate]]:
        """For each query its nearest items, at most ``limit``, each as the candidate of its nearest segment.

        A query of several segments ranks items by the mean of the best match of each (``match: mean``) or by the best
        match of any of them (``best``), and so do several binary examples. Excluded items are left out: up to 100 of
        them are fetched and dropped, which one call of Milvus does for all queries; more are left out by a filter.
        """
        if self.hybrid:
            return [self._hybrid_search(query, limit, filter) for query in queries]
        nearest: list[list[Candidate]] = [[] for _ in queries]
        few = [number for number, query in enumerate(queries) if len(query.excluded) <= _MAX_DROPPED]
        for numbers in (few, *([number] for number in range(len(queries)) if number not in few)):
            ids = self._list_row_ids(queries[numbers[0]].excluded) if numbers is not few else ()
            found = self._search_until_complete([queries[number] for number in numbers], limit, filter, ids)
            for number, candidates in zip(numbers, found, strict=True):
                nearest[number] = candidates
        return nearest

    def _search_until_complete(
        self, queries: Sequence[EncodedQuery], limit: int, filter: str, excluded_ids: Sequence[int]
    ) -> list[list[Candidate]]:
        """Search for more segments as long as an item that was not found may be among the nearest."""
        nearest: list[list[Candidate]] = [[] for _ in queries]
        pending = list(range(len(queries)))
        dropped = 0 if excluded_ids else max((len(query.excluded) for query in queries), default=0)
        fetch = min(MAX_LIMIT, limit * self._segments_per_item + dropped)
        while pending:
            flat = [vector for number in pending for vector in queries[number].vectors]
            found = iter(self._vector_search(flat, fetch, filter, excluded_ids))
            incomplete = []
            for number in pending:
                query = queries[number]
                lists = [next(found) for _ in query.vectors]
                candidates = self._best_per_item(lists, query.excluded)
                if query.unliked:
                    candidates = self._leave_out_unliked(query, candidates, limit)
                is_complete = self._is_complete(query, candidates, lists, fetch, limit)
                if not is_complete and fetch < MAX_LIMIT:
                    incomplete.append(number)
                elif not is_complete and not excluded_ids and (ids := self._list_row_ids(query.excluded)):
                    # The excluded items may take all the places that a call of Milvus has.
                    (nearest[number],) = self._search_until_complete([query], limit, filter, ids)
                elif self._ranks_by_mean(query):
                    nearest[number] = self._rank_by_mean_match(query, lists, limit)
                else:
                    nearest[number] = candidates
            pending, fetch = incomplete, min(MAX_LIMIT, fetch * 4)
        return [candidates[:limit] for candidates in nearest]

    def search_vectors(self, vectors: Sequence[Any], limit: int, filter: str = "") -> list[list[Candidate]]:
        """The nearest segments of vectors in stored form, as the index finds them."""
        return self._vector_search(vectors, limit, filter)

    def _ranks_by_mean(self, query: EncodedQuery) -> bool:
        return self.match == "mean" and len(query.vectors) > 1 and not query.matches_any

    def _is_complete(
        self,
        query: EncodedQuery,
        candidates: Sequence[Candidate],
        lists: Sequence[Sequence[Candidate]],
        fetch: int,
        limit: int,
    ) -> bool:
        """Whether more segments cannot change the nearest items, or need not: a mean has bounds of its own."""
        cut = [part[-1] for part in lists if len(part) >= fetch]
        if not cut or len(candidates) < limit:
            return not cut
        return not query.matches_any or all(
            self._to_distance(candidates[limit - 1]) <= self._to_distance(last) for last in cut
        )

    def _to_distance(self, candidate: Candidate) -> float:
        return to_distance_and_similarity(candidate.distance, self.index.metric)[0]

    def _list_row_ids(self, keys: Iterable[str]) -> list[int]:
        """The ids of all segments of these items, as far as they are indexed."""
        keys = sorted(keys)
        if not self.segmented:
            return [item_id(key) for key in keys]  # one that is not indexed is not found either
        entries = zip(keys, self.metadata.ledger_entries([item_id(key) for key in keys]), strict=True)
        return [
            item_id(key, number)
            for key, entry in entries
            if entry is not None and entry.matches_key(key)
            for number in range(entry.segments)
        ]

    def _leave_out_unliked(self, query: EncodedQuery, candidates: Sequence[Candidate], limit: int) -> list[Candidate]:
        """At least ``limit`` candidates, if there are so many, that are as near to a liked example as to any other."""
        liked, unliked = (
            BestMatchComputer(self.vectors, self.metadata, self.index.metric, examples)
            for examples in (query.vectors, query.unliked)
        )
        kept: list[Candidate] = []
        for part in iter_slices(candidates, _CANDIDATES_PER_STEP):
            keys = [candidate.item for candidate in part]
            near, far = liked.compute_best_matches(keys), unliked.compute_best_matches(keys)
            kept += [one for one in part if one.item in near and min(near[one.item]) <= min(far[one.item])]
            if len(kept) >= limit:
                break
        return kept

    @property
    def _segments_per_item(self) -> int:
        return _OVERFETCH if self.segmented else 1

    def _vector_search(
        self, vectors: Sequence[Any], limit: int, filter: str, excluded_ids: Sequence[int] = ()
    ) -> list[list[Candidate]]:
        def search(
            queries: Sequence[Any], limit: int, filter: str, popcount: int | None = None
        ) -> list[list[Candidate]]:
            return self.vectors.search(
                queries, self.index, limit, filter, rows=self.rows, popcount=popcount, excluded_ids=excluded_ids
            )

        if self.vectors.uses_sparse_bits:
            return tanimoto.search_exact(search, vectors, limit, filter)
        return search(vectors, limit, filter)

    def _rank_by_mean_match(
        self, query: EncodedQuery, lists: Sequence[Sequence[Candidate]], limit: int
    ) -> list[Candidate]:
        lists = [[candidate for candidate in part if candidate.item not in query.excluded] for part in lists]
        computer = BestMatchComputer(self.vectors, self.metadata, self.index.metric, query.vectors)
        ranked = rank_by_mean_match(lists, limit, self.index.metric, computer.compute_best_matches)
        return [candidate for candidate in ranked if self.index.metric != "JACCARD" or candidate.distance < 1.0]

    def _best_per_item(self, lists: Sequence[Sequence[Candidate]], excluded: Set[str]) -> list[Candidate]:
        """One candidate for each item, its nearest segment; nearest item first."""
        metric = self.index.metric
        best: dict[str, Candidate] = {}
        for candidate in sorted(
            (candidate for part in lists for candidate in part),
            key=lambda candidate: (self._to_distance(candidate), candidate.item, candidate.segment),
        ):
            if candidate.item not in excluded and (metric != "JACCARD" or candidate.distance < 1.0):
                best.setdefault(candidate.item, candidate)
        return list(best.values())

    def _hybrid_search(self, query: EncodedQuery, limit: int, filter: str) -> list[Candidate]:
        """Vector and word search fused by the engine; each candidate then gets its own distance, not its fused score.

        Only the first segment of the query is searched for.
        """
        ids = self._list_row_ids(query.excluded) if len(query.excluded) > _MAX_DROPPED else ()
        fetch = limit * self._segments_per_item + (0 if ids else max(1, len(query.excluded)))
        if not query.text or not query.vectors:
            return self._best_per_item(self._vector_search(query.vectors, fetch, filter, ids), query.excluded)[:limit]
        found = self.vectors.hybrid_search(
            query.vectors[0], query.text, self.index, min(fetch, MAX_LIMIT), filter, excluded_ids=ids
        )
        segments = [item_id(candidate.item, candidate.segment) for candidate in found]
        stored = self.vectors.fetch_vectors(segments)
        best: dict[str, Candidate] = {}
        for candidate, id_ in zip(found, segments, strict=True):
            if id_ in stored and candidate.item not in query.excluded:
                distances = compute_milvus_distances(query.vectors[:1], [stored[id_]], self.index.metric)
                best.setdefault(candidate.item, replace(candidate, distance=float(distances[0, 0])))
        return list(best.values())[:limit]
