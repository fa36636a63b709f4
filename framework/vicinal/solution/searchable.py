"""What of a solution is searched: a ``Searcher`` that threads share, rebuilt after the collection has changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self, overload

import numpy as np

from vicinal.config import SolutionConfig
from vicinal.errors import NothingIndexedError, StoreError, StoreUnreachableError
from vicinal.ingest.run import IngestRun
from vicinal.plugin.encoder_calls import suggest_queries
from vicinal.plugin.manager import Manager
from vicinal.search.request_check import Query, require_limit, split_queries, to_examples, to_query
from vicinal.search.searcher import Searcher
from vicinal.search.timer import Timer
from vicinal.solution.cached import InvalidatableCache
from vicinal.solution.collection import CollectionManager
from vicinal.solution.following import FollowingComponents
from vicinal.solution.learning import restore_state
from vicinal.solution.result_html import build_result_html
from vicinal.stores.milvus import Candidate
from vicinal.types import Hit, Item, Rendering, SearchRequest, SearchResult, path_from_file_uri

__all__ = ["SearchableSolution"]


class SearchableSolution(FollowingComponents):
    """A solution that is searched, while a run of it may write."""

    def __init__(
        self, config: SolutionConfig, manager: Manager | None = None, folder: str | Path | None = None
    ) -> None:
        """``folder`` is that of the solution's YAML file; by default the current one."""
        super().__init__(config, manager, folder)
        self._searcher = InvalidatableCache(self._open_searcher, self._open_lock)
        self._active_run: IngestRun | None = None

    def open(self) -> Self:
        """Connect to both stores now, one thread at a time.

        Raises:
            StoreUnreachableError: one of them does not respond.
        """
        with self._open_lock:
            _ = self.encoder, self.metadata, self.vectors, self._collection
        return self

    def close(self) -> None:
        """Disconnect from both stores; they are connected again on next use."""
        self.refresh()
        self.__dict__.pop("_collection", None)
        super().close()

    def refresh(self) -> None:
        """Look at the collection anew before the next search, since another process may have changed it."""
        self._searcher.invalidate()

    @overload
    def search(
        self,
        query: Query | None = None,
        limit: int = 10,
        filter: str = "",
        *,
        item_filters: Mapping[str, str] | None = None,
        like: Query | Iterable[Query] | None = None,
        unlike: Query | Iterable[Query] | None = None,
        min_similarity: float | None = None,
        diversity: float = 0.0,
    ) -> SearchResult: ...
    @overload
    def search(
        self,
        query: list[str] | list[Path] | list[str | Path] | list[list[float]] | list[np.ndarray],
        limit: int = 10,
        filter: str = "",
        *,
        item_filters: Mapping[str, str] | None = None,
        like: Query | Iterable[Query] | None = None,
        unlike: Query | Iterable[Query] | None = None,
        min_similarity: float | None = None,
        diversity: float = 0.0,
    ) -> list[SearchResult]: ...
    def search(
        self,
        query: Query | Sequence[Query] | None = None,
        limit: int = 10,
        filter: str = "",
        *,
        item_filters: Mapping[str, str] | None = None,
        like: Query | Iterable[Query] | None = None,
        unlike: Query | Iterable[Query] | None = None,
        min_similarity: float | None = None,
        diversity: float = 0.0,
    ) -> SearchResult | list[SearchResult]:
        """Find the nearest items: one result for one query, a list of them for a list of queries.

        Args:
            query: what the encoder reads (a text, the path of a file, numbers where it ``reads_vectors``), or ``@key``
                of an indexed item, which finds others like it. Optional where ``like`` has an example; else it counts
                as one of the liked. An array ``(n, dimension)`` is n queries.
            limit: how many items, 1 to 16,384.
            filter: a Milvus expression over the declared fields, as ``year > 2000 and label == "cat"``.
            item_filters: patterns by the name of the item filter that checks found items, as
                ``{"substructure": "c1ccccc1"}`` for molecules; candidates are fetched until ``limit`` of them pass,
                or the 16,384 nearest are checked.
            like: examples of what is searched for, each as a query, or a single one; see ``Encoder.combine_examples``.
            unlike: examples of what is not. Of binary vectors, items that are nearer to one of these than to every
                liked one are left out.
            min_similarity: hits of a lower similarity are left out.
            diversity: 0 to 1, how much hits shall differ from each other: they are selected from the 50 nearest
                items, or five for each hit, by maximal marginal relevance; see ``vicinal.search.diversity``.

        Raises:
            ItemError: the query or an example cannot be read.
            UnknownItemError: one is ``@key`` of an item that is not indexed.
            FilterError: the filter cannot be read, or a pattern.
            VicinalError: nothing is indexed yet, there is nothing to search for, or an argument is of another
                kind or out of range.
        """
        queries, are_several = split_queries(query)
        require_limit(limit)
        reads_vectors = self.encoder.reads_vectors
        for number, one in enumerate(queries):
            if one is not None:
                argument = f"query.{number}" if are_several else "query"
                queries[number] = to_query(argument, one, reads_vectors=reads_vectors)
        examples = (
            to_examples("like", like, reads_vectors=reads_vectors),
            to_examples("unlike", unlike, reads_vectors=reads_vectors),
        )
        requests = [
            SearchRequest(one, int(limit), filter, None, item_filters or {}, *examples, min_similarity, diversity)
            for one in queries
        ]
        results = self.read(partial(self._search_requests, requests))
        for result in results:
            result.to_html = partial(build_result_html, render=self.render)
        return results if are_several else results[0]

    def _search_requests(self, requests: Sequence[SearchRequest]) -> list[SearchResult]:
        with self._searcher.borrow() as searcher:
            return searcher.search(requests)

    def search_once(
        self, requests: Sequence[SearchRequest], clock: Callable[[], float] = time.perf_counter
    ) -> tuple[list[SearchResult], dict[str, float]]:
        """Search as a process does that ends afterwards, and measure its start-up apart from the search.

        Args:
            requests: each as ``search`` takes it.
            clock: returns seconds; all timings are measured with it.

        Returns:
            The results, and the milliseconds of ``stores`` (connect, load the index) and of ``model`` (load the
            encoder's model, encode one sample), which the timings of the results leave out.
        """
        for request in requests:
            require_limit(request.limit)
        started = clock()

        def search() -> tuple[list[SearchResult], dict[str, float]]:
            with self._searcher.borrow() as searcher:
                stores_ms = (clock() - started) * 1000
                timer = Timer(clock, measures_model_load=True)
                results = searcher.search(requests, timer)
                return results, {"stores": stores_ms, "model": timer.model_ms}

        return self.read(search)

    def search_many(
        self, requests: Sequence[SearchRequest], on_encoded: Callable[[], object] = bool, *, notify: bool = True
    ) -> list[SearchResult | Exception]:
        """Answer the queries of several users: one encoded batch, and one search for those of equal limit and filters.

        The error of a query that fails stands in its place. ``on_encoded`` is called once the encoder is free for
        others. If a store refuses the search, as after another process has changed the collection, it is repeated once,
        and so is one that fails while a reindex replaces what is searched.
        Observers are notified of the search unless ``notify`` is false, as when a server loads its model.

        Raises:
            NothingIndexedError: nothing can be searched yet.
            StoreUnreachableError: a store does not respond.
        """
        generation = self.metadata.generation
        results = self.read(partial(self._search_many, requests, on_encoded, notify=notify))
        if not any(isinstance(one, Exception) and not isinstance(one, StoreUnreachableError) for one in results):
            return results
        if self.follow() == generation:
            if not any(map(_is_refused, results)):
                return results
            self.refresh()
        return self.read(partial(self._search_many, requests, notify=notify))

    def _search_many(
        self, requests: Sequence[SearchRequest], on_encoded: Callable[[], object] = bool, *, notify: bool
    ) -> list[SearchResult | Exception]:
        with self._searcher.borrow() as searcher:
            return searcher.search_many(requests, on_encoded, notify=notify)

    def suggest_queries(self, prefix: str = "", limit: int = 10) -> list[str]:
        """Texts to search with that begin with ``prefix``, where the encoder suggests any; see ``Encoder``.

        Raises:
            NothingIndexedError: nothing can be searched yet.
        """
        require_limit(limit)
        if not self.encoder.suggests_queries:
            return []

        def suggest() -> list[str]:
            with self._searcher.borrow() as searcher:  # an encoder that learns has its state once there is one
                return suggest_queries(searcher.encoder, prefix, limit)

        return self.read(suggest)

    def search_vectors(self, vectors: Sequence[Any], limit: int, filter: str = "") -> list[list[Candidate]]:
        """The nearest segments of vectors in the form in which the store holds them, as its index finds them.

        Raises:
            NothingIndexedError: nothing can be searched yet.
        """
        with self._searcher.borrow() as searcher:
            return searcher.search_vectors(vectors, limit, filter)

    def encode_queries(self, queries: Sequence[str]) -> list[list[Any] | Exception]:
        """The vectors that queries are searched with, in the form in which the store holds them.

        Returns:
            For each query its vectors, or the error of one that cannot be read.

        Raises:
            NothingIndexedError: nothing can be searched yet.
        """
        with self._searcher.borrow() as searcher:
            return searcher.encode_queries(queries)

    def fetch_rows(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """The rows with these ids, as ``VectorStore.fetch_rows``; it loads the collection, and waits for an index.

        Raises:
            NothingIndexedError: nothing can be searched yet.
        """
        with self._searcher.borrow():
            return self.vectors.fetch_rows(ids)

    def render(self, found: Hit | Item) -> Rendering:
        """How a hit or an item is shown: what its encoder makes of it; where that fails, its text.

        Of a hit in a labelled segment it is the segment's excerpt, where there is one.
        """
        if isinstance(found, Hit) and (found.segment or {}).get("excerpt"):
            return Rendering("text", str(found.excerpt))
        content = found.content if found.content is not None else path_from_file_uri(found.uri) or ""
        item = Item(found.key, content, found.uri, found.metadata)
        try:
            rendering = self.encoder.render(item)
        except (Exception, SystemExit):  # a plugin may fail in any way, and the text is still worth showing
            return Rendering("text", str(content))
        return rendering if isinstance(rendering, Rendering) else Rendering("text", str(content))

    @cached_property
    def _collection(self) -> CollectionManager:
        return CollectionManager(
            self.config, self.encoder, self.vectors, self.metadata, self._pause_searches, self.yaml
        )

    def _pause_searches(self) -> AbstractContextManager[None]:
        return self._searcher.exclusive()

    @property
    def _encoder_lock_if_needed(self) -> AbstractContextManager[Any]:
        """Held during ``encode``, unless several threads may call it at once."""
        return nullcontext() if self.encoder.encode_is_thread_safe else self._encoder_lock

    def _open_searcher(self) -> Searcher:
        state = self.metadata.state()
        rows = int(state.get("rows", 0))
        if not rows:
            raise NothingIndexedError(f"nothing is indexed in {self.name!r} yet", hint="run `vicinal ingest` first")
        restore_state(self.encoder, self.metadata)
        self._collection.require_searchable(state)
        if self._collection.current_index() is None:
            if self._active_run is not None:
                raise NothingIndexedError(
                    f"{self.name!r} is being indexed for the first time",
                    hint="it can be searched when the run has ended",
                )
            self._collection.make_searchable(rows)
        self.vectors.load_collection()
        index = self._collection.current_index()
        assert index is not None
        return Searcher(
            self.encoder,
            self.vectors,
            self.metadata,
            index,
            rows,
            self.manager.observers,
            self.config.hybrid,
            self.config.match,
            self.reranker,
            self._encoder_lock_if_needed,
            item_filters=self.manager.item_filters,
        )


def _is_refused(result: SearchResult | Exception) -> bool:
    return isinstance(result, StoreError) and not isinstance(result, StoreUnreachableError)
