"""Search pipeline: query -> decode -> encode -> Milvus -> group by item -> rerank -> metadata -> hits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from vicinal.errors import ItemError, PluginError, VicinalError
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.foreign_calls import attribute_errors
from vicinal.plugin.item_filter import ItemFilter
from vicinal.plugin.registry import Registry
from vicinal.plugin.reranker import Reranker
from vicinal.search.candidates import CandidateRetriever
from vicinal.search.diversity import Diversifier, count_diversity_candidates
from vicinal.search.examples import EncodedQuery
from vicinal.search.item_filters import CandidateFilter
from vicinal.search.query_encoder import QueryEncoder, name_query
from vicinal.search.request_check import find_request_error
from vicinal.search.similarity import reaches_similarity, to_distance_and_similarity
from vicinal.search.timer import Timer
from vicinal.stores.milvus import MAX_LIMIT, Candidate, VectorStore
from vicinal.stores.milvus_engine import Index
from vicinal.stores.records import Record
from vicinal.stores.redis import MetadataStore
from vicinal.toolkit.text import describe_kind
from vicinal.types import Hit, SearchRequest, SearchResult, SegmentMatch, item_id

if TYPE_CHECKING:
    from vicinal.plugin.observers import Observers

__all__ = ["Searcher", "report_search"]


@dataclass(slots=True)
class Searcher:
    """Answers queries of one solution."""

    encoder: Encoder
    vectors: VectorStore
    metadata: MetadataStore
    index: Index
    rows: int
    observers: Observers
    hybrid: bool = False
    match: SegmentMatch = "mean"
    reranker: Reranker | None = None
    encoder_lock: AbstractContextManager[Any] = field(default_factory=nullcontext)
    """Held during ``encode``: a lock, unless several threads may call it at once."""
    item_filters: Registry[ItemFilter] | None = None
    _query_encoder: QueryEncoder = field(init=False)
    _retriever: CandidateRetriever = field(init=False)
    _diversifier: Diversifier = field(init=False)

    def __post_init__(self) -> None:
        self._query_encoder = QueryEncoder(
            self.encoder, self.vectors, self.metadata, self.index.metric, self.hybrid, self.encoder_lock
        )
        self._retriever = CandidateRetriever(
            self.vectors, self.metadata, self.index, self.rows, self.encoder.segmented, self.hybrid, self.match
        )
        self._diversifier = Diversifier(self.encoder, self.vectors, self.index.metric)

    def search(self, requests: Sequence[SearchRequest], timer: Timer | None = None) -> list[SearchResult]:
        """The best items for each request.

        Raises:
            ItemError: a query or an example cannot be read; the message names it.
            UnknownItemError: one that is ``@key`` names an item that is not indexed.
            FilterError: Milvus cannot read the filter, or an item filter its pattern.
            VicinalError: there is nothing to search for, or a number is out of range.
        """
        results: list[SearchResult] = []
        for request, result in zip(requests, self.search_many(requests, timer=timer), strict=True):
            if isinstance(result, ItemError) and not result.argument:
                raise name_query(result, request.query or "")
            if isinstance(result, Exception):
                raise result
            results.append(result)
        return results

    def search_many(
        self,
        requests: Sequence[SearchRequest],
        on_encoded: Callable[[], object] = bool,
        timer: Timer | None = None,
        *,
        notify: bool = True,
    ) -> list[SearchResult | Exception]:
        """Answer the queries of several users: one encoded batch, and one search for those of equal limit and filters.

        The error of a query that fails stands in its place, and the others are answered. ``on_encoded`` is called once
        the encoder is free for others. Observers are notified of the search unless ``notify`` is false.
        """
        timer = timer or Timer()
        queries = self._query_encoder.encode_requests(requests, timer)
        queries = [
            query if isinstance(query, Exception) else find_request_error(request, self.index.metric) or query
            for request, query in zip(requests, queries, strict=True)
        ]
        on_encoded()
        results: list[list[Hit] | Exception] = [query if isinstance(query, Exception) else [] for query in queries]
        for numbers in _group_requests(requests, queries):
            group = [requests[number] for number in numbers]
            try:
                answers = self._search_group(group, [queries[number] for number in numbers], timer)
            except VicinalError as error:
                answers = [error] * len(numbers)
            for number, hits in zip(numbers, answers, strict=True):
                results[number] = hits
        timings = timer.to_timings()
        found = [result if isinstance(result, Exception) else SearchResult(result, timings) for result in results]
        if notify:
            report_search(self.observers, self.metadata.name, found)
        return found

    def search_vectors(self, vectors: Sequence[Any], limit: int, filter: str = "") -> list[list[Candidate]]:
        """The nearest segments of vectors in stored form, as the index finds them."""
        return self._retriever.search_vectors(vectors, limit, filter)

    def encode_queries(self, queries: Sequence[str]) -> list[list[Any] | Exception]:
        """The vectors of each query, or the error of one that cannot be read."""
        encoded = self._query_encoder.encode_requests([SearchRequest(query) for query in queries], Timer())
        return [query if isinstance(query, Exception) else query.vectors for query in encoded]

    def _search_group(
        self, requests: Sequence[SearchRequest], queries: Sequence[Any], timer: Timer
    ) -> Sequence[list[Hit] | Exception]:
        """Search for requests that are equal but for their queries and examples."""
        first = requests[0]
        passing = CandidateFilter.build(first.item_filters, self.item_filters, self.encoder)
        fetch = first.limit * (_count_candidates(self.reranker) if self.reranker else 1)
        if first.diversity:
            fetch = max(fetch, count_diversity_candidates(first.limit))
        results = self._find_hits(queries, min(fetch, MAX_LIMIT), first, passing, timer)
        if self.reranker:
            results = [_rerank(self.reranker, request, hits) for request, hits in zip(requests, results, strict=True)]
            timer.end_step("rerank")
        if first.diversity:
            results = [self._diversifier.select(hits, first.limit, first.diversity) for hits in results]
            timer.end_step("diversify")
        return [hits[: first.limit] for hits in results]

    def _find_hits(
        self,
        queries: Sequence[EncodedQuery],
        limit: int,
        request: SearchRequest,
        passing: CandidateFilter,
        timer: Timer,
    ) -> list[list[Hit]]:
        """Find the nearest items that have a record and pass, and search further where others took their places.

        A row lacks its record where its item is just being deleted, or where Redis lost its data.
        """
        fetch = min(4 * limit, MAX_LIMIT) if passing else limit
        while True:
            candidates = self._retriever.retrieve_candidates(queries, fetch, request.filter)
            timer.end_step("search")
            results = self._to_hits(candidates, passing, request.min_similarity)
            timer.end_step("metadata")
            is_short = any(
                len(hits) < limit and len(found) == fetch and not self._ends_below(found, request.min_similarity)
                for hits, found in zip(results, candidates, strict=True)
            )
            if not is_short or fetch == MAX_LIMIT:
                return [hits[:limit] for hits in results]
            fetch = min(4 * fetch, MAX_LIMIT)

    def _ends_below(self, candidates: Sequence[Candidate], min_similarity: float | None) -> bool:
        """Whether no further candidate reaches the similarity.

        They fall in similarity; not so where words are searched too, of which the second half has to tell.
        """
        if min_similarity is None:
            return False
        tail = candidates[len(candidates) // 2 :] if self.hybrid else candidates[-1:]
        return not any(self._is_similar(candidate, min_similarity) for candidate in tail)

    def _is_similar(self, candidate: Candidate, least: float) -> bool:
        metric = self.index.metric
        return reaches_similarity(to_distance_and_similarity(candidate.distance, metric)[1], least, metric)

    def _to_hits(
        self, results: Sequence[Sequence[Candidate]], passing: CandidateFilter, min_similarity: float | None
    ) -> list[list[Hit]]:
        """The hits of the candidates that pass, without items that were deleted since Milvus found them."""
        if min_similarity is not None:
            results = [[one for one in found if self._is_similar(one, min_similarity)] for found in results]
        ids = {candidate.item: item_id(candidate.item) for candidates in results for candidate in candidates}
        records = dict(zip(ids, self.metadata.records(list(ids.values())), strict=True))
        found = [
            [
                (candidate, record)
                for candidate in candidates
                if (record := records[candidate.item]) is not None and passing.accept(record)
            ]
            for candidates in results
        ]
        return [
            [self._to_hit(candidate, record, rank) for rank, (candidate, record) in enumerate(pairs, 1)]
            for pairs in found
        ]

    def _to_hit(self, candidate: Candidate, record: Record, rank: int) -> Hit:
        distance, similarity = to_distance_and_similarity(candidate.distance, self.index.metric)
        segment: dict[str, Any] | None = None
        if self.encoder.labelled:
            segment = {"number": candidate.segment, "label": candidate.label, "excerpt": candidate.excerpt}
        elif self.encoder.segmented:
            segment = {"number": candidate.segment, "start": candidate.start, "end": candidate.end}
        return Hit(candidate.item, rank, distance, similarity, record.uri, record.metadata, record.content, segment)


def report_search(observers: Observers, solution: str, results: Sequence[SearchResult | Exception]) -> None:
    """Notify observers of queries that were searched together, without those that failed."""
    answered = [result for result in results if isinstance(result, SearchResult)]
    if answered:
        timings_ms = answered[0].timings_ms
        observers.search_finished(
            solution=solution,
            queries=len(answered),
            hits=sum(len(result.hits) for result in answered),
            milliseconds=timings_ms["total"],
            timings_ms=timings_ms,
        )


def _group_requests(requests: Sequence[SearchRequest], queries: Sequence[EncodedQuery | Exception]) -> list[list[int]]:
    """The numbers of the requests that are equal but for their queries and examples, without those that failed."""
    groups: dict[Any, list[int]] = {}
    for number, (request, query) in enumerate(zip(requests, queries, strict=True)):
        if not isinstance(query, Exception):
            patterns = tuple(sorted(request.item_filters.items()))
            key = (request.limit, request.filter, patterns, request.min_similarity, request.diversity)
            groups.setdefault(key, []).append(number)
    return list(groups.values())


def _count_candidates(reranker: Reranker) -> int:
    """How many hits a reranker wants for each one that is asked for.

    Raises:
        PluginError: it does not say a number.
    """
    if not isinstance(count := reranker.candidates, int) or count < 1:
        raise PluginError(f"reranker {type(reranker).__name__}: candidates is {count!r}, not a number of 1 or more")
    return count


def _rerank(reranker: Reranker, request: SearchRequest, hits: list[Hit]) -> list[Hit]:
    """The hits in the reranker's order, with new ranks; as they are where there is no query to be relevant to.

    Raises:
        PluginError: it returned something else than hits that it was given, each at most once.
    """
    if request.query is None:
        return hits
    given = {hit.key for hit in hits}
    with attribute_errors(f"reranker {type(reranker).__name__}", "rerank"):
        reordered = reranker.rerank(request.query, hits)
    if not isinstance(reordered, Sequence) or not all(isinstance(hit, Hit) for hit in reordered):
        raise PluginError(f"reranker {type(reranker).__name__} returned {describe_kind(reordered)}, not a list of Hit")
    keys = [hit.key for hit in reordered]
    if not given.issuperset(keys) or len(set(keys)) < len(keys):
        raise PluginError(f"reranker {type(reranker).__name__} returned a hit that it was not given, or one twice")
    return [replace(hit, rank=rank) for rank, hit in enumerate(reordered, 1)]
