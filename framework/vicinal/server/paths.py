"""Paths of the API as clients see them: below the path prefix of a proxy, if there is one."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import Request

__all__ = ["content_path", "job_path", "root_path"]


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
