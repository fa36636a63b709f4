"""An item's content as bytes: a media file in ranges, a drawing, a text. Never anything but what was indexed."""

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

__all__ = ["content", "drawing", "path_of"]

_CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_COLOR = re.compile(r"[0-9a-fA-F]{6}")
_MORE_TYPES = {
    ".avif": "image/avif",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".mkv": "video/x-matroska",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".wav": "audio/wav",
    ".webp": "image/webp",
}
_SAFE = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def path_of(uri: str) -> Path | None:
    """The file that a ``file:`` URI names; None for any other, and for a part of a file."""
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc or parts.fragment or parts.query:
        return None
    return Path(unquote(parts.path))


def content(request: Request, key: str, rendering: Rendering, color: str | None = None) -> Response:
    """What an item is shown by.

    Raises:
        Problem: 404, its file is gone; 416, the range lies outside of it; 503, too many files are open.
    """
    if rendering.kind == "svg":
        return drawing(rendering.value, color)
    if rendering.kind == "text":
        return Response(
            rendering.value.encode(errors="replace"),
            headers={"X-Content-Type-Options": "nosniff", "Content-Security-Policy": _SAFE},
            media_type="text/plain; charset=utf-8",
        )
    return _file(request, key, Path(rendering.value), rendering.kind)


def drawing(svg: str, color: str | None = None) -> Response:
    """A drawing; a page shows it as a picture, which runs no script. ``color`` is what ``currentColor`` means in it."""
    if color is not None:
        if not _COLOR.fullmatch(color):
            raise ApiError(422, "color: six hexadecimal digits are wanted, as e6e6e6")
        svg = svg.replace("currentColor", f"#{color}")
    if 'xmlns="http://www.w3.org/2000/svg"' not in svg and "xmlns='http://www.w3.org/2000/svg'" not in svg:
        svg = svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": _SAFE, "Vary": "Authorization, Cookie"}
    return Response(svg.encode(), headers=headers, media_type="image/svg+xml")


def _file(request: Request, key: str, path: Path, kind: str) -> Response:
    try:
        file = path.open("rb")
        status = path.stat()
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE):
            raise ApiError(503, "too many files are open", hint="ask again in a moment") from None
        raise ApiError(404, f"the file of {key[:200]!r} is gone", hint="the next ingest will notice it") from None
    mark = blake2b(f"{path}\0{status.st_mtime_ns}\0{status.st_size}".encode(), digest_size=12).hexdigest()
    etag = f'"{mark}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": _SAFE,
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(_name(key), safe='')}",
    }
    if etag in (part.strip() for part in request.headers.get("if-none-match", "").split(",")):
        file.close()
        return Response(status_code=304, headers=headers)
    try:
        start, end, code = _range(request, etag, status.st_size)
    except ApiError:
        file.close()
        raise
    if code == 206:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{status.st_size}"
    headers["Content-Length"] = str(end - start)
    return _Part(file, start, end, code, headers, _type(path, kind))


class _Part(StreamingResponse):
    """A part of a file, which is closed whether it was read or the client left before."""

    def __init__(self, file: BinaryIO, start: int, end: int, code: int, headers: dict[str, str], kind: str) -> None:
        super().__init__(_chunks(file, start, end), code, headers, media_type=kind)
        self._file = file

    async def __call__(self, *asgi: Any) -> None:
        try:
            await super().__call__(*asgi)
        finally:
            self._file.close()


def _range(request: Request, etag: str, size: int) -> tuple[int, int, int]:
    """First byte, the one after the last, and the status. Several ranges at once are answered with all of it."""
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


def _chunks(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    file.seek(start)
    while start < end and (chunk := file.read(min(_CHUNK, end - start))):
        start += len(chunk)
        yield chunk


def _type(path: Path, kind: str) -> str:
    """The media type by the file's name, if it is of the kind that the encoder says; a browser runs none of them."""
    suffix = path.suffix.lower()
    found = _MORE_TYPES.get(suffix) or mimetypes.types_map.get(suffix, "")
    safe = found.partition("/")[0] in ("image", "audio", "video") and "svg" not in found
    return found if safe else "application/octet-stream"


def _name(key: str) -> str:
    return key.rpartition("/")[2][-150:] or "content"
