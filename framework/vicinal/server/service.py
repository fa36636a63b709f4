"""One solution behind the server: its threads, its health, and what clients show of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

from vicinal.errors import DependencyError, PluginError, StoreError, StoreUnreachableError, VicinalError
from vicinal.plugin.item_filter import ItemFilter
from vicinal.plugin.registry import Registration
from vicinal.search.item_filters import list_item_filters
from vicinal.search.searcher import report_search
from vicinal.server.api_errors import ApiError, logger
from vicinal.server.batching import MAX_BATCHES_IN_FLIGHT, QueryBatcher
from vicinal.server.duplicates import Duplicates
from vicinal.server.jobs import Jobs
from vicinal.server.maps import Maps
from vicinal.server.metrics import Metrics
from vicinal.server.settings import Settings
from vicinal.server.uploads import Uploads
from vicinal.solution.checksum import config_checksum
from vicinal.solution.solution import Solution
from vicinal.stores.records import Record
from vicinal.toolkit.text import shorten
from vicinal.types import (
    MAX_EXCERPT_CHARS,
    TEXT,
    Hit,
    Item,
    Modality,
    SearchRequest,
    SearchResult,
    path_from_file_uri,
)

__all__ = ["SolutionService"]

T = TypeVar("T")

_WORKER_THREADS = 8
_REFRESH_SECONDS = 1.0
_CHECKS_PER_PRELOAD = 5
"""A solution that cannot answer is tried again at every fifth check of its health: in 10 s by default."""
_MEDIA_KINDS = ("image", "audio", "video")


class SolutionService:
    """Runs a solution's blocking work on threads, so that requests block neither the event loop nor one another.

    Queries are searched in batches on two threads; uploads are decoded, and items read and written, on a few others; a
    job has a thread of its own.
    """

    def __init__(self, solution: Solution, settings: Settings, metrics: Metrics) -> None:
        self.solution = solution
        self.settings = settings
        self.name = solution.name
        self.jobs = Jobs(
            solution,
            lambda outcome, number: metrics.count_ingested(self.name, outcome, number),
            lambda job: metrics.count_job(self.name, job.kind, job.state, job.seconds),
        )
        self.maps = Maps(solution, self.jobs)
        self.duplicates = Duplicates(solution, self.jobs)
        self.uploads = Uploads(solution, settings.uploads)
        self.ready, self.reason = False, "the server is starting"
        self._metrics = metrics
        self._counts = {"items": 0, "rows": 0, "failures": 0}
        self._checked_at = 0.0
        self._refreshed_at = 0.0
        self._outage = ""
        self.unfit_reason = ""
        """Why no query can be answered although both stores respond; empty where they can."""
        self._preloaded_at = 0.0
        self._worker_pool = ThreadPoolExecutor(_WORKER_THREADS, f"vicinal-{self.name}")
        self._search_pool = ThreadPoolExecutor(MAX_BATCHES_IN_FLIGHT, f"vicinal-search-{self.name}")
        self._batcher = QueryBatcher(
            self._search_batch,
            self._search_pool,
            settings,
            lambda size: metrics.observe_batch(self.name, size),
            partial(report_search, solution.manager.observers, self.name),
        )
        metrics.add_solution(self.name, lambda: self._batcher.queued)
        self._health_lock = asyncio.Lock()
        self._preloading: Future[None] | None = None

    # --- starting and stopping

    async def open(self) -> None:
        """Connect, and load the model in the background; a store that is unreachable is tried again later."""
        await self.check_health()
        if self.settings.preload_models:
            self._start_preload()

    @property
    def is_loading_model(self) -> bool:
        """Whether the model is still loaded at the start, so that a search would wait for it."""
        return self._preloading is not None and not self._preloading.done()

    async def close(self) -> None:
        """Cancel the active job, finish the submitted requests, and disconnect."""
        await asyncio.to_thread(self.jobs.close)
        await asyncio.to_thread(self.maps.close)
        await asyncio.to_thread(self.duplicates.close)
        self._search_pool.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._search_pool.shutdown)
        await asyncio.to_thread(self._worker_pool.shutdown)
        self.solution.close()

    def _start_preload(self) -> None:
        self._preloaded_at = time.monotonic()
        self._preloading = self._search_pool.submit(self._preload)

    def _preload(self) -> None:
        """Load the models, the index and the connections by searching for an indexed item, if there is one.

        Where the YAML does not describe what is stored, a model is missing or a store fails, every query would: then
        the solution is not ready, and a rolling update keeps the servers that answer. It is tried again.
        """
        try:
            records, _ = self.solution.open().metadata.list_records(1, max_read=1)
            for record in records:
                segments = self.solution.encoder.decode(self.to_item(record))[:1]
                request = SearchRequest(record.key, 1, segments=segments)
                (result,) = self.solution.search_many([request], notify=False)
                if isinstance(result, Exception):
                    raise result
            self.unfit_reason = ""
        except (StoreError, DependencyError) as error:
            if str(error) != self.unfit_reason:
                logger.warning("%s: not ready: %s", self.name, error, extra={"solution": self.name})
            self.unfit_reason = str(error)
        except VicinalError as error:
            logger.warning("%s: the model was not preloaded: %s", self.name, error, extra={"solution": self.name})
        except Exception as error:
            logger.warning("%s: the model was not preloaded", self.name, exc_info=error, extra={"solution": self.name})

    # --- health

    async def monitor_health(self) -> None:
        """Check the stores again and again, so that requests need not wait for one that is unreachable."""
        while True:
            await asyncio.sleep(self.settings.health_interval_seconds)
            await self.check_health()

    async def check_health(self, max_age: float = 0.0) -> None:
        """Check both stores, unless that was done within the last ``max_age`` seconds."""
        async with self._health_lock:
            if time.monotonic() - self._checked_at < max_age:
                return
            probe = asyncio.get_running_loop().run_in_executor(self._worker_pool, self._probe_stores)
            try:
                self._counts = await asyncio.wait_for(asyncio.shield(probe), self.settings.request_timeout_seconds)
                self.ready, self.reason, self._outage = not self.unfit_reason, self.unfit_reason, ""
                self._retry_preload()
            except VicinalError as error:
                self.ready, self.reason = False, str(error)
                self._outage = str(error) if isinstance(error, StoreUnreachableError) else ""
            except TimeoutError:
                self.ready, self.reason = False, "the stores did not respond in time"
                self._outage = self.reason
            except Exception as error:
                logger.error("%s: the health check failed", self.name, exc_info=error, extra={"solution": self.name})
                self.ready, self.reason = False, "the health check failed (see the server log)"
            self._checked_at = time.monotonic()
        self._metrics.set_health(self.name, self.ready, self._counts)

    def _retry_preload(self) -> None:
        """See whether a solution that could not answer can do so now, as after a reindex or a download."""
        wait = _CHECKS_PER_PRELOAD * self.settings.health_interval_seconds
        if self.unfit_reason and not self.is_loading_model and time.monotonic() - self._preloaded_at > wait:
            self._start_preload()

    def _probe_stores(self) -> dict[str, int]:
        """Return the solution's counts.

        Raises:
            StoreError: a store is unreachable, or Milvus is still loading the collection.
        """
        solution = self.solution.open()
        solution.metadata.ensure_running()
        solution.follow()
        return solution.read(self._read_counts)

    def _read_counts(self) -> dict[str, int]:
        solution = self.solution
        state = solution.metadata.state()
        if solution.vectors.has_collection() and solution.vectors.is_loading():
            raise StoreError("Milvus is loading the collection", hint="searches wait for it")
        return {
            "items": int(state.get("items", 0)),
            "rows": int(state.get("rows", 0)),
            "failures": solution.metadata.count_failures(),
        }

    def _require_stores(self) -> None:
        if self._outage:
            raise ApiError(503, self._outage, hint="the server reconnects automatically; retry later")

    # --- work

    async def run_blocking(self, work: Callable[..., T], *args: Any) -> T:
        """Run a blocking function on a worker thread, with the solution open.

        Raises:
            ApiError: 503, a store is unreachable, or the timeout (``request_timeout_seconds``) has passed.
        """
        self._require_stores()
        future = asyncio.get_running_loop().run_in_executor(self._worker_pool, self._open_and_run, work, *args)
        return await self._await_with_timeout(future)

    def _open_and_run(self, work: Callable[..., T], *args: Any) -> T:
        self.solution.open()
        try:
            return self.solution.read(lambda: work(*args))
        except SystemExit as error:  # of a plugin; it would end the event loop that awaits it
            raise PluginError(f"a plugin called sys.exit({error.code!r})") from error

    async def search(self, requests: Sequence[SearchRequest]) -> list[SearchResult | Exception]:
        """Search, in one batch with the queries of others that arrive at the same time.

        Raises:
            ApiError: 503, a store is unreachable, too many queries are queued, or the timeout has passed.
        """
        self._require_stores()
        return await self._await_with_timeout(self._batcher.submit(requests))

    async def _await_with_timeout(self, work: Awaitable[T]) -> T:
        try:
            return await asyncio.wait_for(work, self.settings.request_timeout_seconds)
        except TimeoutError:
            raise ApiError(
                503, f"no response within {self.settings.request_timeout_seconds:g} s", hint="retry in a moment"
            ) from None

    def _search_batch(
        self, requests: Sequence[SearchRequest], on_encoded: Callable[[], object]
    ) -> list[SearchResult | Exception]:
        if (now := time.monotonic()) - self._refreshed_at > _REFRESH_SECONDS:
            self._refreshed_at = now
            self._refresh_if_changed()
        results = self._open_and_run(partial(self.solution.search_many, notify=False), requests, on_encoded)
        timings_ms = next((result.timings_ms for result in results if isinstance(result, SearchResult)), None)
        if timings_ms is not None:  # the same for each query of the batch
            self.unfit_reason = ""
            self._metrics.observe_steps(self.name, timings_ms)
        return results

    def _refresh_if_changed(self) -> None:
        """Reload the collection if another process has filled, changed, replaced or dropped it since."""
        generation = self.solution.open().follow()
        state = self.solution.metadata.state()
        version = (generation, state.get("updated"), state.get("created"), str(state.get("index")))
        if version != getattr(self, "_version", version):
            self.solution.refresh()
        self._version = version

    # --- items, and what clients show

    def get_record(self, key: str) -> Record:
        """Return what Redis stores of an item.

        Raises:
            UnknownItemError: no item has this key.
        """
        return self.solution.get_record(key)

    def to_item(self, record: Record) -> Item:
        """Rebuild an item as its source gave it; a content that is not stored is the file that the URI names."""
        content: Any = record.content
        if content is None:
            content = path_from_file_uri(record.uri) or ""
        return Item(record.key, content, record.uri, record.metadata)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What the solution can be searched with; the first is what its items are."""
        return self.solution.encoder.query_modalities

    @property
    def typed_modality(self) -> Modality | None:
        """What users type to search; None where they choose a file only."""
        return next((modality for modality in self.modalities if modality.input == "text"), None)

    @property
    def takes_files(self) -> bool:
        """Whether the solution can be searched with a file."""
        return any(modality.input == "file" for modality in self.modalities)

    @property
    def item_modality(self) -> Modality:
        """What items are."""
        return self.modalities[0] if self.modalities else TEXT

    def display_kind(self, uri: str) -> str:
        """Return how a client shows an item: as a text, an SVG, an image, audio or video."""
        kind = self.item_modality.renders
        if kind == "video" and uri.lower().endswith((".gif", ".webp", ".apng")):
            return "image"  # browsers play these as images
        return kind

    def read_title(self, found: Hit | Record) -> str | None:
        """Return what people read of an item where it is a text that its encoder shows otherwise than as its content.

        A hit in a labelled segment has none, since it is shown by its excerpt.
        """
        if self.item_modality.renders != "text" or (isinstance(found, Hit) and (found.segment or {}).get("excerpt")):
            return None
        rendering = self.solution.render(found if isinstance(found, Hit) else self.to_item(found))
        is_title = rendering.kind == "text" and rendering.value not in ("", found.content)
        return shorten(rendering.value, MAX_EXCERPT_CHARS) if is_title else None

    @property
    def item_filters(self) -> list[Registration[ItemFilter]]:
        """What hits can be filtered by, beside fields."""
        return list_item_filters(self.solution.manager.item_filters, self.solution.encoder)

    def describe(self) -> dict[str, Any]:
        """Return what a client has to know of the solution, as JSON."""
        config, modalities = self.solution.config, self.modalities
        files = [modality for modality in modalities if modality.input == "file"]
        return {
            "name": self.name,
            "title": _to_title(self.name),
            "checksum": config_checksum(config),
            "encoder": {"type": config.encoder.type, "summary": self._encoder_summary()},
            **self._counts,
            "query": {
                "modalities": [asdict(modality) for modality in modalities],
                "renders": self.item_modality.renders,
                "text": self.typed_modality is not None,
                "file": self.takes_files,
                "accept": [f"{modality.renders}/*" for modality in files if modality.renders in _MEDIA_KINDS],
                "placeholder": (self.typed_modality or self.item_modality).placeholder,
                "suggests": self.typed_modality is not None and self.solution.encoder.suggests_queries,
                "item_filters": [{"name": entry.name, "summary": entry.summary} for entry in self.item_filters],
            },
            "fields": [{"name": name, "type": spec.type} for name, spec in config.field_specs.items()],
            "segmented": self.solution.encoder.segmented,
            "max_sorted_items": self.settings.max_sorted_items,
            "ready": self.ready,
            "reason": self.reason,
            "run": self.jobs.latest.id if self.jobs.latest else None,
        }

    def _encoder_summary(self) -> str:
        name = self.solution.config.encoder.type
        return next((entry.summary for entry in self.solution.manager.encoders if entry.name == name), "")


def _to_title(name: str) -> str:
    """Make a heading of a name: ``images-offline`` is Images offline, ``qa`` is QA."""
    title = name.replace("-", " ").replace("_", " ")
    return title.upper() if len(title) < 3 else title.capitalize()
