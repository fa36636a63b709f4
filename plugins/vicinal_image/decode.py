"""Loads any image that Pillow reads, as RGB: upright, on white, its first frame, and never a decompression bomb."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vicinal import ItemError
from vicinal_image import jpeg
from vicinal_image.color import find_transform, to_rgb
from vicinal_image.formats import File, open_image, require_pixels, require_supported
from vicinal_image.repair import read_png_profile, repair_image

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image as Pillow

__all__ = ["MAX_PIXELS", "load_image", "load_image_downscaled"]

T = TypeVar("T")

MAX_PIXELS = 89_478_485
"""Above so many pixels (256 MiB of RGB) Pillow itself warns of a decompression bomb."""

_PLAIN_REASONS = {
    "broken data stream when reading image file": "its data cannot be decoded",
    "could not create decoder object": "its data cannot be decoded",
    "unrecognized data stream contents when reading image file": "its data cannot be decoded",
}
_EXIF_ORIENTATION = 0x0112
_EXIF_TRANSPOSES = (
    "FLIP_LEFT_RIGHT",
    "ROTATE_180",
    "FLIP_TOP_BOTTOM",
    "TRANSPOSE",
    "ROTATE_270",
    "TRANSVERSE",
    "ROTATE_90",
)
"""By EXIF orientation, from 2 to 8."""
_IGNORE_PILLOW = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_filters_lock = threading.Lock()
_active_loads = 0


def load_image(content: Any, *, max_pixels: int = MAX_PIXELS) -> Pillow.Image:
    """Load an image: the path of a file, its bytes, or an image of Pillow.

    An image whose header states more than ``max_pixels`` is refused before anything is decoded.

    Raises:
        ItemError: it cannot be loaded; the message is a reason for people.
    """
    return _load_decoded(content, max_pixels, lambda image, _: _decode_upright(image))


def load_image_downscaled(content: Any, min_side: int, *, max_pixels: int = MAX_PIXELS) -> Pillow.Image | np.ndarray:
    """Do the same in less time: a JPEG at 1/2, 1/4 or 1/8, while its shorter side keeps ``min_side`` pixels.

    Most JPEGs come as their pixels, ``(height, width, 3)`` uint8.
    """

    def decode(image: Pillow.Image, file: File) -> Pillow.Image | np.ndarray:
        from PIL import Image

        transpose = _find_exif_transpose(image) if image.format == "JPEG" else None
        pixels = jpeg.decode_pixels(image, file, min_side)
        if pixels is not None:
            transform = find_transform(image.info.get("icc_profile"), "RGB")
            if transpose is None and transform is None:
                return pixels
            rgb = Image.fromarray(pixels) if transform is None else transform.apply(Image.fromarray(pixels))
            return rgb if transpose is None else rgb.transpose(transpose)
        if image.format in ("JPEG", "MPO"):
            image.draft(None, (min_side, min_side))
        return _decode_upright(image)

    return _load_decoded(content, max_pixels, decode)


def _load_decoded(content: Any, max_pixels: int, decode: Callable[[Pillow.Image, File], T]) -> Pillow.Image | T:
    with _suppress_pillow_warnings():
        if _is_pillow_image(content):
            with _errors_as_item_error():
                return _decode_upright(_require_decodable(content, max_pixels))
        with _open_file(content) as file:
            try:
                with _errors_as_item_error():
                    return decode(_require_decodable(open_image(file, max_pixels), max_pixels), file)
            except ItemError as error:
                repaired = None if error.__cause__ is None else _open_repaired(file, max_pixels)
                if repaired is None:
                    raise
            with _errors_as_item_error():
                return decode(*repaired)


def _open_repaired(file: File, max_pixels: int) -> tuple[Pillow.Image, File] | None:
    """Open a file that Pillow has refused without what is in its way; None where nothing can be done."""
    file.seek(0)
    data = file.read()
    with _errors_as_item_error():
        repaired = repair_image(data, max_pixels)
        if repaired is None:
            return None
        image = _require_decodable(open_image(BytesIO(repaired), max_pixels), max_pixels)
    if profile := read_png_profile(data):
        image.info["icc_profile"] = profile
    return image, BytesIO(repaired)


def _require_decodable(image: Pillow.Image, max_pixels: int) -> Pillow.Image:
    require_supported(image)
    require_pixels(image.size, max_pixels)
    return image


@contextmanager
def _errors_as_item_error() -> Iterator[None]:
    try:
        yield
    except ItemError:
        raise
    except Exception as error:  # each of Pillow's forty decoders fails in ways of its own
        raise ItemError(_describe_error(error)) from error


def _is_pillow_image(content: Any) -> bool:
    from PIL import Image

    return isinstance(content, Image.Image)


def _open_file(content: Any) -> File:
    if isinstance(content, bytes | bytearray | memoryview):
        if not len(content):
            raise ItemError("the image is empty: 0 bytes")
        return BytesIO(content)
    if not isinstance(content, str | Path):
        raise ItemError(f"an image is the path of a file, bytes, or an image of Pillow, not {type(content).__name__}")
    if not str(content).strip():
        raise ItemError("the path of the image is empty")
    try:
        file = Path(content).open("rb")  # noqa: SIM115  # the caller closes it
    except FileNotFoundError as error:
        raise ItemError(f"there is no file {content}") from error
    except OSError as error:
        raise ItemError(f"the file cannot be read: {error.strerror}") from error
    except ValueError as error:  # a NUL in the path
        raise ItemError(f"invalid path: {error}") from error
    if not file.peek(1):
        file.close()
        raise ItemError("the file is empty")
    return file


def _decode_upright(image: Pillow.Image) -> Pillow.Image:
    image.load()
    transpose = _find_exif_transpose(image)  # after loading: a PNG's EXIF is at its end, a TIFF is upright by then
    rgb = to_rgb(image)
    return rgb if transpose is None else rgb.transpose(transpose)


def _find_exif_transpose(image: Pillow.Image) -> Pillow.Transpose | None:
    """Return the rotation or reflection that EXIF states, or None where the image is upright."""
    from PIL.Image import Transpose

    try:
        orientation = _read_exif(image).get(_EXIF_ORIENTATION, 1)
    except Exception:  # damaged EXIF does not make the image unreadable
        return None
    return Transpose[_EXIF_TRANSPOSES[orientation - 2]] if orientation in range(2, 9) else None


def _read_exif(image: Pillow.Image) -> Pillow.Exif:
    """Return the EXIF data alone: Pillow's ``getexif`` takes the orientation of XMP where EXIF has none, which browsers
    do not."""
    from PIL import Image

    if not isinstance(image.info.get("exif"), bytes):
        return image.getexif()
    exif = Image.Exif()
    exif.load(image.info["exif"])
    return exif


def _describe_error(error: Exception) -> str:
    """Say for people why an image cannot be decoded; Pillow's own messages are often meant for programmers."""
    from PIL import Image

    first_line = next(iter(str(error).splitlines()), "").strip() or type(error).__name__
    if isinstance(error, Image.DecompressionBombError):
        pixels = re.search(r"\d+", first_line)
        return f"the image has {int(pixels[0]):,} pixels, more than Pillow opens" if pixels else first_line
    if "truncated" in first_line.lower() or isinstance(error, EOFError):
        return "the image is truncated: the file ends before its last pixels"
    if isinstance(error, MemoryError):
        return "not enough memory to decode the image"
    if "libjxl" in first_line:  # a bound library's advice to programmers
        first_line = "broken data stream when reading image file"
    return f"the image is damaged: {_PLAIN_REASONS.get(first_line, first_line)}"


@contextmanager
def _suppress_pillow_warnings() -> Iterator[None]:
    """Keep Pillow's warnings from the user: what matters about an image becomes a reason.

    ``warnings.catch_warnings`` is not thread-safe, so the filter is reference-counted: added by the first load, removed
    by the last. No other filter is touched.
    """
    global _active_loads
    with _filters_lock:
        _active_loads += 1
        if _IGNORE_PILLOW not in warnings.filters:
            warnings.filters.insert(0, _IGNORE_PILLOW)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        with _filters_lock:
            _active_loads -= 1
            if not _active_loads and _IGNORE_PILLOW in warnings.filters:
                warnings.filters.remove(_IGNORE_PILLOW)  # type: ignore[attr-defined]
