"""The way out: query -> decode -> encode -> Milvus -> group by item -> rerank -> metadata -> hits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicinal.errors import ItemError, UnknownItemError, VicinalError
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.reranker import Reranker
from vicinal.stores import tanimoto
from vicinal.stores.milvus import MAX_LIMIT, Candidate, VectorStore
from vicinal.stores.milvus_engine import Index
from vicinal.stores.redis import MetadataStore
from vicinal.types import Hit, Metric, SearchRequest, SearchResult, Segment, item_id

if TYPE_CHECKING:
    from pluggy import HookRelay

__all__ = ["Searcher", "similarity"]

_QUERY_SEGMENTS = 64


@dataclass(slots=True)
class EncodedQuery:
    """What one query asks for: its vectors, its words, and the item that it is itself."""

    vectors: list[Any]
    text: str | None = None
    exclude_key: str | None = None


@dataclass(slots=True)
class Timer:
    """Adds up the milliseconds of the steps of a search."""

    steps: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)
    _last: float = field(default_factory=time.perf_counter)

    def step(self, name: str) -> None:
        now = time.perf_counter()
        self.steps[name] = self.steps.get(name, 0.0) + (now - self._last) * 1000
        self._last = now

    def finish(self) -> dict[str, float]:
        total = (time.perf_counter() - self.started) * 1000
        return {name: self.steps.get(name, 0.0) for name in ("decode", "encode", "search", "metadata")} | {
            "total": total
        }


def similarity(distance: float, metric: Metric) -> tuple[float, float]:
    """Distance and similarity of what Milvus calls distance.

    The distance grows with farness: 1 - cosine, 1 - Tanimoto, the squared Euclidean distance, minus the inner product.
    """
    if metric == "L2":
        return distance, 1.0 / (1.0 + max(distance, 0.0))
    if metric == "JACCARD":
        return distance, 1.0 - distance
    if metric == "COSINE":
        return 1.0 - min(distance, 1.0), min(distance, 1.0)
    return -distance, distance


@dataclass(slots=True)
class Searcher:
    """Answers queries of one solution."""

    encoder: Encoder
    vectors: VectorStore
    metadata: MetadataStore
    index: Index
    rows: int
    hook: HookRelay
    hybrid: bool = False
    reranker: Reranker | None = None
    encoder_lock: AbstractContextManager[Any] = field(default_factory=nullcontext)
    """Held while the encoder works: a lock, unless it may be called by several threads at once."""

    def run(self, queries: Sequence[str | Path], limit: int = 10, filter: str = "") -> list[SearchResult]:
        """The best ``limit`` items for each query.

        Raises:
            ItemError: a query cannot be read.
            UnknownItemError: a query ``@key`` names an item that is not indexed.
            FilterError: Milvus cannot read the filter.
        """
        found: list[SearchResult] = []
        for answer in self.search_many([SearchRequest(query, limit, filter) for query in queries]):
            if isinstance(answer, Exception):
                raise answer
            found.append(answer)
        return found

    def search_many(
        self, asks: Sequence[SearchRequest], encoded: Callable[[], object] = bool
    ) -> list[SearchResult | Exception]:
        """The answers to several users' queries, encoded in one batch and searched in one call for those alike.

        Where one fails, its error stands in its place, and the others are answered. ``encoded`` is called once the
        encoder is free for others.
        """
        timer = Timer()
        prepared = self._prepare(asks, timer)
        encoded()
        answers: list[list[Hit] | Exception] = [one if isinstance(one, Exception) else [] for one in prepared]
        for (limit, filter), numbers in _alike(asks, prepared).items():
            try:
                found = self._search_group(
                    [asks[n] for n in numbers], [prepared[n] for n in numbers], limit, filter, timer
                )
            except VicinalError as error:
                found = [error] * len(numbers)
            for number, hits in zip(numbers, found, strict=True):
                answers[number] = hits
        timings = timer.finish()
        if asks:
            self.hook.search_finished(
                solution=self.metadata.name,
                queries=len(asks),
                hits=sum(len(answer) for answer in answers if not isinstance(answer, Exception)),
                milliseconds=timings["total"],
            )
        return [answer if isinstance(answer, Exception) else SearchResult(answer, timings) for answer in answers]

    def _search_group(
        self, asks: Sequence[SearchRequest], queries: Sequence[Any], limit: int, filter: str, timer: Timer
    ) -> Sequence[list[Hit] | Exception]:
        wanted = min(limit * self.reranker.candidates, MAX_LIMIT) if self.reranker else limit
        candidates = self._candidates(queries, wanted, filter)
        timer.step("search")
        answers = self._hits(candidates)
        timer.step("metadata")
        if self.reranker:
            pairs = zip(asks, answers, strict=True)
            answers = [_ranked(self.reranker.rerank(ask.query, hits)) for ask, hits in pairs]
            timer.step("rerank")
        return [hits[:limit] for hits in answers]

    # --- what is asked

    def _prepare(self, asks: Sequence[SearchRequest], timer: Timer) -> list[EncodedQuery | Exception]:
        prepared: list[EncodedQuery | Exception] = []
        samples: dict[int, list[Any]] = {}
        for number, ask in enumerate(asks):
            try:
                query, segments = self._decode_request(ask)
                samples[number] = [segment.sample for segment in segments]
                prepared.append(query)
            except VicinalError as error:
                prepared.append(error)
        timer.step("decode")
        for number, vectors in self._encode_queries({n: part for n, part in samples.items() if part}).items():
            if isinstance(vectors, Exception):
                prepared[number] = vectors
            elif isinstance(asked := prepared[number], EncodedQuery):
                asked.vectors = vectors
        timer.step("encode")
        return prepared

    def _decode_request(self, ask: SearchRequest) -> tuple[EncodedQuery, Sequence[Segment]]:
        """A query, and its segments that have to be encoded: none where it is an indexed item."""
        query = ask.query
        if isinstance(query, str) and query.startswith("@") and ask.segments is None:
            return self._load_indexed(query[1:]), ()
        text = query[1:] if isinstance(query, str) and query.startswith("\\@") else query
        segments = ask.segments if ask.segments is not None else self.encoder.decode_query(text)
        if not segments:
            raise ItemError(f"nothing to search with in {query!r}")
        return EncodedQuery([], str(text) if self.encoder.samples_are_text else None), segments[:_QUERY_SEGMENTS]

    def _encode_queries(self, samples: dict[int, list[Any]]) -> dict[int, list[Any] | Exception]:
        """The vectors of each query; if the batch fails, query by query, so that one that spoils it fails alone."""
        if not samples:
            return {}
        try:
            with self.encoder_lock:
                vectors = iter(
                    self._to_query_vectors(self.encoder.encode([one for part in samples.values() for one in part]))
                )
            return {number: [next(vectors) for _ in part] for number, part in samples.items()}
        except Exception as error:
            if len(samples) == 1:
                return dict.fromkeys(samples, error)
        found: dict[int, list[Any] | Exception] = {}
        for number, part in samples.items():
            found |= self._encode_queries({number: part})
        return found

    def _to_query_vectors(self, vectors: Any) -> list[Any]:
        """Encoded vectors in the form that a search takes."""
        if self.encoder.space.kind == "float":
            return list(vectors)
        return [row["vector"] for row in self.vectors.vector_columns(vectors)]

    def _load_indexed(self, key: str) -> EncodedQuery:
        entry = self.metadata.ledger_entries([item_id(key)])[0]
        if entry is None or not entry.matches_key(key):
            raise UnknownItemError(
                f"no item has the key {key!r}", hint="write a text that begins with @ as \\@…; keys are case-sensitive"
            )
        ids = [item_id(key, number) for number in range(min(entry.segments, _QUERY_SEGMENTS))]
        record = self.metadata.records([item_id(key)])[0] if self.hybrid else None
        return EncodedQuery(
            list(self.vectors.fetch_vectors(ids).values()), record.content if record else None, exclude_key=key
        )

    # --- what is near

    def _candidates(self, queries: Sequence[EncodedQuery], limit: int, filter: str) -> list[list[Candidate]]:
        if self.hybrid:
            return [self._hybrid_search(query, limit, filter) for query in queries]
        answers: list[list[Candidate]] = [[] for _ in queries]
        waiting = list(range(len(queries)))
        fetch = min(
            MAX_LIMIT, limit * (4 if self.encoder.segmented else 1) + any(query.exclude_key for query in queries)
        )
        while waiting:
            flat = [vector for number in waiting for vector in queries[number].vectors]
            found = iter(self._vector_search(flat, fetch, filter))
            again = []
            for number in waiting:
                lists = [next(found) for _ in queries[number].vectors]
                answers[number] = self._best_per_item(lists, queries[number].exclude_key)
                if len(answers[number]) < limit and any(len(part) >= fetch for part in lists) and fetch < MAX_LIMIT:
                    again.append(number)
            waiting, fetch = again, min(MAX_LIMIT, fetch * 4)
        return [answer[:limit] for answer in answers]

    def _vector_search(self, vectors: Sequence[Any], limit: int, filter: str) -> list[list[Candidate]]:
        def search(
            queries: Sequence[Any], limit: int, filter: str, popcount: int | None = None
        ) -> list[list[Candidate]]:
            return self.vectors.search(queries, self.index, limit, filter, rows=self.rows, popcount=popcount)

        if self.vectors.uses_sparse_bits:
            return tanimoto.search_exact(search, vectors, limit, filter)
        return search(vectors, limit, filter)

    def _best_per_item(self, lists: Sequence[Sequence[Candidate]], itself: str | None) -> list[Candidate]:
        """One candidate an item, its nearest segment, nearest item first."""
        metric = self.index.metric
        best: dict[str, Candidate] = {}
        for candidate in sorted(
            (candidate for part in lists for candidate in part),
            key=lambda candidate: (similarity(candidate.distance, metric)[0], candidate.item, candidate.segment),
        ):
            if candidate.item != itself and (metric != "JACCARD" or candidate.distance < 1.0):
                best.setdefault(candidate.item, candidate)
        return list(best.values())

    def _hybrid_search(self, query: EncodedQuery, limit: int, filter: str) -> list[Candidate]:
        """Vectors and words joined by the engine; each candidate then gets its own distance, not its fused score."""
        fetch = limit * (4 if self.encoder.segmented else 1) + 1
        if not query.text or not query.vectors:
            return self._best_per_item(self._vector_search(query.vectors, fetch, filter), query.exclude_key)[:limit]
        found = self.vectors.hybrid_search(query.vectors[0], query.text, self.index, min(fetch, MAX_LIMIT), filter)
        ids = [item_id(candidate.item, candidate.segment) for candidate in found]
        stored = self.vectors.fetch_vectors(ids)
        exact = [
            replace(candidate, distance=_measure(query.vectors[0], stored[id_], self.index.metric))
            for candidate, id_ in zip(found, ids, strict=True)
            if id_ in stored and candidate.item != query.exclude_key
        ]
        items: dict[str, Candidate] = {}
        for candidate in exact:
            items.setdefault(candidate.item, candidate)
        return list(items.values())[:limit]

    # --- what is found

    def _hits(self, answers: Sequence[Sequence[Candidate]]) -> list[list[Hit]]:
        ids = {candidate.item: item_id(candidate.item) for answer in answers for candidate in answer}
        records = dict(zip(ids, self.metadata.records(list(ids.values())), strict=True))
        return [
            [self._hit(candidate, records[candidate.item], rank) for rank, candidate in enumerate(answer, 1)]
            for answer in answers
        ]

    def _hit(self, candidate: Candidate, record: Any, rank: int) -> Hit:
        distance, near = similarity(candidate.distance, self.index.metric)
        segment = None
        if self.encoder.segmented:
            segment = {"number": candidate.segment, "start": candidate.start, "end": candidate.end}
        uri, metadata, content = (record.uri, record.metadata, record.content) if record else ("", {}, None)
        return Hit(candidate.item, rank, distance, near, uri, metadata, content, segment)


def _alike(
    asks: Sequence[SearchRequest], prepared: Sequence[EncodedQuery | Exception]
) -> dict[tuple[int, str], list[int]]:
    """The numbers of the queries that have the same limit and filter, without those that failed."""
    groups: dict[tuple[int, str], list[int]] = {}
    for number, (ask, query) in enumerate(zip(asks, prepared, strict=True)):
        if not isinstance(query, Exception):
            groups.setdefault((ask.limit, ask.filter), []).append(number)
    return groups


def _ranked(hits: Sequence[Hit]) -> list[Hit]:
    return [replace(hit, rank=rank) for rank, hit in enumerate(hits, 1)]


def _measure(query: Any, stored: Any, metric: Metric) -> float:
    """What Milvus would call the distance of two float vectors."""
    import numpy as np

    a, b = np.asarray(query, np.float32), np.asarray(stored, np.float32)
    if metric == "L2":
        return float(((a - b) ** 2).sum())
    product = float(a @ b)
    return product if metric == "IP" else product / float(np.linalg.norm(a) * np.linalg.norm(b))
