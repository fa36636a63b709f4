"""JPEGs decoded by libjpeg-turbo directly: Pillow would copy their pixels twice before numpy has them.

The library is simplejpeg, which brings its own libjpeg-turbo. Without it, Pillow decodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

__all__ = ["decode_pixels"]


def decode_pixels(image: Image.Image, file: Any, min_side: int) -> np.ndarray | None:
    """Decode a JPEG that Pillow has opened: ``(height, width, 3)`` uint8; None where Pillow has to decode it.

    It is decoded at 1/2, 1/4 or 1/8 as long as both sides keep ``min_side`` pixels, as with Pillow's ``draft``, and to
    the same pixels. Unusual and damaged files are left to Pillow, which names what is wrong or recovers a part.
    """
    if image.format != "JPEG" or image.mode != "RGB":
        return None
    try:
        from simplejpeg import decode_jpeg
    except ImportError:
        return None
    width, height = image.size
    scale = next((scale for scale in (8, 4, 2) if min(width, height) // min_side >= scale), 1)
    file.seek(0)
    try:
        pixels: np.ndarray = decode_jpeg(
            file.read(), "RGB", min_height=-(-height // scale), min_width=-(-width // scale)
        )
    except ValueError:
        return None
    return pixels
