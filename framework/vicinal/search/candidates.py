"""Retrieves the candidates of queries from Milvus and groups them by item, nearest item first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from vicinal.search.mean_match import BestMatchComputer, rank_by_mean_match
from vicinal.search.query_encoder import EncodedQuery
from vicinal.search.similarity import compute_milvus_distances, to_distance_and_similarity
from vicinal.stores import tanimoto
from vicinal.stores.milvus import MAX_LIMIT, Candidate, VectorStore
from vicinal.stores.milvus_engine import Index
from vicinal.stores.redis import MetadataStore
from vicinal.types import SegmentMatch, item_id

__all__ = ["CandidateRetriever"]

_OVERFETCH = 4
"""How many segments are fetched for each item that is wanted, where items have several."""


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
        match of any of them (``best``).
        """
        if self.hybrid:
            return [self._hybrid_search(query, limit, filter) for query in queries]
        nearest: list[list[Candidate]] = [[] for _ in queries]
        pending = list(range(len(queries)))
        fetch = min(MAX_LIMIT, limit * self._segments_per_item + any(query.exclude_key for query in queries))
        while pending:
            flat = [vector for number in pending for vector in queries[number].vectors]
            found = iter(self._vector_search(flat, fetch, filter))
            incomplete = []
            for number in pending:
                lists = [next(found) for _ in queries[number].vectors]
                candidates = self._best_per_item(lists, queries[number].exclude_key)
                if len(candidates) < limit and any(len(part) >= fetch for part in lists) and fetch < MAX_LIMIT:
                    incomplete.append(number)
                elif self.match == "mean" and len(lists) > 1:
                    candidates = self._rank_by_mean_match(queries[number], lists, limit)
                nearest[number] = candidates
            pending, fetch = incomplete, min(MAX_LIMIT, fetch * 4)
        return [candidates[:limit] for candidates in nearest]

    def search_vectors(self, vectors: Sequence[Any], limit: int) -> list[list[Candidate]]:
        """The nearest segments of vectors in stored form, as the index finds them."""
        return self._vector_search(vectors, limit, "")

    @property
    def _segments_per_item(self) -> int:
        return _OVERFETCH if self.segmented else 1

    def _vector_search(self, vectors: Sequence[Any], limit: int, filter: str) -> list[list[Candidate]]:
        def search(
            queries: Sequence[Any], limit: int, filter: str, popcount: int | None = None
        ) -> list[list[Candidate]]:
            return self.vectors.search(queries, self.index, limit, filter, rows=self.rows, popcount=popcount)

        if self.vectors.uses_sparse_bits:
            return tanimoto.search_exact(search, vectors, limit, filter)
        return search(vectors, limit, filter)

    def _rank_by_mean_match(
        self, query: EncodedQuery, lists: Sequence[Sequence[Candidate]], limit: int
    ) -> list[Candidate]:
        lists = [[candidate for candidate in part if candidate.item != query.exclude_key] for part in lists]
        computer = BestMatchComputer(self.vectors, self.metadata, self.index.metric, query.vectors)
        ranked = rank_by_mean_match(lists, limit, self.index.metric, computer.compute_best_matches)
        return [candidate for candidate in ranked if self.index.metric != "JACCARD" or candidate.distance < 1.0]

    def _best_per_item(self, lists: Sequence[Sequence[Candidate]], exclude_key: str | None) -> list[Candidate]:
        """One candidate for each item, its nearest segment; nearest item first."""
        metric = self.index.metric
        best: dict[str, Candidate] = {}
        for candidate in sorted(
            (candidate for part in lists for candidate in part),
            key=lambda candidate: (
                to_distance_and_similarity(candidate.distance, metric)[0],
                candidate.item,
                candidate.segment,
            ),
        ):
            if candidate.item != exclude_key and (metric != "JACCARD" or candidate.distance < 1.0):
                best.setdefault(candidate.item, candidate)
        return list(best.values())

    def _hybrid_search(self, query: EncodedQuery, limit: int, filter: str) -> list[Candidate]:
        """Vector and word search fused by the engine; each candidate then gets its own distance, not its fused score.

        Only the first segment of the query is searched for.
        """
        fetch = limit * self._segments_per_item + 1
        if not query.text or not query.vectors:
            return self._best_per_item(self._vector_search(query.vectors, fetch, filter), query.exclude_key)[:limit]
        found = self.vectors.hybrid_search(query.vectors[0], query.text, self.index, min(fetch, MAX_LIMIT), filter)
        ids = [item_id(candidate.item, candidate.segment) for candidate in found]
        stored = self.vectors.fetch_vectors(ids)
        best: dict[str, Candidate] = {}
        for candidate, id_ in zip(found, ids, strict=True):
            if id_ in stored and candidate.item != query.exclude_key:
                distances = compute_milvus_distances(query.vectors[:1], [stored[id_]], self.index.metric)
                best.setdefault(candidate.item, replace(candidate, distance=float(distances[0, 0])))
        return list(best.values())[:limit]
