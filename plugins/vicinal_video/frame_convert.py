"""Converts decoded frames to images as players show them, with square pixels, no larger than necessary."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Any

import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import VideoReformatter
from PIL import Image

from vicinal_video.hdr import is_hdr, tone_map

__all__ = ["FrameConverter"]

_TRANSPOSES = {
    (1, 0, 0, 1): None,
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
}
"""By (a, b, c, d) of a display matrix, which moves a pixel from (x, y) to (ax + cy, bx + dy), y being downwards."""


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
        image = Image.fromarray(self._to_array(frame, width, height))
        transpose = _find_transpose(frame)
        return image if transpose is None else image.transpose(transpose)

    def _to_array(self, frame: Any, width: int, height: int) -> np.ndarray:
        has_alpha = any(component.is_alpha for component in frame.format.components)
        pixel_format = "rgb48le" if is_hdr(frame) else "rgba" if has_alpha else "rgb24"
        scaled = self._reformatter.reformat(frame, width, height, pixel_format, interpolation="BILINEAR", threads=1)
        pixels: np.ndarray = scaled.to_ndarray()
        return tone_map(pixels, frame.color_trc) if is_hdr(frame) else pixels

    def _square_pixel_size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height with square pixels: the side that is too short for that is stretched."""
        columns, rows = width * max(self.pixel_aspect, Fraction(1)), height / min(self.pixel_aspect, Fraction(1))
        scale = min(Fraction(1), Fraction(self.max_short_side) / min(columns, rows))
        return max(1, round(columns * scale)), max(1, round(rows * scale))


def _find_transpose(frame: Any) -> Image.Transpose | None:
    """Return how a frame is turned or mirrored for display: the way nearest to its display matrix, if it has one."""
    side_data = frame.side_data.get(SideDataType.DISPLAYMATRIX)
    if side_data is None:
        return None
    a, b, _, c, d, *_ = struct.unpack("9i", bytes(side_data))
    nearest = max(_TRANSPOSES, key=lambda signs: sum(x * y for x, y in zip(signs, (a, b, c, d), strict=True)))
    return _TRANSPOSES[nearest]
