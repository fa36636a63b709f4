"""Small copies of media files, to be embedded: a picture's thumbnail, the found moment of a video."""

from __future__ import annotations

import io
import mimetypes
import warnings
from pathlib import Path
from typing import Any, Literal, NamedTuple

__all__ = ["MAX_FILE_BYTES", "Preview", "extract_clip", "make_thumbnail", "preview_media"]

MAX_FILE_BYTES = 512 * 1024
"""A larger sound or video is not embedded: a page with ten of them would have 7 MB."""
_MAX_PIXELS = 100_000_000
_MAX_CLIP_SECONDS = 20.0
_CONTAINERS = {
    **dict.fromkeys((".mp4", ".m4v", ".mov"), ("mp4", "video/mp4")),
    **dict.fromkeys((".m4a", ".aac"), ("mp4", "audio/mp4")),
    **dict.fromkeys((".ogg", ".oga", ".opus"), ("ogg", "audio/ogg")),
    ".webm": ("webm", "video/webm"),
    ".mp3": ("mp3", "audio/mpeg"),
    ".flac": ("flac", "audio/flac"),
    ".wav": ("wav", "audio/wav"),
}
"""Formats that browsers play, and whose parts can be copied without being encoded anew."""


class Preview(NamedTuple):
    """The bytes of a file that browsers show, and its media type."""

    data: bytes
    media_type: str


def preview_media(
    kind: Literal["image", "audio", "video"], path: Path, start: float | None = None, end: float | None = None
) -> Preview | None:
    """The small copy of a media file, of a sound or video only its part from ``start`` to ``end`` in seconds.

    None where there is none: the file is gone, damaged or too large, or the package that reads it is not installed.
    """
    try:
        if kind == "image":
            return make_thumbnail(path)
        clip = None if start is None else extract_clip(kind, path, start, end)
        return clip or _read_whole(kind, path)
    except Exception:  # any library may fail in any way at a file, and the others are still shown
        return None


def make_thumbnail(path: Path, max_side: int = 160) -> Preview:
    """A JPEG of at most ``max_side`` pixels in width and height, or a PNG where the picture is transparent.

    Raises:
        OSError: the file cannot be read.
        ValueError: it has more than 100 million pixels.
    """
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path) as opened:
            if opened.width * opened.height > _MAX_PIXELS:
                raise ValueError(f"{opened.width} x {opened.height} pixels are too many")
            opened.draft("RGB", (2 * max_side, 2 * max_side))  # JPEG alone: decodes an eighth of a large photo
            turned = ImageOps.exif_transpose(opened)
            transparent = turned.has_transparency_data
            small = turned.convert("RGBA" if transparent else "RGB")
    small.thumbnail((max_side, max_side))
    buffer = io.BytesIO()
    if transparent:
        small.save(buffer, "PNG", optimize=True)
        return Preview(buffer.getvalue(), "image/png")
    small.save(buffer, "JPEG", quality=75, optimize=True)
    return Preview(buffer.getvalue(), "image/jpeg")


def extract_clip(kind: Literal["audio", "video"], path: Path, start: float, end: float | None = None) -> Preview | None:
    """A part of a sound or video, of 20 seconds at most, copied packet by packet: nothing is encoded anew.

    It begins at the last key frame before ``start``. None where browsers play no such file, or the part is too large.
    """
    import av

    from vicinal.toolkit.ffmpeg import open_file

    if path.suffix.lower() not in _CONTAINERS:
        return None
    muxer, media_type = _CONTAINERS[path.suffix.lower()]
    end = min(start + _MAX_CLIP_SECONDS, end if end is not None and end > start else start + 3)
    buffer = io.BytesIO()
    with open_file(path) as source:
        stream = getattr(source.streams, kind)[0]
        source.seek(int(start / stream.time_base), stream=stream)
        options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"} if muxer == "mp4" else {}
        with av.open(buffer, "w", format=muxer, options=options) as target:
            _copy_packets(source, stream, target, end)
    return Preview(buffer.getvalue(), media_type) if buffer.tell() <= MAX_FILE_BYTES else None


def _copy_packets(source: Any, stream: Any, target: Any, end: float) -> None:
    copied = target.add_stream_from_template(stream)
    first = None
    for packet in source.demux(stream):
        if packet.dts is None:
            continue
        if first is None:
            first = packet.dts
        if packet.dts * stream.time_base >= end:
            break
        packet.pts, packet.dts = packet.pts - first, packet.dts - first
        packet.stream = copied
        target.mux(packet)


def _read_whole(kind: str, path: Path) -> Preview | None:
    if path.stat().st_size > MAX_FILE_BYTES:
        return None
    default = _CONTAINERS.get(path.suffix.lower(), ("", f"{kind}/*"))[1]
    guessed = mimetypes.guess_type(path.name)[0] or default
    return Preview(path.read_bytes(), guessed if guessed.startswith(f"{kind}/") else default)
