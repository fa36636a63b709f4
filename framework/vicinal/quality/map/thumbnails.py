"""Small pictures of items as data URIs, of bounded size in all: images, a frame of videos, drawings (SVG)."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from vicinal.quality.sample import to_item
from vicinal.solution.solution import Solution
from vicinal.stores.records import Record
from vicinal.toolkit.slices import iter_slices
from vicinal.types import Rendering

__all__ = ["MAX_BYTES", "make_thumbnails"]

MAX_BYTES = 16 * 1024 * 1024
"""Of all data URIs together."""
_SIDE = 120
_MAX_SVG_BYTES = 64 * 1024
_THREADS = 4
_CONTAINERS = "apng,asf,avi,flv,gif,matroska,mov,mpeg,mpegts,ogg"


def make_thumbnails(solution: Solution, records: Sequence[Record], max_bytes: int = MAX_BYTES) -> list[str]:
    """A data URI for each item, empty for those that have no picture, and for the rest once ``max_bytes`` are used.

    Pictures are WebP, 120 pixels at most; of a video it is the frame after a third.
    """
    made: list[str] = []
    used = 0
    with ThreadPoolExecutor(_THREADS) as pool:
        for part in iter_slices(records, 16 * _THREADS):
            for uri in pool.map(lambda record: _make_thumbnail(solution, record), part):
                fits = used + len(uri) <= max_bytes
                used += len(uri) if fits else max_bytes  # after the first that does not fit, none does
                made.append(uri if fits else "")
            if used > max_bytes:
                break
    return made + [""] * (len(records) - len(made))


def _make_thumbnail(solution: Solution, record: Record) -> str:
    """The data URI of one item; empty where it cannot be shown, which is no reason to have no map."""
    rendering = solution.render(to_item(record))
    try:
        return _to_data_uri(rendering)
    except Exception:  # a file that is gone or damaged, a package that is missing
        return ""


def _to_data_uri(rendering: Rendering) -> str:
    if rendering.kind == "svg":
        data = rendering.value.encode()
        return _encode_data_uri("image/svg+xml", data) if len(data) <= _MAX_SVG_BYTES else ""
    if rendering.kind == "image":
        return _shrink_image(Path(rendering.value))
    if rendering.kind == "video":
        return _encode_picture(_read_frame(Path(rendering.value)))
    return ""


def _encode_data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{b64encode(data).decode()}"


def _shrink_image(path: Path) -> str:
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        image.draft("RGB", (2 * _SIDE, 2 * _SIDE))  # a JPEG is decoded at a fraction of its size
        return _encode_picture(ImageOps.exif_transpose(image))


def _encode_picture(image: Any) -> str:
    from PIL import Image

    image.thumbnail((_SIDE, _SIDE))
    image = image.convert("RGBA")
    ground = Image.new("RGBA", image.size, "white")
    ground.alpha_composite(image)
    target = io.BytesIO()
    ground.convert("RGB").save(target, "WEBP", quality=60)
    return _encode_data_uri("image/webp", target.getvalue())


def _read_frame(path: Path) -> Any:
    from vicinal.toolkit.ffmpeg import decode_frames, open_container

    with open_container(path, _CONTAINERS) as container:
        if container.duration:
            container.seek(container.duration // 3)
        return next(decode_frames(container, container.streams.video[0])).to_image()
