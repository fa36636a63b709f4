"""Reading any image that Pillow reads, as RGB: upright, on white, its first frame, and never a bomb."""

from __future__ import annotations

import re
import threading
import warnings
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vicinal import ItemError
from vicinal_image import jpeg

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image as Pillow

__all__ = ["MOST_PIXELS", "read", "read_small"]

T = TypeVar("T")
_File = BytesIO | BufferedReader

MOST_PIXELS = 89_478_485
"""Above so many pixels (256 MiB of RGB) Pillow itself warns of a decompression bomb."""

_PLAINLY = {
    "broken data stream when reading image file": "its data cannot be decoded",
    "could not create decoder object": "its data cannot be decoded",
    "unrecognized data stream contents when reading image file": "its data cannot be decoded",
}
_PROGRAMS = ("EPS", "WMF")  # to draw these, Pillow runs Ghostscript or the system's own interpreter on them
_ORIENTATION = 0x0112
_TURNS = (
    "FLIP_LEFT_RIGHT",
    "ROTATE_180",
    "FLIP_TOP_BOTTOM",
    "TRANSPOSE",
    "ROTATE_270",
    "TRANSVERSE",
    "ROTATE_90",
)
_IGNORE = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_guard = threading.Lock()
_readers = 0


def read(content: Any, *, most_pixels: int = MOST_PIXELS) -> Pillow.Image:
    """Read an image: the path of a file, its bytes, or an image of Pillow.

    Args:
        content: what to read.
        most_pixels: a header that promises more pixels is refused before anything is decoded.

    Raises:
        ItemError: it cannot be read; the reason is for people.
    """
    return _read(content, most_pixels, lambda image, _: _decoded(image))


def read_small(content: Any, least: int, *, most_pixels: int = MOST_PIXELS) -> Pillow.Image | np.ndarray:
    """The same in less time: a JPEG at a half, a quarter or an eighth, while its shorter side keeps ``least`` pixels.

    Most JPEGs come as their pixels, ``(height, width, 3)`` uint8.
    """

    def decoded(image: Pillow.Image, file: _File) -> Pillow.Image | np.ndarray:
        turn = _turn(image) if image.format == "JPEG" else None
        pixels = jpeg.decoded(image, file, least)
        if pixels is not None:
            return pixels if turn is None else _image_of(pixels).transpose(turn)
        if image.format in ("JPEG", "MPO"):
            image.draft(None, (least, least))
        return _decoded(image)

    return _read(content, most_pixels, decoded)


def _read(content: Any, most_pixels: int, decoded: Callable[[Pillow.Image, _File], T]) -> Pillow.Image | T:
    with _quiet():
        try:
            if _is_image(content):
                return _decoded(_checked(content, most_pixels))
            with _opened(content) as file:
                return decoded(_checked(_recognised(file), most_pixels), file)
        except ItemError:
            raise
        except Exception as error:  # each of Pillow's forty decoders fails in ways of its own
            raise ItemError(_reason(error)) from error


def _is_image(content: Any) -> bool:
    from PIL import Image

    return isinstance(content, Image.Image)


def _opened(content: Any) -> _File:
    if isinstance(content, bytes | bytearray | memoryview):
        if not len(content):
            raise ItemError("there are no bytes in it")
        return BytesIO(content)
    if not isinstance(content, str | Path):
        raise ItemError(f"an image is the path of a file, bytes, or an image of Pillow, not {type(content).__name__}")
    if not str(content).strip():
        raise ItemError("the path of the image is empty")
    try:
        file = Path(content).open("rb")  # noqa: SIM115  # the caller closes it
    except FileNotFoundError as error:
        raise ItemError("there is no such file") from error
    except OSError as error:
        raise ItemError(f"the file cannot be read: {error.strerror}") from error
    except ValueError as error:  # a NUL in the path
        raise ItemError(f"the path is none: {error}") from error
    if not file.peek(1):
        file.close()
        raise ItemError("the file is empty")
    return file


def _recognised(file: _File) -> Pillow.Image:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(file)
    except UnidentifiedImageError as error:
        file.seek(0)
        raise ItemError(f"it is no image: {_looks_like(file.read(512))}") from error


def _checked(image: Pillow.Image, most_pixels: int) -> Pillow.Image:
    width, height = image.size
    if width * height > most_pixels:
        raise ItemError(f"it has {width:,} × {height:,} pixels, more than {most_pixels:,} in all")
    if not width * height:
        raise ItemError(f"it has {width} × {height} pixels")
    if image.format in _PROGRAMS:
        raise ItemError(f"{image.format} is a program that draws an image; save it as PNG or JPEG first")
    return image


def _decoded(image: Pillow.Image) -> Pillow.Image:
    image.load()
    turn = _turn(image)  # asked for after loading: a PNG has its EXIF at the end, a TIFF has turned itself by then
    flat = _rgb(image)
    return flat if turn is None else flat.transpose(turn)


def _turn(image: Pillow.Image) -> Pillow.Transpose | None:
    """How EXIF says that the image is to be turned or mirrored."""
    from PIL.Image import Transpose

    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF does not spoil the picture
        return None
    return Transpose[_TURNS[orientation - 2]] if orientation in range(2, 9) else None


def _image_of(pixels: np.ndarray) -> Pillow.Image:
    from PIL import Image

    return Image.fromarray(pixels)


def _rgb(image: Pillow.Image) -> Pillow.Image:
    from PIL import Image

    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_grey(image)).convert("RGB")
    if image.mode == "LAB":
        return _from_lab(image)
    if image.has_transparency_data:
        drawn = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB")
    return image.convert("RGB")


def _grey(image: Pillow.Image) -> Any:
    """Levels of 16 or 32 bits, or in floating point, as eight bits: 16 by their upper half, the others by range."""
    import numpy as np

    levels = np.nan_to_num(np.asarray(image).astype(np.float32), posinf=0.0, neginf=0.0)
    low, peak = min(float(levels.min()), 0.0), float(levels.max())
    if image.mode.startswith("I;16") or image.format == "PPM":
        top = 65_535.0
    else:
        usual = (1.0, 255.0, 65_535.0) if image.mode == "F" else (255.0, 65_535.0)
        top = next((top for top in usual if peak <= top), peak)
    return np.rint((levels - low) * (255.0 / (top - low))).clip(0, 255).astype(np.uint8)


def _from_lab(image: Pillow.Image) -> Pillow.Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert converted is not None
    return converted


def _reason(error: Exception) -> str:
    """Why an image cannot be decoded, by what Pillow says, which is not always meant for those who sent the image."""
    from PIL import Image

    first = next(iter(str(error).splitlines()), "").strip() or type(error).__name__
    if isinstance(error, Image.DecompressionBombError):
        pixels = re.search(r"\d+", first)
        return f"it has {int(pixels[0]):,} pixels, more than Pillow opens" if pixels else first
    if "truncated" in first.lower() or isinstance(error, EOFError):
        return "the image is truncated: its file ends before the picture does"
    if isinstance(error, MemoryError):
        return "there is not enough memory to decode it"
    return f"the image is damaged: {_PLAINLY.get(first, first)}"


def _looks_like(head: bytes) -> str:
    """What the first bytes of a file are, if not an image."""
    if not head.strip(b"\0"):
        return "it begins with zeros"
    try:
        text = getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        text = "\0"
    plain = all(letter.isprintable() or letter.isspace() for letter in text)
    return "it is a text" if plain else "Pillow does not know its format"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Pillow's warnings from the user: what is wrong with an image is a reason, or no matter.

    ``warnings.catch_warnings`` is not for threads: the first of them to enter adds a filter, the last one out takes it
    away, and no other filter is touched.
    """
    global _readers
    with _guard:
        _readers += 1
        if _IGNORE not in warnings.filters:
            warnings.filters.insert(0, _IGNORE)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        with _guard:
            _readers -= 1
            if not _readers and _IGNORE in warnings.filters:
                warnings.filters.remove(_IGNORE)  # type: ignore[attr-defined]
