"""One solution behind the server: its threads, its health, what a face has to know of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import quote

from vicinal.errors import StoreError, StoreUnreachableError, UnknownItemError, VicinalError
from vicinal.server import media
from vicinal.server.api_errors import ApiError, logger
from vicinal.server.batching import AT_ONCE, QueryBatcher
from vicinal.server.jobs import Jobs
from vicinal.server.metrics import Metrics
from vicinal.server.settings import Settings
from vicinal.server.uploads import Uploads
from vicinal.solution.solution import Solution
from vicinal.stores.records import Record
from vicinal.types import Item, Modality, SearchRequest, SearchResult, item_id

__all__ = ["SolutionService"]

T = TypeVar("T")

_WORKERS = 8
_REFRESH_SECONDS = 1.0
_PLACEHOLDERS: dict[Modality, str] = {
    "text": "Ask, or describe what you look for",
    "smiles": "A SMILES, as CC(=O)Oc1ccccc1C(=O)O",
    "image": "Drop a picture",
    "audio": "Drop a sound",
    "video": "Drop a video",
}


class SolutionService:
    """A solution, and how requests reach it without blocking the event loop or one another.

    Queries are answered in batches, on two threads; uploads are decoded, items read and written on a few others; a run
    has a thread of its own.
    """

    def __init__(self, solution: Solution, settings: Settings, metrics: Metrics) -> None:
        self.solution = solution
        self.settings = settings
        self.name = solution.name
        self.jobs = Jobs(solution, lambda outcome, number: metrics.ingested(self.name, outcome, number))
        self.uploads = Uploads(solution, settings.uploads)
        self.ready, self.reason = False, "the server is starting"
        self._metrics = metrics
        self._counts = {"items": 0, "rows": 0, "failures": 0}
        self._checked = 0.0
        self._refreshed = 0.0
        self._away = ""
        self._pool = ThreadPoolExecutor(_WORKERS, f"vicinal-{self.name}")
        self._askers = ThreadPoolExecutor(AT_ONCE, f"vicinal-search-{self.name}")
        self._gatherer = QueryBatcher(self._answer, self._askers, settings, lambda n: metrics.batched(self.name, n))
        self._checking = asyncio.Lock()

    # --- its life

    async def open(self) -> None:
        """Connect, and load the model in the background; a store that is away is tried again."""
        await self.check()
        if self.settings.warm:
            self._askers.submit(self._warm)

    async def close(self) -> None:
        """End the run that goes on, finish what was asked, and disconnect."""
        await asyncio.to_thread(self.jobs.close)
        self._askers.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._askers.shutdown)
        await asyncio.to_thread(self._pool.shutdown)
        self.solution.close()

    def _warm(self) -> None:
        """Load the model, the index and the connections by searching for an indexed item, if there is one."""
        try:
            records, _ = self.solution.open().metadata.page(1, look=1)
            for record in records:
                item = self.item_of(record)
                self.solution.search_many(
                    [SearchRequest(record.key, 1, segments=self.solution.encoder.decode(item)[:1])]
                )
        except VicinalError as error:
            logger.warning("%s: not warmed up: %s", self.name, error)
        except Exception as error:
            logger.warning("%s: not warmed up", self.name, exc_info=error)

    # --- its health

    async def watch(self) -> None:
        """Look at the stores again and again, so that requests need not wait for one that is away."""
        while True:
            await asyncio.sleep(self.settings.watch_seconds)
            await self.check()

    async def check(self, age: float = 0.0) -> None:
        """Look at the stores, unless that was done within ``age`` seconds."""
        async with self._checking:
            if time.monotonic() - self._checked < age:
                return
            look = asyncio.get_running_loop().run_in_executor(self._pool, self._look)
            try:
                self._counts = await asyncio.wait_for(asyncio.shield(look), self.settings.max_seconds)
                self.ready, self.reason, self._away = True, "", ""
            except VicinalError as error:
                self.ready, self.reason = False, str(error)
                self._away = str(error) if isinstance(error, StoreUnreachableError) else ""
            except TimeoutError:
                self.ready, self.reason = False, "the stores do not answer in time"
                self._away = self.reason
            except Exception as error:
                logger.error("%s: its stores cannot be looked at", self.name, exc_info=error)
                self.ready, self.reason = False, "its stores cannot be looked at"
            self._checked = time.monotonic()
        self._metrics.counted(self.name, self.ready, self._counts)

    def _look(self) -> dict[str, int]:
        solution = self.solution.open()
        solution.metadata.ensure_running()
        state = solution.metadata.state()
        if solution.vectors.has_collection() and solution.vectors.is_loading():
            raise StoreError("Milvus is loading the collection", hint="searches wait for it")
        return {
            "items": int(state.get("items", 0)),
            "rows": int(state.get("rows", 0)),
            "failures": solution.metadata.failure_count(),
        }

    def _must_be_there(self) -> None:
        if self._away:
            raise ApiError(503, self._away, hint="the server looks for it, and goes on when it is back")

    # --- its work

    async def call(self, work: Callable[..., T], *args: Any) -> T:
        """Do something that blocks on one of the threads for it.

        Raises:
            Problem: 503, a store is away or takes too long.
        """
        self._must_be_there()
        future = asyncio.get_running_loop().run_in_executor(self._pool, self._opened, work, *args)
        return await self._in_time(future)

    def _opened(self, work: Callable[..., T], *args: Any) -> T:
        self.solution.open()
        return work(*args)

    async def ask(self, asks: Sequence[SearchRequest]) -> list[SearchResult | Exception]:
        """Answer queries, together with those that others ask at the same time."""
        self._must_be_there()
        return await self._in_time(self._gatherer.ask(asks))

    async def _in_time(self, work: Awaitable[T]) -> T:
        try:
            return await asyncio.wait_for(work, self.settings.max_seconds)
        except TimeoutError:
            raise ApiError(
                503, f"no answer within {self.settings.max_seconds:g} s", hint="ask again in a moment"
            ) from None

    def _answer(self, asks: Sequence[SearchRequest], encoded: Callable[[], object]) -> list[SearchResult | Exception]:
        if (now := time.monotonic()) - self._refreshed > _REFRESH_SECONDS:
            self._refreshed = now
            self._notice_others()
        return self.solution.open().search_many(asks, encoded)

    def _notice_others(self) -> None:
        """Another process may have filled, changed or dropped the collection since."""
        state = self.solution.open().metadata.state()
        mark = (state.get("updated"), state.get("created"), str(state.get("index")))
        if mark != getattr(self, "_mark", mark):
            self.solution.refresh()
        self._mark = mark

    # --- what it has

    def record(self, key: str) -> Record:
        """What is kept of an item.

        Raises:
            UnknownItemError: no item has this key.
        """
        id_ = item_id(key)
        entry = self.solution.metadata.ledger_entries([id_])[0]
        record = self.solution.metadata.records([id_])[0]
        if entry is None or not entry.matches_key(key) or record is None:
            raise UnknownItemError(f"no item has the key {key[:200]!r}", hint="keys are case-sensitive")
        return record

    def item_of(self, record: Record) -> Item:
        """An item as its source gave it: a content that is not kept is the file that its URI names."""
        content: Any = record.content
        if content is None:
            content = media.path_of(record.uri) or ""
        return Item(record.key, content, record.uri, record.metadata)

    @property
    def kinds(self) -> tuple[Modality, ...]:
        """What may be searched with; first what items are."""
        encoder = self.solution.encoder
        return encoder.query_modalities or (("text",) if encoder.samples_are_text else ())

    @property
    def medium(self) -> Modality:
        """What items are."""
        return self.kinds[0] if self.kinds else "text"

    def face(self, key: str, uri: str) -> dict[str, str]:
        """How an item is shown, and where it is had."""
        kind: str = self.medium
        kind = "svg" if kind == "smiles" else kind
        if kind == "video" and uri.lower().endswith((".gif", ".webp", ".apng")):
            kind = "image"  # browsers play these as pictures
        return {"kind": kind, "content_url": f"/api/{self.name}/items/{quote(key, safe='')}/content"}

    def describe(self) -> dict[str, Any]:
        """The solution as a face has to know it."""
        config, kinds = self.solution.config, self.kinds
        files = [kind for kind in kinds if kind not in ("text", "smiles")]
        return {
            "name": self.name,
            "title": _title(self.name),
            "encoder": {"type": config.encoder.type, "summary": self.summary()},
            **self._counts,
            "query": {
                "kind": self.medium,
                "kinds": list(kinds),
                "text": len(files) < len(kinds),
                "file": bool(files),
                "accept": [f"{kind}/*" for kind in files],
                "placeholder": _PLACEHOLDERS["text" if "text" in kinds else self.medium],
            },
            "fields": [{"name": name, "type": spec.type} for name, spec in config.field_specs.items()],
            "segmented": self.solution.encoder.segmented,
            "ready": self.ready,
            "reason": self.reason,
            "run": self.jobs.last.id if self.jobs.last else None,
        }

    def summary(self) -> str:
        """What its encoder says of itself."""
        name = self.solution.config.encoder.type
        return next((entry.summary for entry in self.solution.manager.encoders if entry.name == name), "")


def _title(name: str) -> str:
    """A name as a heading: ``images-offline`` is Images offline, ``qa`` is QA."""
    title = name.replace("-", " ").replace("_", " ")
    return title.upper() if len(title) < 3 else title.capitalize()
