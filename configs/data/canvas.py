"""What the shots of ``make_videos`` are drawn on, and colours for it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from random import Random

from PIL import Image, ImageDraw

__all__ = ["SIZE", "WIDE", "Canvas", "Colour", "bright", "mixed"]

Colour = tuple[int, int, int]

SIZE = (320, 180)
WIDE = SIZE[0] / SIZE[1]


class Canvas:
    """A picture drawn at twice its size, with coordinates in shares of its height from the upper left corner.

    ``hue`` turns all colours, by that share of the circle.
    """

    def __init__(self, above: Colour, below: Colour, hue: float = 0.0) -> None:
        self.hue = hue
        self.high = SIZE[1] * 2
        ramp = Image.linear_gradient("L").resize((SIZE[0] * 2, self.high))
        size = ramp.size
        self.image = Image.composite(Image.new("RGB", size, below), Image.new("RGB", size, above), ramp)
        self.draw = ImageDraw.Draw(self.image)

    def disc(self, x: float, y: float, radius: float, colour: Colour, flat: float = 1.0) -> None:
        x, y, across, down = (value * self.high for value in (x, y, radius, radius * flat))
        self.draw.ellipse((x - across, y - down, x + across, y + down), fill=colour)

    def area(self, points: Iterable[tuple[float, float]], colour: Colour) -> None:
        self.draw.polygon([(x * self.high, y * self.high) for x, y in points], fill=colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        self.draw.rectangle([value * self.high for value in (left, top, right, bottom)], fill=colour)

    def hills(self, base: float, height: float, pace: float, shift: float, colour: Colour) -> None:
        steps = [step / 40 * WIDE for step in range(41)]
        ridge = [(x, base - height * math.sin(pace * (x + shift)) * math.cos(0.7 * pace * (x + shift))) for x in steps]
        self.area([(0, 1), *ridge, (WIDE, 1)], colour)

    def finish(self) -> Image.Image:
        small = self.image.resize(SIZE, Image.Resampling.BOX)
        hue, *others = small.convert("HSV").split()
        turned = hue.point([round(level + 256 * self.hue) % 256 for level in range(256)])
        return Image.merge("HSV", (turned, *others)).convert("RGB")


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * min(max(share, 0.0), 1.0)) for a, b in zip(first, second, strict=True))
    return red, green, blue


def bright(rng: Random) -> Colour:
    """A strong colour."""
    levels = [255, rng.randrange(60, 220), rng.randrange(20, 80)]
    rng.shuffle(levels)
    return levels[0], levels[1], levels[2]
