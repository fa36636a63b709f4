"""The part of an image that a network sees: its shorter side brought to a length, and the middle cut out of it."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from vicinal_image.decode import MOST_PIXELS, read, read_small

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

__all__ = ["Decode", "Preprocessing"]

Decode = Literal["fast", "exact"]

_LONGEST = 32
"""How many times as long as wide a picture may be to be resized as a whole."""

_MUCH = 4
"""From here on Pillow shrinks in two steps, which is quicker."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How an image becomes a network's input, as torchvision's Resize, CenterCrop and Normalize do it.

    ``resize`` is the length of the shorter side, ``crop`` the side of the square in the middle; mean and deviation are
    of red, green and blue between 0 and 1. Where the middle lies between two pixels, torchvision takes the even one and
    transformers the one before (``floor``).
    """

    resize: int
    crop: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    floor: bool = False

    def __str__(self) -> str:
        return f"{self.interpolation}={self.resize}/crop={self.crop}"

    def frame(self, content: Any, decode: Decode = "exact", most_pixels: int = MOST_PIXELS) -> np.ndarray:
        """Read an image and cut out what the network sees: ``(crop, crop, 3)`` uint8.

        ``exact`` gives torchvision's own pixels; of pictures 32 times as long as wide some may differ by a level.
        ``fast`` has a JPEG decoded at a half, a quarter or an eighth as long as the shorter side keeps ``crop`` pixels,
        and shrinks other large images in two steps: the vectors of photographs then have a cosine of 0.985 to 1 with
        the exact ones.

        Raises:
            ItemError: the image cannot be read.
        """
        import numpy as np
        from PIL import Image

        if decode == "exact":
            image = read(content, most_pixels=most_pixels)
            return np.asarray(self._cut(image, *self._resized(*image.size), None))
        found = read_small(content, self.crop, most_pixels=most_pixels)
        width, height = found.shape[1::-1] if isinstance(found, np.ndarray) else found.size
        columns, rows = self._resized(width, height)
        if min(width, height) < _MUCH * self.resize and max(columns, rows) <= 2 * self.resize and _resizes_quickly():
            return self._cut_quickly(found if isinstance(found, np.ndarray) else np.array(found), columns, rows)
        image = Image.fromarray(found) if isinstance(found, np.ndarray) else found
        return np.asarray(self._cut(image, columns, rows, 2.0))

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        """Columns and rows of a picture whose shorter side is brought to its length."""
        shorter = min(width, height)
        return self.resize * width // shorter, self.resize * height // shorter

    def _corner(self, columns: int, rows: int) -> tuple[int, int]:
        """Left and top of the middle of a resized picture."""
        middle = math.floor if self.floor else round
        return middle((columns - self.crop) / 2), middle((rows - self.crop) / 2)

    def _cut(self, image: Image.Image, columns: int, rows: int, reducing_gap: float | None) -> Image.Image:
        """Resize and cut the middle out; both in one step where speed counts, or where the whole would be a bomb."""
        from PIL.Image import Resampling

        left, top = self._corner(columns, rows)
        method = Resampling[self.interpolation.upper()]
        if reducing_gap is None and max(columns, rows) <= _LONGEST * self.resize:
            return image.resize((columns, rows), method).crop((left, top, left + self.crop, top + self.crop))
        across, down = image.width / columns, image.height / rows
        box = (left * across, top * down, (left + self.crop) * across, (top + self.crop) * down)
        return image.resize((self.crop, self.crop), method, box, reducing_gap)

    def _cut_quickly(self, pixels: np.ndarray, columns: int, rows: int) -> np.ndarray:
        """The same by torch, whose vector instructions need 0.2 ms in place of 0.5; a level differs here and there.

        What is cut out is copied by numpy: torch would have threads share the copy, and wait for each other.
        """
        import numpy as np
        import torch

        left, top = self._corner(columns, rows)
        picture = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)
        resized = torch.nn.functional.interpolate(picture, (rows, columns), mode=self.interpolation, antialias=True)
        whole = resized[0].permute(1, 2, 0).numpy()
        return np.ascontiguousarray(whole[top : top + self.crop, left : left + self.crop])


@functools.cache
def _resizes_quickly() -> bool:
    """Whether torch has vector instructions for pictures in bytes; without them Pillow is quicker."""
    import torch

    return torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
