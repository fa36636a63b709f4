"""Responses with an item's content: a media file in ranges, an SVG, a text. Only indexed items are served."""

from __future__ import annotations

import errno
import mimetypes
import re
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, unquote, urlsplit

from fastapi import Request, Response
from starlette.responses import StreamingResponse

from vicinal.server.api_errors import ApiError
from vicinal.types import Rendering

__all__ = ["content_response", "path_from_file_uri", "svg_response"]

_CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_COLOR = re.compile(r"[0-9a-fA-F]{6}")
_MEDIA_TYPES = {
    ".avif": "image/avif",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".mkv": "video/x-matroska",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".wav": "audio/wav",
    ".webp": "image/webp",
}
_SANDBOX_CSP = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def path_from_file_uri(uri: str) -> Path | None:
    """Return the file that a ``file:`` URI names; None for any other URI, and for a part of a file."""
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc or parts.fragment or parts.query:
        return None
    return Path(unquote(parts.path))


def content_response(request: Request, key: str, rendering: Rendering, color: str | None = None) -> Response:
    """Create the response with what an item is shown by.

    Raises:
        ApiError: 404, its file is gone; 416, the range is outside of it; 503, too many files are open.
    """
    if rendering.kind == "svg":
        return svg_response(rendering.value, color)
    if rendering.kind == "text":
        return Response(
            rendering.value.encode(errors="replace"),
            headers={"X-Content-Type-Options": "nosniff", "Content-Security-Policy": _SANDBOX_CSP},
            media_type="text/plain; charset=utf-8",
        )
    return _file_response(request, key, Path(rendering.value))


def svg_response(svg: str, color: str | None = None) -> Response:
    """Create the response with an SVG; ``color`` (six hexadecimal digits) replaces ``currentColor`` in it.

    A page shows it by ``<img>``, which runs no script; opened by itself, the sandbox of its policy runs none either.
    """
    if color is not None:
        if not _COLOR.fullmatch(color):
            raise ApiError(422, "color: six hexadecimal digits are wanted, as e6e6e6")
        svg = svg.replace("currentColor", f"#{color}")
    if 'xmlns="http://www.w3.org/2000/svg"' not in svg and "xmlns='http://www.w3.org/2000/svg'" not in svg:
        svg = svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": _SANDBOX_CSP,
        "Vary": "Authorization, Cookie",
    }
    return Response(svg.encode(), headers=headers, media_type="image/svg+xml")


def _file_response(request: Request, key: str, path: Path) -> Response:
    try:
        file = path.open("rb")
        status = path.stat()
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE):
            raise ApiError(503, "too many files are open", hint="ask again in a moment") from None
        raise ApiError(404, f"the file of {key[:200]!r} is gone", hint="the next ingest will notice it") from None
    version = blake2b(f"{path}\0{status.st_mtime_ns}\0{status.st_size}".encode(), digest_size=12).hexdigest()
    etag = f'"{version}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": _SANDBOX_CSP,
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(_download_name(key), safe='')}",
    }
    if etag in (part.strip() for part in request.headers.get("if-none-match", "").split(",")):
        file.close()
        return Response(status_code=304, headers=headers)
    try:
        start, end, code = _parse_range(request, etag, status.st_size)
    except ApiError:
        file.close()
        raise
    if code == 206:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{status.st_size}"
    headers["Content-Length"] = str(end - start)
    return _RangeResponse(file, start, end, code, headers, _media_type(path))


class _RangeResponse(StreamingResponse):
    """A range of a file, which is closed also if the client disconnects."""

    def __init__(self, file: BinaryIO, start: int, end: int, code: int, headers: dict[str, str], kind: str) -> None:
        super().__init__(_read_chunks(file, start, end), code, headers, media_type=kind)
        self._file = file

    async def __call__(self, *asgi: Any) -> None:
        try:
            await super().__call__(*asgi)
        finally:
            self._file.close()


def _parse_range(request: Request, etag: str, size: int) -> tuple[int, int, int]:
    """Return start, end (exclusive) and status. Several ranges in one request are answered with the whole file."""
    match = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if match is None or match[0] == "bytes=-" or request.headers.get("if-range", etag) != etag:
        return 0, size, 200
    first, last = match[1][:19], match[2][:19]
    if first == "":
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
    if start >= end:
        raise ApiError(
            416,
            f"the content has {size} bytes, none in the range asked for",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, end, 206


def _read_chunks(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    file.seek(start)
    while start < end and (chunk := file.read(min(_CHUNK, end - start))):
        start += len(chunk)
        yield chunk


def _media_type(path: Path) -> str:
    """Return the media type by the file's suffix; anything that a browser might run is ``application/octet-stream``."""
    suffix = path.suffix.lower()
    media_type = _MEDIA_TYPES.get(suffix) or mimetypes.types_map.get(suffix, "")
    is_safe = media_type.partition("/")[0] in ("image", "audio", "video") and "svg" not in media_type
    return media_type if is_safe else "application/octet-stream"


def _download_name(key: str) -> str:
    return key.rpartition("/")[2][-150:] or "content"
