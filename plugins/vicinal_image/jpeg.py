"""JPEGs decoded by libjpeg-turbo itself, whose pixels Pillow copies twice before numpy has them.

The library is simplejpeg, which comes with its own libjpeg-turbo. Without it, Pillow decodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

__all__ = ["decoded"]


def decoded(image: Image.Image, file: Any, least: int) -> np.ndarray | None:
    """The pixels of a JPEG that Pillow has opened, ``(height, width, 3)`` uint8; None where Pillow is to load it.

    It is decoded at a half, a quarter or an eighth as long as both sides keep ``least`` pixels, as with Pillow's
    ``draft``, and to the same pixels. What is out of the ordinary is for Pillow, damaged files above all: it says what
    is wrong with them, or makes something of them.
    """
    if image.format != "JPEG" or image.mode != "RGB":
        return None
    try:
        from simplejpeg import decode_jpeg
    except ImportError:
        return None
    width, height = image.size
    scale = next((scale for scale in (8, 4, 2) if min(width, height) // least >= scale), 1)
    file.seek(0)
    try:
        pixels: np.ndarray = decode_jpeg(
            file.read(), "RGB", min_height=-(-height // scale), min_width=-(-width // scale)
        )
    except ValueError:
        return None
    return pixels
