"""Searches that a server answers: requests as its API takes them, and its answers as results."""

from __future__ import annotations

import json
import mimetypes
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vicinal.errors import ItemError
from vicinal.solution.api_client import ApiResponseError
from vicinal.solution.remote_server import RemoteServer
from vicinal.toolkit.slices import iter_slices
from vicinal.types import Hit, SearchRequest, SearchResult, TextQuery

__all__ = ["RemoteSearcher", "replace_surrogates"]

_MAX_QUERIES = 64
"""In one call; a server takes 256 by default."""
_HIT_FIELDS = ("key", "rank", "distance", "similarity", "uri", "metadata", "content", "segment", "score", "note")


class RemoteSearcher:
    """Searches a solution through its server."""

    def __init__(self, server: RemoteServer) -> None:
        self._server = server
        self._query = server.query

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
        return _to_result(self._server.request("POST", "search", query | body))

    def search(self, requests: Sequence[SearchRequest]) -> list[SearchResult]:
        """The results in the order of the requests, which are equal but for the query.

        Requests without a query, or by a file, are sent one by one, the others together.

        Raises:
            ItemError, FilterError, VicinalError: as ``Solution.search`` does.
        """
        results: dict[int, SearchResult] = {}
        typed: list[int] = []
        for number, request in enumerate(requests):
            if request.query is None:
                results[number] = _to_result(self._server.request("POST", "search", self._to_options(request)))
            elif (file := self._find_file(request.query)) is not None:
                results[number] = self._search_by_file(file, request)
            else:
                typed.append(number)
        for part in iter_slices(typed, _MAX_QUERIES):
            found = self._search_together([requests[number] for number in part])
            results |= dict(zip(part, found, strict=True))
        return [results[number] for number in range(len(requests))]

    def _search_by_file(self, file: Path, request: SearchRequest) -> SearchResult:
        query, options = request.query or file, self._to_options(request)
        fields = {name: value if isinstance(value, str) else json.dumps(value) for name, value in options.items()}
        try:
            document = self._server.upload("search", file, fields)
        except ApiResponseError as error:
            located = (error.body.get("errors") or [""])[0]
            if not located.startswith("file: "):
                raise error.to_vicinal_error() from None
            message = located.removeprefix("file: ").replace("the file", str(query), 1)
            raise _name_query(ItemError(message, error.body.get("hint", "")), query) from None
        return _to_result(document)

    def _search_together(self, requests: Sequence[SearchRequest]) -> list[SearchResult]:
        queries = [self._to_api_query(str(request.query)) for request in requests]
        body = {"queries": queries, **self._to_options(requests[0])}
        return [_to_result(result) for result in self._server.request("POST", "search", body)["results"]]

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
        return self._to_api_query(str(example))

    def _to_api_query(self, query: str) -> str:
        """A typed query as the API takes it, which takes all for sentences where files can be queries, too."""
        return replace_surrogates(query.removeprefix(TextQuery.PREFIX) if self._query["file"] else query)

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


def replace_surrogates(text: str) -> str:
    """The text without the bytes of an argument that are not UTF-8, which JSON cannot hold."""
    return text.encode(errors="replace").decode()


def _to_result(document: Mapping[str, Any]) -> SearchResult:
    hits = [Hit(**{name: hit[name] for name in _HIT_FIELDS}) for hit in document["hits"]]
    return SearchResult(hits, document["timings_ms"])


def _name_query(error: ItemError, query: str | Path) -> ItemError:
    from vicinal.search.query_encoder import name_query

    return name_query(error, query)
