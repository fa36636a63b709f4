"""What happens to pictures before somebody searches with them: they are cropped, blurred, saved again, mirrored, …

Each is loaded upright, at 1/2, 1/4 or 1/8 where its shorter side keeps 512 pixels then, since networks see 224 to 512.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeAlias

from vicinal import Disturbance
from vicinal_image.decode import load_image_downscaled

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

__all__ = ["list_disturbances"]

_Change: TypeAlias = "Callable[[Image.Image, np.random.Generator], Image.Image]"

_MIN_SIDE = 512
_QUALITY = 95
_LOW_QUALITY = 15
_CROP = 0.8
_BLUR = 1 / 100
"""Radius by the shorter side: two pixels of the 224 that most networks see."""
_MIN_DEGREES, _MAX_DEGREES = 4.0, 8.0


def _disturb_image(
    change: _Change, content: Any, generator: np.random.Generator, *, max_pixels: int, quality: int = _QUALITY
) -> bytes:
    """A changed picture as a JPEG.

    Raises:
        ItemError: the picture cannot be loaded.
    """
    from PIL import Image

    loaded = load_image_downscaled(content, _MIN_SIDE, max_pixels=max_pixels)
    image = loaded if isinstance(loaded, Image.Image) else Image.fromarray(loaded)
    target = BytesIO()
    change(image, generator).convert("RGB").save(target, "JPEG", quality=quality)
    return target.getvalue()


def _crop_image(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    width, height = (max(1, round(_CROP * side)) for side in image.size)
    left = int(generator.integers(0, image.width - width + 1))
    top = int(generator.integers(0, image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


def _blur_image(image: Image.Image, _: np.random.Generator) -> Image.Image:
    from PIL import ImageFilter

    return image.filter(ImageFilter.GaussianBlur(_BLUR * min(image.size)))


def _keep_image(image: Image.Image, _: np.random.Generator) -> Image.Image:
    return image


def _to_grey(image: Image.Image, _: np.random.Generator) -> Image.Image:
    return image.convert("L")


def _mirror_image(image: Image.Image, _: np.random.Generator) -> Image.Image:
    from PIL import ImageOps

    return ImageOps.mirror(image)


def _rotate_image(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    """Turn it either way, and keep of it the largest upright rectangle of the same proportions."""
    from PIL.Image import Resampling

    degrees = float(generator.uniform(_MIN_DEGREES, _MAX_DEGREES) * generator.choice([-1, 1]))
    turned = image.rotate(degrees, Resampling.BICUBIC)
    angle, (width, height) = math.radians(abs(degrees)), image.size
    scale = 1 / (math.cos(angle) + max(width / height, height / width) * math.sin(angle))
    margins = width * (1 - scale) / 2, height * (1 - scale) / 2
    right, bottom = max(margins[0] + 1, width - margins[0]), max(margins[1] + 1, height - margins[1])
    return turned.crop((round(margins[0]), round(margins[1]), round(right), round(bottom)))


_CHANGES: tuple[tuple[str, str, _Change, int, str], ...] = (
    (
        "cropped",
        "pictures cropped to 80% of their sides",
        _crop_image,
        _QUALITY,
        "index crops of your pictures too, or try a network that was trained on larger crops: `timm`, `clip`",
    ),
    (
        "blurred",
        "blurred pictures",
        _blur_image,
        _QUALITY,
        "the encoder looks at fine detail; try another network: `timm`, `clip`",
    ),
    (
        "recompressed",
        "pictures saved again as a poor JPEG",
        _keep_image,
        _LOW_QUALITY,
        "try a larger network: `timm`, `clip`",
    ),
    (
        "grey",
        "pictures without colours",
        _to_grey,
        _QUALITY,
        "the encoder goes by colours; try another network, or index grey copies too",
    ),
    (
        "mirrored",
        "mirrored pictures",
        _mirror_image,
        _QUALITY,
        "index a mirrored copy of each picture too, or search by both",
    ),
    (
        "rotated",
        "pictures turned by 4 to 8 degrees",
        _rotate_image,
        _QUALITY,
        "straighten pictures before you search with them, or try a larger network: `timm`, `clip`",
    ),
)


def list_disturbances(max_pixels: int) -> list[Disturbance]:
    """The disturbances; a picture of more pixels is refused, as the encoder refuses it."""
    return [
        Disturbance(name, label, partial(_disturb_image, change, max_pixels=max_pixels, quality=quality), ".jpg", hint)
        for name, label, change, quality, hint in _CHANGES
    ]
