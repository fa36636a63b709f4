"""A solution whose embedded Milvus another process, a server, holds: it is searched and filled through that server."""

from __future__ import annotations

import os
import time
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode

import numpy as np

from vicinal.config import SolutionConfig, load_config
from vicinal.plugin.manager import create_manager
from vicinal.solution.api_client import ServerUnreachableError
from vicinal.solution.checksum import config_checksum
from vicinal.solution.promotion.report import PromotionReport
from vicinal.solution.promotion.targets import choose_stores
from vicinal.solution.remote_search import RemoteSearcher, replace_surrogates
from vicinal.solution.remote_server import OnJob, RemoteServer
from vicinal.stores.milvus_lite_lock import LockHolder
from vicinal.stores.records import Record
from vicinal.toolkit.slices import iter_slices
from vicinal.types import Hit, IngestReport, Modality, Rendering, SearchRequest, SearchResult

if TYPE_CHECKING:
    from vicinal.solution.solution import Solution

__all__ = ["RemoteSolution", "find_remote", "open_solution"]

_MAX_KEYS = 1_000
"""In one call; a server takes no more."""
_COUNTS = ("seen", "new", "updated", "unchanged", "removed", "failed", "skipped", "truncated", "rows")


def open_solution(path: str | Path, *, by_any_config: bool = False) -> Solution | RemoteSolution:
    """The solution of a YAML file; one that talks to a server, where that holds the solution's embedded Milvus.

    Args:
        by_any_config: whether the server may have opened it by another config: a reindex reads the YAML again.

    Raises:
        ConfigError: the file is wrong.
        StoreBusyError: that server serves something else, or wants an API key.
    """
    manager = create_manager()
    config = load_config(path, manager)
    if (remote := find_remote(config, by_any_config=by_any_config)) is not None:
        return remote
    from vicinal.solution.solution import Solution

    return Solution.from_yaml(path, manager=manager)


def find_remote(config: SolutionConfig, *, by_any_config: bool = False) -> RemoteSolution | None:
    """The solution at the server that holds its embedded Milvus; None where no server does.

    Raises:
        StoreBusyError: that server serves something else, or wants an API key.
    """
    if "://" in (milvus := config.stores.milvus) or (holder := LockHolder.find_server(Path(milvus))) is None:
        return None
    with suppress(ServerUnreachableError):  # then the solution's own attempt says who holds the file
        return RemoteSolution(config, holder, os.environ.get("VICINAL_API_KEY", ""), by_any_config=by_any_config)
    return None


class RemoteSolution:
    """What commands ask of a ``Solution``, answered by the server that holds its embedded Milvus."""

    def __init__(
        self, config: SolutionConfig, holder: LockHolder, api_key: str = "", *, by_any_config: bool = False
    ) -> None:
        """
        Raises:
            ServerUnreachableError: the server does not respond.
            StoreBusyError: it does not serve this solution with this configuration, or wants an API key.
        """
        self.name = config.name
        self.config = config
        self._secret = holder.secret
        self._checksum = config_checksum(config)
        self._server = RemoteServer(config, holder, api_key, None if by_any_config else self._checksum)
        self._searcher = RemoteSearcher(self._server)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open: each request has a connection of its own."""

    def render(self, found: Hit) -> Rendering:
        """The hit's excerpt; how an encoder shows an item, only its own process can tell."""
        return Rendering("text", found.excerpt or "")

    # --- reading

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What it can be searched with; the first is what its items are."""
        return tuple(Modality(**modality) for modality in self._server.query["modalities"])

    def suggest_queries(self, prefix: str = "", limit: int = 10) -> list[str]:
        """As ``Solution.suggest_queries``."""
        query = urlencode({"prefix": prefix, "limit": limit})
        return [str(one) for one in self._server.request("GET", f"suggestions?{query}")["queries"]]

    def search_typed(self, request: SearchRequest) -> SearchResult:
        """As ``Solution.search_typed``: the server takes no query for the path of a file."""
        return self._searcher.search_typed(request)

    def get_record(self, key: str) -> Record:
        """As ``Solution.get_record``."""
        item = self._server.request("GET", f"items/{quote(key, safe='')}?whole=true")
        return Record(item["key"], item["uri"], item["content"], item["metadata"])

    def status(self) -> dict[str, Any]:
        """As ``Solution.status``."""
        found: dict[str, Any] = self._server.request("GET", "stats")
        return found

    def search_once(
        self, requests: Sequence[SearchRequest], clock: Callable[[], float] = time.perf_counter
    ) -> tuple[list[SearchResult], dict[str, float]]:
        """As ``Solution.search_once``; the server's stores are connected and its model is loaded, which takes no time.

        Raises:
            ItemError, FilterError, VicinalError: as ``Solution.search`` does.
        """
        return self._searcher.search(requests), {"stores": 0.0, "model": 0.0}

    def fetch_rows(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """As ``Solution.fetch_rows``, with vectors as ``vicinal export`` writes them."""
        rows: list[dict[str, Any]] = self._server.request("POST", "rows", {"ids": list(ids)})["rows"]
        for row in rows:
            vector = b64decode(row["vector"])
            row["vector"] = vector if row["kind"] == "binary" else np.frombuffer(vector, "<f4")
        return rows

    # --- writing

    def ingest(
        self,
        *,
        prune: bool = False,
        limit: int | None = None,
        force: bool = False,
        on_progress: OnJob = bool,
    ) -> IngestReport:
        """As ``Solution.ingest``; ``on_progress`` gets the server's job again and again.

        Raises:
            KeyboardInterrupt: Ctrl-C; the job is cancelled, and finished batches are kept.
            VicinalError: as ``Solution.ingest`` does, or the job was cancelled at the server.
        """
        return self._run_job("ingest", {"prune": prune, "limit": limit, "force": force}, on_progress)

    def reindex(self, options: Mapping[str, Any] | None = None, *, on_progress: OnJob = bool) -> IngestReport:
        """As ``Solution.reindex``, with the options of the API; ``on_progress`` gets the job again and again.

        Raises:
            StoreBusyError: the server reads another YAML.
        """
        return self._run_job("reindex", {"checksum": self._checksum, **(options or {})}, on_progress)

    def rollback(self) -> dict[str, Any]:
        """As ``Solution.rollback``."""
        report = self._run_job("reindex", {"action": "rollback"}, bool)
        status = self.status()
        found = {name: status[name] for name in ("solution", "generation", "items", "previous")}
        return {**found, "warnings": report.warnings}

    def drop_old(self) -> bool:
        """As ``Solution.drop_old``."""
        return self._run_job("reindex", {"action": "drop_old"}, bool).removed > 0

    def drop_new(self) -> bool:
        """As ``Solution.drop_new``."""
        return self._run_job("reindex", {"action": "drop_new"}, bool).removed > 0

    def promote(
        self,
        milvus: str,
        redis: str = "",
        *,
        token: str | None = None,
        queries: int = 100,
        hand_over: bool = False,
        on_job: OnJob = bool,
    ) -> PromotionReport:
        """As ``Solution.promote``; ``on_job`` gets the server's job again and again."""
        stores = choose_stores(self.config.stores, milvus, redis, token)
        body = {"milvus": stores.milvus, "redis": stores.redis, "token": token, "secret": self._secret}
        job = self._server.run_job("promotion", {**body, "queries": queries, "hand_over": hand_over}, on_job)
        return PromotionReport.from_dict(job["promotion"])

    def release(self) -> bool:
        """As ``Solution.release``."""
        return bool(self._server.request("POST", "promotion/release", {"secret": self._secret})["released"])

    def retry(self) -> IngestReport:
        """As ``Solution.retry``."""
        return self._run_job("failures/retry", None, bool)

    def remove(self, keys: Sequence[str]) -> int:
        """As ``Solution.remove``; of more than 1,000 keys the first may be removed when a later one is unknown."""
        unique = list(dict.fromkeys(map(replace_surrogates, keys)))
        replies = [self._server.request("DELETE", "items", {"keys": part}) for part in iter_slices(unique, _MAX_KEYS)]
        return sum(int(reply["removed"]) for reply in replies)

    def _run_job(self, route: str, options: Any, on_progress: OnJob) -> IngestReport:
        job = self._server.run_job(route, options, on_progress)
        details = {name: job[name] for name in ("warnings", "skip_reasons", "gate")}
        report = IngestReport(self.name, **{name: job[name] for name in _COUNTS}, **details)
        report.took(job["seconds"])
        return report
