"""The part of an image that a network sees: the image resized by its shorter side, and a square from its middle."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from vicinal_image.decode import MAX_PIXELS, load_image, load_image_downscaled

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

__all__ = ["Decode", "Preprocessing"]

Decode = Literal["fast", "exact"]

_MAX_ASPECT = 32
"""How many times as long as wide an image may be to be resized as a whole."""

_REDUCING_GAP_FROM = 4
"""How many times as long as the target's the shorter side must be for Pillow to shrink in two steps, which is quicker
from there on."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How an image becomes a network's input, as torchvision's Resize, CenterCrop and Normalize do it.

    ``resize`` is the length of the shorter side and ``crop`` the side of the middle square, in pixels; ``mean`` and
    ``std`` are of red, green and blue between 0 and 1. Where the middle falls between two pixels, torchvision takes the
    even one and transformers the one before (``floor``). With ``squash`` both sides are resized to ``resize``.
    """

    resize: int
    crop: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    floor: bool = False
    squash: bool = False

    def __str__(self) -> str:
        return f"{self.interpolation}={self.resize}{'/squash' if self.squash else ''}/crop={self.crop}"

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        return self.crop, self.crop

    def apply(self, content: Any, decode: Decode = "exact", max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """Load an image, resize it and crop its middle: ``(crop, crop, 3)`` uint8.

        ``exact`` gives torchvision's own pixels; those of images 32 times as long as wide may differ by a level.
        ``fast`` decodes a JPEG at 1/2, 1/4 or 1/8 as long as the shorter side keeps ``crop`` pixels, and shrinks other
        large images in two steps: the vectors of photographs then have a cosine of 0.985 to 1 to the exact ones.

        Raises:
            ItemError: the image cannot be read.
        """
        import numpy as np
        from PIL import Image

        if decode == "exact":
            exact = load_image(content, max_pixels=max_pixels)
            return np.asarray(self._resize_and_crop(exact, *self._resized_size(*exact.size), None))
        image = load_image_downscaled(content, self.crop, max_pixels=max_pixels)
        width, height = image.shape[1::-1] if isinstance(image, np.ndarray) else image.size
        columns, rows = self._resized_size(width, height)
        is_small = min(width, height) < _REDUCING_GAP_FROM * self.resize and max(columns, rows) <= 2 * self.resize
        if is_small and _torch_resize_is_fast():
            pixels = image if isinstance(image, np.ndarray) else np.array(image)
            return self._resize_and_crop_torch(pixels, columns, rows)
        pillow_image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
        return np.asarray(self._resize_and_crop(pillow_image, columns, rows, 2.0))

    def _resized_size(self, width: int, height: int) -> tuple[int, int]:
        """Return columns and rows of an image whose shorter side, or each, is resized to ``resize``."""
        if self.squash:
            return self.resize, self.resize
        shorter = min(width, height)
        return self.resize * width // shorter, self.resize * height // shorter

    def _crop_offset(self, columns: int, rows: int) -> tuple[int, int]:
        """Return left and top of the crop in a resized image."""
        to_int = math.floor if self.floor else round
        return to_int((columns - self.crop) / 2), to_int((rows - self.crop) / 2)

    def _resize_and_crop(self, image: Image.Image, columns: int, rows: int, reducing_gap: float | None) -> Image.Image:
        """Resize and crop; in one step where speed counts, or where the whole image would take too much memory."""
        from PIL.Image import Resampling

        left, top = self._crop_offset(columns, rows)
        method = Resampling[self.interpolation.upper()]
        if reducing_gap is None and max(columns, rows) <= _MAX_ASPECT * self.resize:
            return image.resize((columns, rows), method).crop((left, top, left + self.crop, top + self.crop))
        across, down = image.width / columns, image.height / rows
        box = (left * across, top * down, (left + self.crop) * across, (top + self.crop) * down)
        return image.resize((self.crop, self.crop), method, box, reducing_gap)

    def _resize_and_crop_torch(self, pixels: np.ndarray, columns: int, rows: int) -> np.ndarray:
        """Do the same by torch, whose vector instructions need 0.2 ms in place of 0.5; a level differs here and there.

        numpy copies the crop: torch would have threads share the copy, and wait for each other.
        """
        import numpy as np
        import torch

        left, top = self._crop_offset(columns, rows)
        image = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)
        resized = torch.nn.functional.interpolate(image, (rows, columns), mode=self.interpolation, antialias=True)
        whole = resized[0].permute(1, 2, 0).numpy()
        return np.ascontiguousarray(whole[top : top + self.crop, left : left + self.crop])


@functools.cache
def _torch_resize_is_fast() -> bool:
    """Whether torch has vector instructions for images of bytes; without them Pillow is quicker."""
    import torch

    return torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
