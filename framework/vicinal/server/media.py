"""Responses with an item's content: a media file in ranges, an SVG, a text. Only indexed items are served."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from urllib.parse import quote

from fastapi import Request, Response
from starlette.datastructures import Headers
from starlette.responses import FileResponse
from starlette.staticfiles import NotModifiedResponse
from starlette.types import Message, Receive, Scope, Send

from vicinal.server.api_errors import ApiError
from vicinal.server.media_types import MEDIA_TYPES
from vicinal.types import Rendering

__all__ = ["content_response", "svg_response"]

_COLOR = re.compile(r"[0-9a-fA-F]{6}")
_SANDBOX_CSP = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_SANDBOX_HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": _SANDBOX_CSP}


def content_response(request: Request, key: str, rendering: Rendering, color: str | None = None) -> Response:
    """Create the response with what an item is shown by.

    Raises:
        ApiError: 404, its file is gone; 503, too many files are open.
    """
    if rendering.kind == "svg":
        return svg_response(rendering.value, color)
    if rendering.kind == "text":
        data = rendering.value.encode(errors="replace")
        return Response(data, headers=_SANDBOX_HEADERS, media_type="text/plain; charset=utf-8")
    return _file_response(request, key, Path(rendering.value))


def svg_response(svg: str, color: str | None = None) -> Response:
    """Create the response with an SVG; ``color`` (six hexadecimal digits) replaces ``currentColor`` in it.

    A page shows it by ``<img>``, which runs no script; opened by itself, the sandbox of its policy runs none either.
    """
    if color is not None:
        if not _COLOR.fullmatch(color):
            raise ApiError(422, "color: write six hexadecimal digits, as e6e6e6")
        svg = svg.replace("currentColor", f"#{color}")
    if 'xmlns="http://www.w3.org/2000/svg"' not in svg and "xmlns='http://www.w3.org/2000/svg'" not in svg:
        svg = svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return Response(
        svg.encode(), headers={**_SANDBOX_HEADERS, "Vary": "Authorization, Cookie"}, media_type="image/svg+xml"
    )


def _file_response(request: Request, key: str, path: Path) -> Response:
    _require_readable(key, path)
    headers = {
        **_SANDBOX_HEADERS,
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(_download_name(key), safe='')}",
    }
    media_type = MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream")
    response = _MediaResponse(path, headers=headers, media_type=media_type, stat_result=path.stat())
    known_etags = [etag.strip().removeprefix("W/") for etag in request.headers.get("if-none-match", "").split(",")]
    if response.headers["etag"] not in known_etags:
        return response
    not_modified = NotModifiedResponse(response.headers)
    not_modified.headers.update(_SANDBOX_HEADERS)  # a cache replaces the stored headers by those of a 304
    return not_modified


def _require_readable(key: str, path: Path) -> None:
    """Open the file once: the response has sent its status when it opens the file itself."""
    try:
        if not path.is_file():
            raise FileNotFoundError(path)
        path.open("rb").close()
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE):
            raise ApiError(503, "too many files are open", hint="retry in a moment") from None
        raise ApiError(
            404, f"the file of {key[:200]!r} no longer exists", hint="restore it, or remove the item"
        ) from None


class _MediaResponse(FileResponse):
    """A file or ranges of it; a range outside of the file is an error with the API's body.

    A Range header that cannot be parsed is ignored, as RFC 9110 (14.2) says; starlette would answer 400.
    """

    chunk_size = 256 * 1024

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_checked(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in (400, 416):
                raise _RangeError(message)
            await send(message)

        try:
            await super().__call__(scope, receive, send_checked)
        except _RangeError as error:
            if error.status == 416:
                raise ApiError(416, "the range is outside of the content", headers=error.headers) from None
            headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
            await super().__call__({**scope, "headers": headers}, receive, send)


class _RangeError(Exception):
    """Starlette's response to a range that it refuses, before any of it is sent."""

    def __init__(self, message: Message) -> None:
        self.status: int = message["status"]
        sent = Headers(raw=message["headers"])
        self.headers = {"Content-Range": sent["content-range"]} if "content-range" in sent else {}


def _download_name(key: str) -> str:
    return key.rpartition("/")[2][-150:] or "content"
