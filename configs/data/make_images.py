"""Draws the sample pictures of configs/image-offline.yaml: eight kinds of scene, five of each, the same at every run.

    python configs/data/make_images.py [FOLDER]

Scenes of one kind differ in colours, light, number and place of things. Tests and benchmarks draw more of them.
"""

from __future__ import annotations

import colorsys
import math
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

__all__ = ["KINDS", "picture", "write"]

Colour = tuple[int, int, int]
SIZE = (400, 300)
EACH = 5


class Scene:
    """A canvas with coordinates from 0 to 1 in both directions, drawn twice as large as it will be."""

    def __init__(self, random: Random, size: tuple[int, int]) -> None:
        self.random = random
        self.width, self.height = size[0] * 2, size[1] * 2
        self.image = Image.new("RGB", (self.width, self.height))
        self.draw = ImageDraw.Draw(self.image)

    def at(self, points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return [(x * self.width, y * self.height) for x, y in points]

    def gradient(self, above: Colour, below: Colour, top: float = 0.0, bottom: float = 1.0) -> None:
        first, last = round(top * self.height), round(bottom * self.height)
        share = np.linspace(0.0, 1.0, max(last - first, 1))[:, None, None]
        band = np.array(above) * (1 - share) + np.array(below) * share
        rows = np.repeat(band, self.width, axis=1).astype(np.uint8)
        self.image.paste(Image.fromarray(rows), (0, first))

    def polygon(self, points: list[tuple[float, float]], colour: Colour) -> None:
        self.draw.polygon(self.at(points), fill=colour)

    def ellipse(self, x: float, y: float, across: float, down: float, colour: Colour) -> None:
        """An ellipse about a centre; both radii are shares of the height, so that equal ones make a circle."""
        middle, centre = x * self.width, y * self.height
        wide, high = across * self.height, down * self.height
        self.draw.ellipse((middle - wide, centre - high, middle + wide, centre + high), fill=colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        self.draw.rectangle(self.at([(left, top), (right, bottom)]), fill=colour)

    def finish(self, size: tuple[int, int]) -> Image.Image:
        """The scene in its size, with a little grain."""
        small = np.asarray(self.image.resize(size, Image.Resampling.BOX), np.float32)
        grain = np.random.default_rng(self.random.randrange(2**32)).normal(0, 3, small.shape[:2])
        return Image.fromarray((small + grain[..., None]).clip(0, 255).astype(np.uint8))


def _colour(random: Random, hue: float, spread: float, saturation: float, value: float) -> Colour:
    hue = (hue + random.uniform(-spread, spread)) % 1.0
    saturation = min(max(saturation + random.uniform(-0.12, 0.12), 0), 1)
    value = min(max(value + random.uniform(-0.12, 0.12), 0), 1)
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _sunset(scene: Scene) -> None:
    random = scene.random
    horizon, sun = random.uniform(0.5, 0.68), random.uniform(0.2, 0.8)
    glow, sky = _colour(random, 0.07, 0.03, 0.75, 0.95), _colour(random, 0.85, 0.12, 0.55, 0.45)
    scene.gradient(sky, glow, 0, horizon)
    size = random.uniform(0.07, 0.14)
    scene.ellipse(sun, horizon - size * random.uniform(0.0, 1.2), size, size, (255, 238, 190))
    scene.gradient(_colour(random, 0.06, 0.03, 0.6, 0.7), _colour(random, 0.65, 0.06, 0.6, 0.25), horizon, 1)
    for number in range(random.randint(20, 40)):
        depth = number / 40
        half = random.uniform(0.02, 0.12) * (0.4 + depth)
        y = horizon + 0.01 + depth * (1 - horizon)
        x = sun + random.gauss(0, 0.05 + 0.1 * depth)
        scene.box(x - half, y, x + half, y + 0.004 + 0.006 * depth, (255, 205, 130))
    for _ in range(random.randint(0, 3)):
        x, tall = random.uniform(0.1, 0.9), random.uniform(0.06, 0.16)
        scene.polygon([(x, horizon - tall), (x, horizon), (x + tall * 0.5, horizon)], (60, 40, 50))
        scene.polygon([(x - 0.05, horizon), (x + 0.06, horizon), (x + 0.03, horizon + 0.02)], (40, 28, 36))


def _mountains(scene: Scene) -> None:
    random = scene.random
    scene.gradient(_colour(random, 0.58, 0.04, 0.5, 0.85), _colour(random, 0.58, 0.05, 0.12, 0.95))
    layers = random.randint(3, 4)
    for layer in range(layers):
        base = 0.35 + 0.5 * layer / layers
        rough, x, points = random.uniform(0.06, 0.16), -0.05, [(-0.1, 1.0)]
        while x < 1.1:
            points.append((x, base + random.uniform(-rough, rough) - 0.1 * (layer == 0)))
            x += random.uniform(0.05, 0.16)
        shade = 0.75 - 0.5 * layer / layers
        colour = _colour(random, 0.6 if layer < layers - 1 else 0.35, 0.05, 0.3 + 0.1 * layer, shade)
        scene.polygon([*points, (1.1, 1.0)], colour)
        if layer < 2:
            for before, peak, after in zip(points[1:], points[2:], points[3:], strict=False):
                if peak[1] < before[1] and peak[1] < after[1]:
                    left = ((peak[0] * 2 + before[0]) / 3, (peak[1] * 2 + before[1]) / 3)
                    right = ((peak[0] * 2 + after[0]) / 3, (peak[1] * 2 + after[1]) / 3)
                    scene.polygon([peak, left, ((left[0] + right[0]) / 2, left[1] + 0.01), right], (245, 248, 252))


def _city(scene: Scene) -> None:
    random = scene.random
    scene.gradient(_colour(random, 0.65, 0.06, 0.7, 0.15), _colour(random, 0.75, 0.1, 0.45, 0.35))
    for _ in range(random.randint(30, 80)):
        scene.ellipse(random.random(), random.random() * 0.6, 0.002, 0.002, (230, 230, 240))
    scene.ellipse(random.uniform(0.1, 0.9), random.uniform(0.1, 0.25), 0.06, 0.06, (240, 236, 210))
    lit = _colour(random, 0.13, 0.03, 0.45, 0.95)
    for row in range(2):
        x = -0.02
        while x < 1.0:
            wide, top = random.uniform(0.06, 0.14), random.uniform(0.25, 0.6) + 0.15 * row
            scene.box(x, top, x + wide, 1.0, _colour(random, 0.62, 0.05, 0.35, 0.2 - 0.08 * row + 0.02))
            columns, y = max(2, round(wide / 0.025)), top + 0.03
            while y < 0.97:
                for column in range(columns):
                    if random.random() < 0.45:
                        left = x + wide * (column + 0.25) / columns
                        scene.box(left, y, left + wide * 0.5 / columns, y + 0.022, lit)
                y += 0.05
            x += wide + random.uniform(0.0, 0.02)


def _forest(scene: Scene) -> None:
    random = scene.random
    mist = _colour(random, 0.3, 0.08, 0.15, 0.85)
    scene.gradient(mist, _colour(random, 0.28, 0.05, 0.3, 0.6))
    for row in range(4):
        depth = row / 3
        for _ in range(random.randint(7, 11) - row):
            x, tall = random.random(), (0.3 + 0.45 * depth) * random.uniform(0.8, 1.2)
            foot = 0.55 + 0.45 * depth
            colour = _colour(random, 0.38, 0.05, 0.3 + 0.3 * depth, 0.6 - 0.4 * depth)
            scene.box(x - 0.008, foot - tall * 0.2, x + 0.008, foot, _colour(random, 0.07, 0.02, 0.5, 0.3))
            for step in range(4):
                top = foot - tall + step * tall * 0.2
                half = 0.03 + 0.025 * step * (0.6 + depth)
                scene.polygon([(x, top), (x - half, top + tall * 0.32), (x + half, top + tall * 0.32)], colour)


def _flowers(scene: Scene) -> None:
    random = scene.random
    scene.gradient(_colour(random, 0.32, 0.05, 0.55, 0.6), _colour(random, 0.33, 0.05, 0.7, 0.3))
    for _ in range(120):
        x, y = random.random(), random.uniform(0.1, 1.1)
        scene.polygon(
            [(x, y), (x + 0.01, y), (x + random.uniform(-0.03, 0.04), y - 0.2)], _colour(random, 0.3, 0.05, 0.7, 0.45)
        )
    hue, petals = random.choice([0.0, 0.08, 0.15, 0.78, 0.9, 0.6]), random.randint(5, 11)
    for _ in range(random.randint(2, 7)):
        x, y, size = random.uniform(0.12, 0.88), random.uniform(0.15, 0.75), random.uniform(0.09, 0.2)
        scene.box(x - 0.006, y, x + 0.006, 1.0, (50, 110, 45))
        colour, turn = _colour(random, hue, 0.03, 0.7, 0.9), random.random()
        for petal in range(petals):
            angle = (petal + turn) * 2 * math.pi / petals
            across = x + math.cos(angle) * size * 0.75 * scene.height / scene.width
            scene.ellipse(across, y + math.sin(angle) * size * 0.75, size * 0.42, size * 0.42, colour)
        scene.ellipse(x, y, size * 0.38, size * 0.38, _colour(random, 0.13, 0.03, 0.85, 0.9))


def _balloons(scene: Scene) -> None:
    random = scene.random
    scene.gradient(_colour(random, 0.57, 0.03, 0.6, 0.9), _colour(random, 0.55, 0.04, 0.2, 0.97))
    for _ in range(random.randint(2, 6)):
        x, y = random.random(), random.uniform(0.05, 0.9)
        for _ in range(6):
            scene.ellipse(x + random.uniform(-0.07, 0.07), y + random.uniform(-0.02, 0.02), 0.07, 0.04, (248, 250, 252))
    for _ in range(random.randint(1, 5)):
        x, y, size = random.uniform(0.12, 0.88), random.uniform(0.2, 0.65), random.uniform(0.1, 0.22)
        first, hue = _colour(random, random.random(), 0, 0.8, 0.9), random.random()
        scene.polygon([(x - size * 0.5, y + size * 0.7), (x + size * 0.5, y + size * 0.7), (x, y + size * 1.6)], first)
        scene.ellipse(x, y, size, size, first)
        for stripe, colour in ((0.66, _colour(random, hue, 0, 0.7, 0.95)), (0.3, first)):
            scene.ellipse(x, y, size * stripe, size, colour)
        half = size * 0.12
        scene.box(x - half, y + size * 1.5, x + half, y + size * 1.75, (110, 70, 40))


def _fish(scene: Scene) -> None:
    random = scene.random
    scene.gradient(_colour(random, 0.52, 0.04, 0.55, 0.8), _colour(random, 0.6, 0.04, 0.85, 0.3))
    scene.polygon([(0, 0.88), (0.3, 0.84), (0.65, 0.9), (1, 0.85), (1, 1), (0, 1)], (205, 185, 130))
    for _ in range(random.randint(5, 12)):
        x, tall, colour = random.random(), random.uniform(0.1, 0.35), _colour(random, 0.35, 0.1, 0.7, 0.45)
        for step in range(12):
            sway = math.sin(step * 0.9 + x * 20) * 0.012
            scene.ellipse(x + sway, 0.92 - tall * step / 12, 0.014, 0.03, colour)
    for _ in range(random.randint(2, 8)):
        x, y, size = random.uniform(0.1, 0.9), random.uniform(0.12, 0.75), random.uniform(0.05, 0.15)
        colour, way = (
            _colour(random, random.choice([0.05, 0.13, 0.0, 0.8, 0.6]), 0.03, 0.8, 0.92),
            random.choice([-1, 1]),
        )
        tail = x - way * size * 1.15
        scene.polygon([(tail, y - size * 0.6), (tail, y + size * 0.6), (x - way * size * 0.4, y)], colour)
        scene.ellipse(x, y, size * 1.2, size * 0.65, colour)
        scene.ellipse(x, y, size * 0.2, size * 0.6, (250, 245, 235))
        scene.ellipse(x + way * size * 0.55, y - size * 0.15, size * 0.13, size * 0.13, (250, 250, 250))
        scene.ellipse(x + way * size * 0.57, y - size * 0.15, size * 0.06, size * 0.06, (15, 15, 20))
    for _ in range(random.randint(5, 30)):
        scene.ellipse(random.random(), random.random() * 0.8, 0.008, 0.008, (190, 225, 240))


def _house(scene: Scene) -> None:
    random = scene.random
    scene.gradient(_colour(random, 0.56, 0.04, 0.45, 0.9), _colour(random, 0.56, 0.04, 0.15, 0.97), 0, 0.75)
    scene.gradient(_colour(random, 0.27, 0.05, 0.6, 0.65), _colour(random, 0.3, 0.05, 0.7, 0.4), 0.72, 1)
    left, wide, top = random.uniform(0.15, 0.4), random.uniform(0.32, 0.45), random.uniform(0.42, 0.52)
    right, wall = left + wide, _colour(random, random.choice([0.1, 0.0, 0.55, 0.14]), 0.03, 0.25, 0.9)
    scene.box(left, top, right, 0.85, wall)
    roof = [(left - 0.05, top), ((left + right) / 2, top - random.uniform(0.18, 0.3)), (right + 0.05, top)]
    scene.polygon(roof, _colour(random, random.choice([0.02, 0.6, 0.08]), 0.02, 0.6, 0.5))
    door = left + wide * random.uniform(0.35, 0.55)
    scene.box(door, 0.63, door + wide * 0.17, 0.85, _colour(random, random.random(), 0, 0.6, 0.4))
    for place in (0.1, 0.76):
        x, y = left + wide * place, top + 0.08
        scene.box(x - 0.006, y - 0.008, x + wide * 0.16 + 0.006, y + 0.128, (250, 250, 250))
        scene.box(x, y, x + wide * 0.16, y + 0.12, _colour(random, 0.58, 0.02, 0.45, 0.6))
    for _ in range(random.randint(1, 3)):
        x = random.choice([random.uniform(0.02, left - 0.08), random.uniform(min(right + 0.08, 0.95), 0.98)])
        scene.box(x - 0.012, 0.6, x + 0.012, 0.86, (95, 65, 40))
        for _ in range(9):
            leaf = _colour(random, 0.3, 0.04, 0.6, 0.5)
            scene.ellipse(x + random.uniform(-0.06, 0.06), 0.52 + random.uniform(-0.1, 0.1), 0.07, 0.07, leaf)


KINDS: dict[str, Callable[[Scene], None]] = {
    "balloons": _balloons,
    "city": _city,
    "fish": _fish,
    "flowers": _flowers,
    "forest": _forest,
    "house": _house,
    "mountains": _mountains,
    "sunset": _sunset,
}
"""What can be drawn, by name."""


def picture(kind: str, seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """Draw a scene of a kind; the same seed gives the same picture."""
    scene = Scene(Random(f"{kind}-{seed}"), size)
    KINDS[kind](scene)
    if scene.random.random() < 0.25:
        scene.image = scene.image.filter(ImageFilter.GaussianBlur(scene.random.uniform(1, 3)))
    return scene.finish(size)


def write(folder: Path, each: int = EACH) -> list[Path]:
    """Write ``each`` pictures of every kind as ``KIND/KIND-NUMBER.jpg``."""
    written = []
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(1, each + 1):
            path = folder / kind / f"{kind}-{number}.jpg"
            picture(kind, number).save(path, quality=82)
            written.append(path)
    return written


def cut_out(original: Path) -> Image.Image:
    """A part of a picture as it comes back from the world: a third of it gone, and blurred."""
    with Image.open(original) as image:
        width, height = image.size
        part = image.crop((width // 8, height // 8, width * 15 // 16, height * 15 // 16))
    return part.filter(ImageFilter.GaussianBlur(1.0))


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images"
    paths = write(folder)
    cut_out(folder / "fish" / "fish-4.jpg").save(folder.parent / "cut-out.jpg", quality=50)
    sys.stdout.write(f"{len(paths)} pictures in {folder}, {sum(path.stat().st_size for path in paths):,} bytes\n")
