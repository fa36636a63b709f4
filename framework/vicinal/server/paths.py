"""Paths of the API as clients see them: below the path prefix of a proxy, if there is one, and percent-encoded."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from fastapi import Request
from starlette.routing import Route

__all__ = ["content_path", "find_allowed_methods", "is_content_path", "job_path", "root_path"]


def root_path(request: Request) -> str:
    """Return the prefix, as ``/search``; by default empty."""
    path: str = request.scope.get("root_path", "")
    return path.rstrip("/")


def content_path(request: Request, solution: str, key: str) -> str:
    """Return the path of an item's content."""
    return f"{root_path(request)}/api/{quote(solution, safe='')}/items/{quote(key, safe='')}/content"


def job_path(request: Request, solution: str, id_: str) -> str:
    """Return the path of a job."""
    return f"{root_path(request)}/api/{quote(solution, safe='')}/ingest/{id_}"


def is_content_path(request: Request) -> bool:
    """Return whether the path ends in ``/content``, and is not that of a key that does so, its slash percent-encoded.

    Routes are matched against the decoded path, in which both are the same.
    """
    return _encoded_path(request).endswith("/content")


def find_allowed_methods(request: Request, routes: Sequence[Route]) -> list[str]:
    """Return the methods of all routes for the request's path, and ``HEAD`` where there is ``GET``."""
    path = _encoded_path(request)
    matched = next((route.path for route in routes if route.path_regex.match(path)), None)
    methods = {method for route in routes if route.path == matched for method in route.methods or ()}
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


def _encoded_path(request: Request) -> str:
    path: bytes = request.scope.get("raw_path") or quote(request.scope["path"]).encode()
    return path.decode("latin-1").partition("?")[0].removeprefix(root_path(request))
