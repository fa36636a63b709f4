"""A solution whose embedded Milvus another process, a server, holds: it is searched and filled through that server."""

from __future__ import annotations

import json
import mimetypes
import os
import re
import time
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode

import numpy as np

from vicinal.config import SolutionConfig, load_config
from vicinal.errors import ItemError, StoreBusyError, VicinalError
from vicinal.plugin.manager import create_manager
from vicinal.solution.api_client import ApiClient, ApiResponseError, ServerUnreachableError, to_vicinal_error
from vicinal.solution.checksum import config_checksum
from vicinal.solution.promotion.report import PromotionReport
from vicinal.solution.promotion.targets import choose_stores
from vicinal.stores.milvus_lite_lock import LockHolder
from vicinal.stores.records import Record
from vicinal.types import Hit, IngestReport, Modality, Rendering, SearchRequest, SearchResult, TextQuery

if TYPE_CHECKING:
    from vicinal.solution.solution import Solution

__all__ = ["RemoteSolution", "find_remote", "open_solution"]

_CONNECT_SECONDS = 10.0
_FIRST_POLL_SECONDS, _MAX_POLL_SECONDS = 0.05, 0.5
_MAX_QUERIES = 64
"""In one call; a server takes 256 by default."""
_MAX_KEYS = 1_000
"""In one call; a server takes no more."""
_HIT_FIELDS = ("key", "rank", "distance", "similarity", "uri", "metadata", "content", "segment", "score", "note")
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
        self._client = ApiClient(holder.url or "", api_key, _CONNECT_SECONDS)
        served = self._find_solution(config, holder, has_key=bool(api_key), by_any_config=by_any_config)
        self._query = served["query"]
        self._client.timeout = 10 * _CONNECT_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open: each request has a connection of its own."""

    def render(self, found: Hit) -> Rendering:
        """The hit's excerpt; how an encoder shows an item, only its own process can tell."""
        return Rendering("text", found.excerpt or "")

    def _find_solution(
        self, config: SolutionConfig, holder: LockHolder, *, has_key: bool, by_any_config: bool
    ) -> Mapping[str, Any]:
        """What the server says of this solution, if it serves it with this configuration."""
        try:
            served = self._client.request("GET", "/api/solutions")["solutions"]
        except ApiResponseError as error:
            if error.status != 401:
                raise error.to_vicinal_error() from None
            reason = "does not accept the key in VICINAL_API_KEY" if has_key else "wants an API key"
            raise _busy_error(config, holder, reason, "set VICINAL_API_KEY to one of its keys") from None
        found: Mapping[str, Any] | None = next((one for one in served if one["name"] == self.name), None)
        if found is None:
            raise _busy_error(config, holder, f"does not serve {self.name!r}", "stop the server first")
        if found.get("checksum") != self._checksum and not by_any_config:
            reason = f"serves another configuration of {self.name!r}"
            hint = (
                "`vicinal reindex` has it use the YAML as it is now, where the encoder or fields have changed; else"
                " restart the server"
            )
            raise _busy_error(config, holder, reason, hint)
        return found

    def _request(self, method: str, route: str, body: Any = None) -> Any:
        try:
            return self._client.request(method, f"/api/{self.name}/{route}", body)
        except ApiResponseError as error:
            raise error.to_vicinal_error() from None

    # --- reading

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What it can be searched with; the first is what its items are."""
        return tuple(Modality(**modality) for modality in self._query["modalities"])

    def suggest_queries(self, prefix: str = "", limit: int = 10) -> list[str]:
        """As ``Solution.suggest_queries``."""
        query = urlencode({"prefix": prefix, "limit": limit})
        return [str(one) for one in self._request("GET", f"suggestions?{query}")["queries"]]

    def search_typed(self, request: SearchRequest) -> SearchResult:
        """As ``Solution.search_typed``: the server takes no query for the path of a file."""
        body = {
            "limit": request.limit,
            "filter": request.filter,
            "like": request.like,
            "unlike": request.unlike,
            "min_similarity": request.min_similarity,
            "diversity": request.diversity,
        }
        query = {} if request.query is None else {"query": request.query}
        return _to_result(self._request("POST", "search", query | body))

    def get_record(self, key: str) -> Record:
        """As ``Solution.get_record``."""
        item = self._request("GET", f"items/{quote(key, safe='')}?whole=true")
        return Record(item["key"], item["uri"], item["content"], item["metadata"])

    def status(self) -> dict[str, Any]:
        """As ``Solution.status``."""
        found: dict[str, Any] = self._request("GET", "stats")
        return found

    def search_once(
        self, requests: Sequence[SearchRequest], clock: Callable[[], float] = time.perf_counter
    ) -> tuple[list[SearchResult], dict[str, float]]:
        """As ``Solution.search_once``; the server's stores are connected and its model is loaded, which takes no time.

        Requests without a query, or by a file, are sent one by one, the others together: they are equal but for it.

        Raises:
            ItemError, FilterError, VicinalError: as ``Solution.search`` does.
        """
        results: dict[int, SearchResult] = {}
        typed: list[int] = []
        for number, request in enumerate(requests):
            if request.query is None:
                results[number] = _to_result(self._request("POST", "search", self._to_options(request)))
            elif (file := self._find_file(request.query)) is not None:
                results[number] = self._search_file(file, request)
            else:
                typed.append(number)
        for start in range(0, len(typed), _MAX_QUERIES):
            part = typed[start : start + _MAX_QUERIES]
            found = self._search_typed([requests[number] for number in part])
            results |= dict(zip(part, found, strict=True))
        return [results[number] for number in range(len(requests))], {"stores": 0.0, "model": 0.0}

    def _to_options(self, request: SearchRequest) -> dict[str, Any]:
        """The fields of the API's request beside the query.

        Raises:
            ItemError: an example is a file, which only the process that holds the stores can read.
        """
        options = {
            "limit": request.limit,
            "filter": request.filter,
            "item_filters": dict(request.item_filters),
            "like": [self._to_api_example(example) for example in request.like],
            "unlike": [self._to_api_example(example) for example in request.unlike],
            "min_similarity": request.min_similarity,
            "diversity": request.diversity,
        }
        return {name: value for name, value in options.items() if value is not None}

    def _to_api_example(self, example: str | Path) -> str:
        if self._find_file(example) is not None:
            raise ItemError(
                f"{example}: a file cannot be an example while a server holds the solution's Milvus",
                hint="search by it as QUERY, name an indexed item as @key, or stop the server",
            )
        return _to_api_query(str(example), self._query)

    def _find_file(self, query: str | Path) -> Path | None:
        """The file that a query is; None where it is typed, or ``@key`` of an indexed item.

        Raises:
            ItemError: it can only be a file, and there is none.
        """
        text = str(query)
        if not self._query["file"] or text.startswith(("@", "\\@")):
            return None
        is_file = os.path.isfile(text)  # noqa: PTH113, since Path.is_file raises for a name that is too long
        if not self._query["text"]:
            if not is_file:
                raise ItemError(f"there is no file {text}")
            return Path(text)
        if text.startswith(TextQuery.PREFIX):
            return None
        media_type = mimetypes.guess_type(text)[0] or ""
        if not is_file and f"{media_type.partition('/')[0]}/*" in self._query["accept"] and not re.search(r"\s", text):
            raise ItemError(f"there is no file {text}; write {TextQuery.PREFIX}{text} if that is a sentence")
        return Path(text) if is_file else None

    def _search_file(self, file: Path, request: SearchRequest) -> SearchResult:
        query, options = request.query or file, self._to_options(request)
        fields = {name: value if isinstance(value, str) else json.dumps(value) for name, value in options.items()}
        try:
            document = self._client.upload(f"/api/{self.name}/search", file, fields)
        except ApiResponseError as error:
            located = (error.body.get("errors") or [""])[0]
            if not located.startswith("file: "):
                raise error.to_vicinal_error() from None
            message = located.removeprefix("file: ").replace("the file", str(query), 1)
            raise _name_query(ItemError(message, error.body.get("hint", "")), query) from None
        return _to_result(document)

    def _search_typed(self, requests: Sequence[SearchRequest]) -> list[SearchResult]:
        queries = [_to_api_query(str(request.query), self._query) for request in requests]
        body = {"queries": queries, **self._to_options(requests[0])}
        return [_to_result(result) for result in self._request("POST", "search", body)["results"]]

    def fetch_rows(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """As ``Solution.fetch_rows``, with vectors as ``vicinal export`` writes them."""
        rows: list[dict[str, Any]] = self._request("POST", "rows", {"ids": list(ids)})["rows"]
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
        on_progress: Callable[[Mapping[str, Any]], object] = bool,
    ) -> IngestReport:
        """As ``Solution.ingest``; ``on_progress`` gets the server's job again and again.

        Raises:
            KeyboardInterrupt: Ctrl-C; the job is cancelled, and finished batches are kept.
            VicinalError: as ``Solution.ingest`` does, or the job was cancelled at the server.
        """
        return self._run("ingest", {"prune": prune, "limit": limit, "force": force}, on_progress)

    def reindex(
        self, options: Mapping[str, Any] | None = None, *, on_progress: Callable[[Mapping[str, Any]], object] = bool
    ) -> IngestReport:
        """As ``Solution.reindex``, with the options of the API; ``on_progress`` gets the job again and again.

        Raises:
            StoreBusyError: the server reads another YAML.
        """
        return self._run("reindex", {"checksum": self._checksum, **(options or {})}, on_progress)

    def rollback(self) -> dict[str, Any]:
        """As ``Solution.rollback``."""
        report = self._run("reindex", {"action": "rollback"}, bool)
        status = self.status()
        found = {name: status[name] for name in ("solution", "generation", "items", "previous")}
        return {**found, "warnings": report.warnings}

    def drop_old(self) -> bool:
        """As ``Solution.drop_old``."""
        return self._run("reindex", {"action": "drop_old"}, bool).removed > 0

    def drop_new(self) -> bool:
        """As ``Solution.drop_new``."""
        return self._run("reindex", {"action": "drop_new"}, bool).removed > 0

    def promote(
        self,
        milvus: str,
        redis: str = "",
        *,
        token: str | None = None,
        queries: int = 100,
        hand_over: bool = False,
        on_job: Callable[[Mapping[str, Any]], object] = bool,
    ) -> PromotionReport:
        """As ``Solution.promote``; ``on_job`` gets the server's job again and again."""
        stores = choose_stores(self.config.stores, milvus, redis, token)
        body = {"milvus": stores.milvus, "redis": stores.redis, "token": token, "secret": self._secret}
        job = self._run_job("promotion", {**body, "queries": queries, "hand_over": hand_over}, on_job)
        return PromotionReport.from_dict(job["promotion"])

    def release(self) -> bool:
        """As ``Solution.release``."""
        return bool(self._request("POST", "promotion/release", {"secret": self._secret})["released"])

    def retry(self) -> IngestReport:
        """As ``Solution.retry``."""
        return self._run("failures/retry", None, bool)

    def remove(self, keys: Sequence[str]) -> int:
        """As ``Solution.remove``; of more than 1,000 keys the first may be removed when a later one is unknown."""
        unique = list(dict.fromkeys(map(_replace_surrogates, keys)))
        parts = [unique[start : start + _MAX_KEYS] for start in range(0, len(unique), _MAX_KEYS)]
        return sum(int(self._request("DELETE", "items", {"keys": part})["removed"]) for part in parts)

    def _run(self, route: str, options: Any, on_progress: Callable[[Mapping[str, Any]], object]) -> IngestReport:
        job = self._run_job(route, options, on_progress)
        details = {name: job[name] for name in ("warnings", "skip_reasons", "gate")}
        report = IngestReport(self.name, **{name: job[name] for name in _COUNTS}, **details)
        report.took(job["seconds"])
        return report

    def _run_job(
        self, route: str, options: Any, on_progress: Callable[[Mapping[str, Any]], object]
    ) -> Mapping[str, Any]:
        """The job that this starts, as it has ended well."""
        job: Mapping[str, Any] = self._request("POST", route, options)
        try:
            job = self._wait_for_end(job, on_progress)
        except KeyboardInterrupt:
            with suppress(VicinalError):  # it may just have ended
                self._request("DELETE", f"ingest/{job['id']}")
                self._wait_for_end(job, on_progress)
            raise
        if job["state"] == "failed":
            raise to_vicinal_error(job["error_type"], job["error"], job["hint"])
        if job["state"] == "cancelled":
            raise VicinalError(
                f"the server at {self._client.url} has cancelled the run; finished batches are kept",
                hint="run the same command again to continue",
            )
        return job

    def _wait_for_end(
        self, job: Mapping[str, Any], on_progress: Callable[[Mapping[str, Any]], object]
    ) -> Mapping[str, Any]:
        """The job as it has ended."""
        pause = _FIRST_POLL_SECONDS
        while job["state"] in ("running", "cancelling"):
            on_progress(job)
            time.sleep(pause)
            pause = min(1.5 * pause, _MAX_POLL_SECONDS)
            job = self._request("GET", f"ingest/{job['id']}")
        on_progress(job)
        return job


def _busy_error(config: SolutionConfig, holder: LockHolder, reason: str, hint: str) -> StoreBusyError:
    return StoreBusyError(
        f"{config.stores.milvus} is in use by {holder.process}, and its server at {holder.url} {reason}", hint=hint
    )


def _to_api_query(query: str, modes: Mapping[str, Any]) -> str:
    """A typed query as the API takes it: where files can be queries too, it takes what it is sent for a sentence."""
    return _replace_surrogates(query.removeprefix(TextQuery.PREFIX) if modes["file"] else query)


def _replace_surrogates(text: str) -> str:
    """The text without the bytes of an argument that are not UTF-8, which JSON cannot hold."""
    return text.encode(errors="replace").decode()


def _to_result(document: Mapping[str, Any]) -> SearchResult:
    hits = [Hit(**{name: hit[name] for name in _HIT_FIELDS}) for hit in document["hits"]]
    return SearchResult(hits, document["timings_ms"])


def _name_query(error: ItemError, query: str | Path) -> ItemError:
    from vicinal.search.query_encoder import name_query

    return name_query(error, query)
