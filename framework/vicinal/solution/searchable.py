"""What of a solution is searched: a ``Searcher`` that threads share, rebuilt after the collection has changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any, Self, overload

from vicinal.config import SolutionConfig
from vicinal.errors import NothingIndexedError, StoreError, StoreUnreachableError, VicinalError
from vicinal.ingest.run import IngestRun
from vicinal.plugin.manager import Manager
from vicinal.search.searcher import Searcher
from vicinal.search.timer import Timer
from vicinal.solution.cached import InvalidatableCache
from vicinal.solution.collection import CollectionManager
from vicinal.solution.components import Components
from vicinal.solution.learning import restore_state
from vicinal.types import SearchRequest, SearchResult

__all__ = ["SearchableSolution"]

_MAX_LIMIT = 16_384


class SearchableSolution(Components):
    """A solution that is searched, while a run of it may write."""

    def __init__(
        self, config: SolutionConfig, manager: Manager | None = None, folder: str | Path | None = None
    ) -> None:
        """``folder`` is that of the solution's YAML file; by default the current one."""
        super().__init__(config, manager, folder)
        self._open_lock = threading.RLock()
        self._encoder_lock = threading.Lock()
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
        self, query: str | Path, limit: int = 10, filter: str = "", item_filters: Mapping[str, str] | None = None
    ) -> SearchResult: ...
    @overload
    def search(
        self, query: list[str | Path], limit: int = 10, filter: str = "", item_filters: Mapping[str, str] | None = None
    ) -> list[SearchResult]: ...
    def search(
        self,
        query: str | Path | list[str | Path],
        limit: int = 10,
        filter: str = "",
        item_filters: Mapping[str, str] | None = None,
    ) -> SearchResult | list[SearchResult]:
        """Find the nearest items: one result for one query, a list of them for a list of queries.

        Args:
            query: what the encoder reads (a text, the path of a file), or ``@key`` of an indexed item, which
                finds others like it.
            limit: how many items, 1 to 16,384.
            filter: a Milvus expression over the declared fields, as ``year > 2000 and label == "cat"``.
            item_filters: patterns by the name of the item filter that checks found items, as
                ``{"substructure": "c1ccccc1"}`` for molecules; candidates are fetched until ``limit`` of them pass,
                or the 16,384 nearest are checked.

        Raises:
            ItemError: the query cannot be read.
            FilterError: the filter cannot, or a pattern.
            VicinalError: nothing is indexed yet.
        """
        _require_limit(limit)
        with self._searcher.borrow() as searcher:
            if isinstance(query, str | Path):
                return searcher.search([query], limit, filter, item_filters=item_filters)[0]
            return searcher.search(query, limit, filter, item_filters=item_filters)

    def search_once(
        self,
        queries: Sequence[str | Path],
        limit: int = 10,
        filter: str = "",
        clock: Callable[[], float] = time.perf_counter,
        item_filters: Mapping[str, str] | None = None,
    ) -> tuple[list[SearchResult], dict[str, float]]:
        """Search as a process does that ends afterwards, and measure its start-up apart from the search.

        Args:
            queries: as for ``search``; so are ``limit``, ``filter`` and ``item_filters``.
            clock: returns seconds; all timings are measured with it.

        Returns:
            The results, and the milliseconds of ``stores`` (connect, load the index) and of ``model`` (load the
            encoder's model, encode one sample), which the timings of the results leave out.
        """
        _require_limit(limit)
        started = clock()
        with self._searcher.borrow() as searcher:
            stores_ms = (clock() - started) * 1000
            timer = Timer(clock, measures_model_load=True)
            results = searcher.search(queries, limit, filter, timer, item_filters)
            return results, {"stores": stores_ms, "model": timer.model_ms}

    def search_many(
        self, requests: Sequence[SearchRequest], on_encoded: Callable[[], object] = bool, *, notify: bool = True
    ) -> list[SearchResult | Exception]:
        """Answer the queries of several users: one encoded batch, and one search for those of equal limit and filters.

        The error of a query that fails stands in its place. ``on_encoded`` is called once the encoder is free for
        others. If a store refuses the search, as after another process has changed the collection, it is repeated once.
        Observers are notified of the search unless ``notify`` is false, as when a server loads its model.

        Raises:
            NothingIndexedError: nothing can be searched yet.
            StoreUnreachableError: a store does not respond.
        """
        with self._searcher.borrow() as searcher:
            results = searcher.search_many(requests, on_encoded, notify=notify)
        if not any(map(_is_refused, results)):
            return results
        self.refresh()
        with self._searcher.borrow() as searcher:
            return searcher.search_many(requests, notify=notify)

    def fetch_rows(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """The rows with these ids, as ``VectorStore.fetch_rows``; it loads the collection, and waits for an index.

        Raises:
            NothingIndexedError: nothing can be searched yet.
        """
        with self._searcher.borrow():
            return self.vectors.fetch_rows(ids)

    @cached_property
    def _collection(self) -> CollectionManager:
        return CollectionManager(self.config, self.encoder, self.vectors, self.metadata, self._searcher.exclusive)

    @property
    def _encoder_lock_if_needed(self) -> AbstractContextManager[Any]:
        """Held during ``encode``, unless several threads may call it at once."""
        return nullcontext() if self.encoder.encode_is_thread_safe else self._encoder_lock

    def _open_searcher(self) -> Searcher:
        rows = int(self.metadata.state().get("rows", 0))
        if not rows:
            raise NothingIndexedError(f"nothing is indexed in {self.name!r} yet", hint="run `vicinal ingest` first")
        restore_state(self.encoder, self.metadata)
        self._collection.ensure()
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
        rerank = self.config.rerank
        return Searcher(
            self.encoder,
            self.vectors,
            self.metadata,
            index,
            rows,
            self.manager.observers,
            self.config.hybrid,
            self.config.match,
            self.manager.rerankers.build(rerank.type, rerank.params) if rerank else None,
            self._encoder_lock_if_needed,
            item_filters=self.manager.item_filters,
        )


def _is_refused(result: SearchResult | Exception) -> bool:
    return isinstance(result, StoreError) and not isinstance(result, StoreUnreachableError)


def _require_limit(limit: int) -> None:
    if not 1 <= limit <= _MAX_LIMIT:
        raise VicinalError(f"limit is {limit}", hint=f"a limit is 1 to {_MAX_LIMIT:,}")
