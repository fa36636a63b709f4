"""Frames as images: upright, with square pixels, no larger than need be."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from av.video.reformatter import VideoReformatter
from PIL import Image

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = ["Developer"]

_TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


class Developer:
    """Makes images of the frames of one video; ``size`` is the shorter side, in pixels, of large ones."""

    def __init__(self, aspect: Fraction, size: int) -> None:
        self.aspect, self.size = aspect, size
        self._reformatter = VideoReformatter()

    def image(self, frame: Any) -> Picture:
        """An image in RGB, or RGBA where some of the frame is transparent."""
        width, height = self._shape(frame.width, frame.height)
        form = "rgba" if any(component.is_alpha for component in frame.format.components) else "rgb24"
        small = self._reformatter.reformat(frame, width, height, form, interpolation="BILINEAR", threads=1)
        image = Image.fromarray(small.to_ndarray())
        turn = _TURNS.get(90 * round(frame.rotation / 90) % 360)
        return image if turn is None else image.transpose(turn)

    def _shape(self, width: int, height: int) -> tuple[int, int]:
        """Width and height with square pixels: the side that is too short for that is stretched."""
        across, down = width * max(self.aspect, Fraction(1)), height / min(self.aspect, Fraction(1))
        scale = min(Fraction(1), Fraction(self.size) / min(across, down))
        return max(1, round(across * scale)), max(1, round(down * scale))
