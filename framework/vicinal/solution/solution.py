"""The facade: one solution, from its YAML file to answers. Every face of vicinal uses it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, overload

from vicinal.config import SolutionConfig
from vicinal.errors import NothingIndexedError, StoreError, StoreUnreachableError, UnknownItemError, VicinalError
from vicinal.ingest.run import IngestRun
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.manager import Manager
from vicinal.search.searcher import Searcher
from vicinal.solution import maintenance
from vicinal.solution.cached import InvalidatableCache
from vicinal.solution.collection import CollectionManager
from vicinal.solution.components import Components
from vicinal.stores import redact_url
from vicinal.stores.lock import WriterLock
from vicinal.stores.milvus_engine import Index
from vicinal.types import Failure, IngestReport, Item, SearchRequest, SearchResult, item_id

__all__ = ["Solution"]


class Solution(Components):
    """A solution that is ready to be filled and searched. Stores are opened, and models loaded, when first used.

    Use it as a context manager, or call ``close``: an embedded Milvus belongs to one process at a time. Threads may
    share it once it is ``open``: one writes at a time, others search meanwhile and wait only for an index to be built.
    """

    def __init__(
        self, config: SolutionConfig, manager: Manager | None = None, folder: str | Path | None = None
    ) -> None:
        """``folder`` is where the solution lives, its YAML file's; else the current one."""
        super().__init__(config, manager, folder)
        self._opening = threading.RLock()
        self._search = InvalidatableCache(self._open_search, self._opening)
        self._active_run: IngestRun | None = None
        self._encoder_lock = threading.Lock()

    def open(self) -> Self:
        """Connect to both stores now, one thread at a time.

        Raises:
            StoreUnreachableError: one of them does not answer.
        """
        with self._opening:
            _ = self.encoder, self.metadata, self.vectors, self.lifecycle
        return self

    def close(self) -> None:
        """Disconnect from both stores; opening them again happens by itself."""
        self.refresh()
        self.__dict__.pop("lifecycle", None)
        super().close()

    @cached_property
    def lifecycle(self) -> CollectionManager:
        """What creates, checks, indexes and loads the collection."""
        return CollectionManager(self.config, self.encoder, self.vectors, self.metadata, self._search.exclusive)

    # --- filling

    def ingest(self, *, prune: bool = False, limit: int | None = None, encoder: Encoder | None = None) -> IngestReport:
        """Index what is new or changed in the source; with ``prune``, remove what is no longer in it.

        Items that ``add`` indexed stay.

        Args:
            limit: read only this many items of the source.
            encoder: a ``new_encoder``, so that searches meanwhile need not take turns with the run; one that is
                ``encode_is_thread_safe`` needs no other.

        Raises:
            StoreBusyError: another process writes to this solution.
            StoreMismatchError: the collection was built by another encoder or with other fields.
            TooManyFailuresError: more items failed than the config allows; the others are kept.
            KeyboardInterrupt: Ctrl-C; what was done is kept, and the next run goes on from there.
        """
        if prune and limit is not None:
            raise VicinalError("prune and limit exclude each other", hint="a limited run does not see every item")
        return self._run(prune=prune, limit=limit, encoder=encoder)

    def retry(self, *, encoder: Encoder | None = None) -> IngestReport:
        """Try again the items that failed, and only them."""
        return self._run(only={failure.key for failure in self.metadata.failures()}, encoder=encoder)

    def interrupt(self) -> bool:
        """End the run that another thread is in after the batch in hand; it raises KeyboardInterrupt there.

        Returns whether there was one.
        """
        if (run := self._active_run) is None:
            return False
        run.interrupt()
        return True

    def add(self, item: Item) -> Literal["new", "updated", "unchanged"]:
        """Index one item that the source need not have; ``prune`` leaves it, ``remove`` removes it.

        Should the source have an item of its key, the next ingest puts that in its place.

        Raises:
            ItemError: it cannot be indexed; what was indexed under its key stays.
            StoreBusyError: a run is going on.
        """
        with self._writing() as lock:
            change = self._new_run(lock=lock).add(item)
            self.metadata.mark_manual([item_id(item.key)])
            if self.lifecycle.current_index() is None:
                self.lifecycle.make_searchable(1)
            self.vectors.wait_until_visible()
        return change

    @property
    def _encoder_lock_if_needed(self) -> AbstractContextManager[Any]:
        """Held by whoever encodes, unless several threads may."""
        return nullcontext() if self.encoder.encode_is_thread_safe else self._encoder_lock

    def _new_run(self, encoder: Encoder | None = None, **given: Any) -> IngestRun:
        return IngestRun(
            self.source,
            encoder or self.encoder,
            self.vectors,
            self.metadata,
            self.config.ingest,
            self.config.field_specs,
            self.manager.hook,
            encoder_lock=nullcontext() if encoder else self._encoder_lock_if_needed,
            **given,
        )

    def _run(
        self,
        *,
        prune: bool = False,
        limit: int | None = None,
        only: set[str] | None = None,
        encoder: Encoder | None = None,
    ) -> IngestReport:
        started = time.perf_counter()
        with self._writing() as lock:
            self._active_run = run = self._new_run(encoder, limit=limit, only=only, lock=lock)
            try:
                total = len(only) if only is not None else self.source.count()
                self.manager.hook.ingest_started(
                    solution=self.name, total=min(total, limit) if total is not None and limit is not None else total
                )
                report = run.run()
            finally:
                self._active_run = None
            if prune and run.complete:
                report.removed = self._prune(run)
            if run.interrupted:
                raise KeyboardInterrupt
            report.rows = self.lifecycle.make_searchable(report.new + report.updated + report.removed)
            if report.rows != (known := int(self.metadata.state()["rows"])):
                report.warnings.append(
                    f"Milvus holds {report.rows} rows, the ledger {known}; `vicinal check` tells more"
                )
        report.took(time.perf_counter() - started)
        self.manager.hook.ingest_finished(solution=self.name, report=report)
        return report

    def _prune(self, run: IngestRun) -> int:
        """Remove the items that the source has no more, without those that ``add`` indexed.

        A source that yields nothing is taken for an accident.
        """
        if run.report.seen == 0 and self.metadata.state().get("items"):
            raise VicinalError(
                "the source yields no item at all, so nothing was pruned", hint="`vicinal drop` removes everything"
            )
        return maintenance.prune(self.vectors, self.metadata, run.seen)

    @contextmanager
    def _writing(self) -> Iterator[WriterLock]:
        """The right to write, to a collection that exists and fits the config."""
        with WriterLock(self.metadata) as lock:
            self.refresh()
            self.lifecycle.ensure()
            try:
                yield lock
            finally:
                self.refresh()

    # --- searching

    @overload
    def search(self, query: str | Path, limit: int = 10, filter: str = "") -> SearchResult: ...
    @overload
    def search(self, query: list[str | Path], limit: int = 10, filter: str = "") -> list[SearchResult]: ...
    def search(
        self, query: str | Path | list[str | Path], limit: int = 10, filter: str = ""
    ) -> SearchResult | list[SearchResult]:
        """What is near: one result for one query, a list of them for a list of queries.

        Args:
            query: what the encoder reads (a text, a SMILES, the path of a file), or ``@key`` of an indexed item, which
                finds others like it.
            limit: how many items, 1 to 16,384.
            filter: a Milvus expression over the declared fields, as ``year > 2000 and label == "cat"``.

        Raises:
            ItemError: the query cannot be read.
            FilterError: the filter cannot.
            VicinalError: nothing is indexed yet.
        """
        if not 1 <= limit <= 16_384:
            raise VicinalError(f"limit is {limit}", hint="1 to 16,384 items can be asked for")
        with self._search.borrow() as search:
            if isinstance(query, str | Path):
                return search.run([query], limit, filter)[0]
            return search.run(query, limit, filter)

    def search_many(
        self, asks: Sequence[SearchRequest], encoded: Callable[[], object] = bool
    ) -> list[SearchResult | Exception]:
        """Answer several users at once: their queries are encoded in one batch, those alike searched in one call.

        Where one fails, its error stands in its place. What another process did to the collection is noticed here.
        ``encoded`` is called once the encoder is free for others.

        Raises:
            NothingIndexedError: nothing can be searched yet.
            StoreUnreachableError: a store is away.
        """
        with self._search.borrow() as search:
            answers = search.search_many(asks, encoded)
        if not any(isinstance(one, StoreError) and not isinstance(one, StoreUnreachableError) for one in answers):
            return answers
        self.refresh()
        with self._search.borrow() as search:
            return search.search_many(asks)

    def refresh(self) -> None:
        """Look at the collection anew before the next search, since it may have changed."""
        self._search.invalidate()

    def _open_search(self) -> Searcher:
        rows = int(self.metadata.state().get("rows", 0))
        if not rows:
            raise NothingIndexedError(f"nothing is indexed in {self.name!r} yet", hint="run `vicinal ingest` first")
        self.lifecycle.ensure()
        if self.lifecycle.current_index() is None:
            if self._active_run is not None:
                raise NothingIndexedError(
                    f"{self.name!r} is being indexed for the first time",
                    hint="it can be searched when the run has ended",
                )
            self.lifecycle.make_searchable(rows)
        self.vectors.load_collection()
        index = self.lifecycle.current_index()
        assert index is not None
        rerank = self.config.rerank
        return Searcher(
            self.encoder,
            self.vectors,
            self.metadata,
            index,
            rows,
            self.manager.hook,
            self.config.hybrid,
            self.manager.rerankers.build(rerank.type, rerank.params) if rerank else None,
            self._encoder_lock_if_needed,
        )

    # --- looking after it

    def failures(self) -> list[Failure]:
        """The items that could not be indexed, and why."""
        return sorted(self.metadata.failures(), key=lambda failure: failure.key)

    def status(self) -> dict[str, Any]:
        """Items, rows, failures, encoder, index and stores."""
        state = self.metadata.state()
        return {
            "solution": self.name,
            "items": state.get("items", 0),
            "rows": state.get("rows", 0),
            "failures": self.metadata.failure_count(),
            "encoder": {"type": self.config.encoder.type, "signature": state.get("signature")},
            "index": state.get("index"),
            "created": state.get("created"),
            "updated": state.get("updated"),
            "stores": {
                "milvus": {"where": redact_url(self.config.stores.milvus), "engine": str(self.vectors.engine)},
                "redis": {"where": redact_url(self.config.stores.redis), "version": self.metadata.version()},
            },
        }

    def check(self, *, repair: bool = False) -> maintenance.CheckReport:
        """Whether Milvus, metadata and ledger agree; with ``repair``, make them agree."""
        if not (state := self.metadata.state()) and self.lifecycle.find_collection(state) is None:
            return maintenance.CheckReport(self.name, repaired=repair)
        with WriterLock(self.metadata):
            self.lifecycle.ensure()
            self.lifecycle.make_searchable()
            report = maintenance.check(self.vectors, self.metadata, repair=repair)
            if repair:
                self.lifecycle.make_searchable(report.orphan_vectors)
        return report

    def remove(self, keys: Sequence[str]) -> int:
        """Remove items by key; returns how many.

        Raises:
            UnknownItemError: one of them is not indexed; then none is removed.
        """
        keys = list(dict.fromkeys(keys))
        with self._writing():
            found = zip(keys, self.metadata.ledger_entries([item_id(key) for key in keys]), strict=True)
            known = {key: entry for key, entry in found if entry is not None and entry.matches_key(key)}
            if unknown := [key for key in keys if key not in known]:
                raise UnknownItemError(f"not indexed: {', '.join(unknown[:5])}", hint="keys are case-sensitive")
            entries = {item_id(key): entry for key, entry in known.items()}
            maintenance.remove(self.vectors, self.metadata, entries)
            self.lifecycle.make_searchable(len(keys))
        return len(keys)

    def drop(self) -> int:
        """Remove the collection and everything that Redis keeps of it; returns how many items there were.

        Raises:
            StoreMismatchError: the collection belongs to another solution; nothing is removed.
        """
        with WriterLock(self.metadata), self._search.exclusive():
            state = self.metadata.state()
            self.lifecycle.find_collection(state)
            self.vectors.drop_collection()
            if state:
                # left over when a previous drop was interrupted after it had removed the alias
                self.vectors.drop_physical_collection(state["physical"])
            self.metadata.drop()
        return int(state.get("items", 0))

    def build_index(self) -> Index:
        """Build the index anew, as the config says now."""
        with self._writing():
            return self.lifecycle.build()

    def export(self, path: str | Path) -> int:
        """Write every item, its metadata and its vectors to a parquet file; returns how many items."""
        from vicinal.solution.transfer import export_items

        self._search.get()
        return export_items(Path(path), self.encoder, self.vectors, self.metadata)

    def import_(self, path: str | Path) -> IngestReport:
        """Read what ``export`` wrote, without encoding anything."""
        from vicinal.solution.transfer import import_items

        started = time.perf_counter()
        with self._writing() as lock:
            batches = import_items(Path(path), self.encoder, self.config.field_specs, self.metadata)
            report = self._new_run(lock=lock).write(batches)
            report.rows = self.lifecycle.make_searchable(report.new + report.updated)
        report.took(time.perf_counter() - started)
        return report
