"""Converts decoded frames to images: upright, with square pixels, no larger than necessary."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from av.video.reformatter import VideoReformatter
from PIL import Image

__all__ = ["FrameConverter"]

_ROTATIONS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


class FrameConverter:
    """Converts the frames of one video; larger ones are scaled down to a shorter side of ``max_short_side`` pixels.

    ``pixel_aspect`` is how much wider than high the video's pixels are.
    """

    def __init__(self, pixel_aspect: Fraction, max_short_side: int) -> None:
        self.pixel_aspect, self.max_short_side = pixel_aspect, max_short_side
        self._reformatter = VideoReformatter()

    def to_image(self, frame: Any) -> Image.Image:
        """Convert a frame to an image in RGB, or in RGBA where some of it is transparent."""
        width, height = self._square_pixel_size(frame.width, frame.height)
        pixel_format = "rgba" if any(component.is_alpha for component in frame.format.components) else "rgb24"
        scaled = self._reformatter.reformat(frame, width, height, pixel_format, interpolation="BILINEAR", threads=1)
        image = Image.fromarray(scaled.to_ndarray())
        rotation = _ROTATIONS.get(90 * round(frame.rotation / 90) % 360)
        return image if rotation is None else image.transpose(rotation)

    def _square_pixel_size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height with square pixels: the side that is too short for that is stretched."""
        columns, rows = width * max(self.pixel_aspect, Fraction(1)), height / min(self.pixel_aspect, Fraction(1))
        scale = min(Fraction(1), Fraction(self.max_short_side) / min(columns, rows))
        return max(1, round(columns * scale)), max(1, round(rows * scale))
