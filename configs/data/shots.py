"""The nine kinds of shots of ``make_videos``: each is a picture as a function of its seconds.

``shot(kind, seed)`` gives one; other seeds give other colours, and things elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from canvas import WIDE, Canvas, bright, mixed
from PIL import Image

__all__ = ["KINDS", "SECONDS", "Shot", "shot"]

Shot = Callable[[float], Image.Image]

SECONDS = 3.0
"""Of a shot."""


def shot(kind: str, seed: int) -> Shot:
    """A shot of one of the ``KINDS``."""
    return KINDS[kind](Random(f"{kind} {seed}"))


def sunrise(rng: Random) -> Shot:
    """The sun comes up from the sea, and the sky turns from red to blue."""
    hue = rng.uniform(-0.13, 0.13)
    x, boat = rng.uniform(0.5, 1.3), rng.uniform(0.2, 0.6)
    waves = [(rng.uniform(0, WIDE), rng.uniform(0.72, 0.98), rng.uniform(0.04, 0.12)) for _ in range(60)]

    def draw(t: float) -> Image.Image:
        share = t / SECONDS
        canvas = Canvas(mixed((60, 20, 70), (80, 160, 230), share), mixed((250, 110, 40), (255, 225, 170), share), hue)
        canvas.disc(x, 0.75 - 0.45 * share, 0.13, mixed((255, 90, 40), (255, 240, 180), share))
        canvas.box(0, 0.7, WIDE, 1, mixed((50, 30, 70), (30, 100, 160), share))
        for left, y, length in waves:
            at = (left + 0.05 * t) % WIDE
            canvas.box(at, y, at + length, y + 0.006, mixed((250, 130, 80), (150, 200, 235), share))
        at = boat + 0.12 * t
        canvas.area([(at, 0.8), (at + 0.3, 0.8), (at + 0.24, 0.87), (at + 0.06, 0.87)], (70, 40, 30))
        canvas.area([(at + 0.14, 0.5), (at + 0.14, 0.78), (at + 0.32, 0.78)], (250, 250, 245))
        return canvas.finish()

    return draw


def fish(rng: Random) -> Shot:
    """Fish swim by, bubbles rise, weed sways."""
    hue = rng.uniform(-0.13, 0.13)
    swarm = [
        (rng.uniform(-1, 2), rng.uniform(0.15, 0.75), rng.uniform(0.05, 0.12), bright(rng), rng.choice((-1, 1)))
        for _ in range(9)
    ]
    bubbles = [(rng.uniform(0, WIDE), rng.uniform(0, 1), rng.uniform(0.006, 0.018)) for _ in range(25)]
    weeds = [(rng.uniform(0, WIDE), rng.uniform(0.2, 0.45), rng.uniform(0, 6)) for _ in range(14)]

    def draw(t: float) -> Image.Image:
        canvas = Canvas((40, 150, 190), (5, 35, 90), hue)
        canvas.hills(0.93, 0.04, 3, 0, (170, 150, 100))
        for x, height, phase in weeds:
            tip = x + 0.06 * math.sin(2 * t + phase)
            canvas.area([(x - 0.02, 0.97), (tip, 0.97 - height), (x + 0.02, 0.97)], (30, 120, 70))
        for x, y, radius in bubbles:
            canvas.disc(x + 0.01 * math.sin(4 * t + x), (y - 0.25 * t) % 1, radius, (150, 215, 235))
        for x, y, size, colour, way in swarm:
            at = (x + way * 0.35 * t + 0.5) % (WIDE + 1) - 0.5
            up = y + 0.02 * math.sin(3 * t + x)
            tail = at - way * size * 0.8
            canvas.area(
                [(tail, up), (tail - way * size, up - size * 0.6), (tail - way * size, up + size * 0.6)], colour
            )
            canvas.disc(at, up, size, colour, 0.6)
            canvas.disc(at + way * size * 0.55, up - size * 0.12, size * 0.12, (20, 20, 30))
        return canvas.finish()

    return draw


def fireworks(rng: Random) -> Shot:
    """Rockets burst over roofs."""
    hue = rng.uniform(-0.13, 0.13)
    bursts = [(rng.uniform(0.2, 1.6), rng.uniform(0.15, 0.5), 0.8 * number - 1.6, bright(rng)) for number in range(6)]
    glow = mixed((35, 20, 60), bright(rng), 0.45)
    roofs = [(0.16 * number, rng.uniform(0.75, 0.88)) for number in range(12)]

    def draw(t: float) -> Image.Image:
        canvas = Canvas((5, 5, 25), glow, hue)
        for x, y, begin, colour in bursts:
            age = t - begin
            if 0 < age < 3:
                for ring in range(1, 4):
                    reach = 0.11 * ring * (1 - math.exp(-2 * age))
                    for ray in range(16):
                        turn = math.tau * ray / 16 + 0.2 * ring
                        faded = mixed(colour, (25, 15, 45), age / 3)
                        canvas.disc(
                            x + reach * math.cos(turn), y + reach * math.sin(turn) + 0.02 * age**2, 0.013, faded
                        )
        for x, top in roofs:
            canvas.box(x, top, x + 0.15, 1, (12, 10, 22))
        return canvas.finish()

    return draw


def snow(rng: Random) -> Shot:
    """Snow falls on firs and a house with a light in its window."""
    hue = rng.uniform(-0.13, 0.13)
    flakes = [(rng.uniform(0, WIDE), rng.uniform(0, 1), rng.uniform(0.004, 0.012)) for _ in range(130)]
    firs = sorted((rng.uniform(0.55, 0.72), rng.uniform(0, WIDE)) for _ in range(9))
    house = rng.uniform(0.3, 1.2)

    def draw(t: float) -> Image.Image:
        canvas = Canvas((120, 135, 160), (205, 212, 225), hue)
        canvas.hills(0.72, 0.06, 2.2, house + 0.12 * t, (238, 242, 250))
        home = house + 0.2 - 0.12 * t
        for y, fir in firs:
            x = (fir - 0.12 * t) % (WIDE + 0.2) - 0.1
            for step in range(3):
                width, top = 0.05 + 0.03 * step, y - 0.2 + 0.07 * step
                canvas.area([(x, top), (x - width, top + 0.12), (x + width, top + 0.12)], (35, 75, 65))
        canvas.box(home, 0.66, home + 0.34, 0.86, (120, 70, 50))
        canvas.area([(home - 0.05, 0.66), (home + 0.17, 0.48), (home + 0.39, 0.66)], (245, 248, 255))
        canvas.box(home + 0.2, 0.72, home + 0.28, 0.8, (255, 215, 110))
        for x, y, radius in flakes:
            canvas.disc((x + 0.05 * math.sin(t + 9 * y)) % WIDE, (y + 30 * radius * t) % 1, radius, (255, 255, 255))
        return canvas.finish()

    return draw


def train(rng: Random) -> Shot:
    """A train drives through green hills."""
    hue = rng.uniform(-0.13, 0.13)
    colour, wagons, clouds = (
        bright(rng),
        rng.randrange(3, 6),
        [(rng.uniform(0, WIDE), rng.uniform(0.1, 0.3)) for _ in range(4)],
    )
    start = rng.uniform(-0.9, -0.3)

    def draw(t: float) -> Image.Image:
        canvas = Canvas((110, 180, 240), (215, 235, 250), hue)
        for x, y in clouds:
            for part in range(3):
                canvas.disc(
                    (x + 0.03 * t) % (WIDE + 0.4) + 0.09 * part - 0.3,
                    y - 0.02 * (part == 1),
                    0.08,
                    (255, 255, 255),
                    0.6,
                )
        canvas.hills(0.62, 0.1, 2.0, 0.1 * t, (110, 170, 100))
        canvas.hills(0.75, 0.05, 3.5, 0.3 * t, (70, 140, 70))
        canvas.box(0, 0.845, WIDE, 0.86, (90, 80, 75))
        for wagon in range(wagons):
            left = start + 0.55 * t - 0.34 * wagon + 0.6
            canvas.box(left, 0.68 if wagon else 0.64, left + 0.32, 0.82, colour if wagon else (50, 50, 60))
            for place in (0.04, 0.13, 0.22):
                canvas.box(left + place, 0.71, left + place + 0.06, 0.76, (240, 245, 200))
            for place in (0.07, 0.25):
                canvas.disc(left + place, 0.825, 0.03, (40, 40, 45))
        return canvas.finish()

    return draw


def planets(rng: Random) -> Shot:
    """Planets circle a sun among stars."""
    hue = rng.uniform(-0.13, 0.13)
    glow, clouds = bright(rng), [(rng.uniform(0, WIDE), rng.uniform(0, 1), rng.uniform(0.2, 0.5)) for _ in range(4)]
    stars = [(rng.uniform(0, WIDE), rng.uniform(0, 1), rng.uniform(0.002, 0.006)) for _ in range(90)]
    orbits = [
        (0.2 + 0.14 * n, rng.uniform(0, 6), rng.uniform(0.025, 0.055), bright(rng), rng.uniform(0.5, 1.6))
        for n in range(5)
    ]

    def draw(t: float) -> Image.Image:
        canvas = Canvas((4, 4, 14), (14, 8, 30), hue)
        for x, y, radius in clouds:
            for layer in range(5):
                canvas.disc(x, y, radius * (1 - layer / 6), mixed((14, 8, 30), glow, 0.08 + 0.12 * layer))
        for x, y, radius in stars:
            canvas.disc(x, y, radius, (220, 225, 255))
        for radius in range(6):
            canvas.disc(WIDE / 2, 0.5, 0.16 - 0.012 * radius, mixed((90, 40, 10), (255, 225, 120), radius / 4))
        for reach, phase, radius, colour, pace in orbits:
            turn = phase + pace * t
            x, y = WIDE / 2 + reach * math.cos(turn), 0.5 + 0.5 * reach * math.sin(turn)
            canvas.disc(x, y, radius, colour)
            canvas.disc(x + radius * 0.3, y - radius * 0.3, radius * 0.35, mixed(colour, (255, 255, 255), 0.5))
        return canvas.finish()

    return draw


def city(rng: Random) -> Shot:
    """Cars drive past lit houses under the moon."""
    hue = rng.uniform(-0.13, 0.13)
    paint = bright(rng)
    houses = [
        (0.19 * n, rng.uniform(0.1, 0.65), mixed((28, 30, 50), paint, rng.uniform(0.1, 0.6)), rng.randrange(1_000_000))
        for n in range(10)
    ]
    cars = [(rng.uniform(0, WIDE), rng.choice((-1, 1)), rng.uniform(0.4, 0.8)) for _ in range(7)]
    moon = rng.uniform(0.2, 1.5)

    def draw(t: float) -> Image.Image:
        canvas = Canvas((15, 25, 65), (90, 70, 110), hue)
        canvas.disc(moon + 0.02 * t, 0.14, 0.07, (245, 240, 210))
        for place, top, front, lights in houses:
            x = (place - 0.1 * t) % 1.9 - 0.1
            canvas.box(x, top, x + 0.17, 0.84, front)
            for row in range(int((0.8 - top) / 0.07)):
                for column in range(4):
                    lit = (
                        Random(lights + 97 * row + column + 13 * int(0.25 * t + 0.1 * column + 0.07 * row)).random()
                        < 0.45
                    )
                    left, up = x + 0.015 + 0.038 * column, top + 0.03 + 0.07 * row
                    canvas.box(left, up, left + 0.024, up + 0.04, (255, 215, 120) if lit else (45, 48, 70))
        canvas.box(0, 0.84, WIDE, 1, (30, 30, 36))
        for x, way, pace in cars:
            at, lane = (x + way * pace * t) % (WIDE + 0.3) - 0.15, 0.89 if way > 0 else 0.95
            canvas.box(at, lane - 0.03, at + 0.14, lane + 0.01, (70, 75, 95))
            canvas.disc(at + (0.14 if way > 0 else 0), lane - 0.01, 0.014, (255, 250, 220))
            canvas.disc(at + (0 if way > 0 else 0.14), lane - 0.01, 0.012, (230, 40, 30))
        return canvas.finish()

    return draw


def balloons(rng: Random) -> Shot:
    """Hot-air balloons drift over a valley."""
    hue = rng.uniform(-0.13, 0.13)
    fleet = [
        (rng.uniform(0.1, 1.7), rng.uniform(0.25, 0.7), rng.uniform(0.08, 0.17), bright(rng), bright(rng))
        for _ in range(6)
    ]

    def draw(t: float) -> Image.Image:
        canvas = Canvas((90, 165, 235), (250, 225, 190), hue)
        canvas.hills(0.85, 0.07, 2.4, 0.04 * t, (150, 165, 110))
        canvas.hills(0.95, 0.04, 4.1, 0.08 * t, (110, 135, 80))
        for x, y, size, colour, stripe in fleet:
            at, up = x + 0.09 * t, y - 0.06 * t
            canvas.area(
                [(at - size * 0.8, up + size * 0.5), (at + size * 0.8, up + size * 0.5), (at, up + size * 1.5)], colour
            )
            canvas.disc(at, up, size, colour)
            canvas.draw.ellipse(
                [value * canvas.high for value in (at - size * 0.4, up - size, at + size * 0.4, up + size)], fill=stripe
            )
            canvas.box(at - size * 0.17, up + size * 1.5, at + size * 0.17, up + size * 1.75, (100, 65, 40))
        return canvas.finish()

    return draw


def rings(rng: Random) -> Shot:
    """Rings of colour run outwards."""
    colours = [bright(rng) for _ in range(5)]
    x, y, pace = rng.uniform(0.6, 1.2), rng.uniform(0.35, 0.65), rng.uniform(0.12, 0.2)

    def draw(t: float) -> Image.Image:
        canvas = Canvas(colours[0], colours[1])
        first = int(pace * t / 0.12)
        for ring in range(14, -1, -1):
            radius = 0.12 * ring + (pace * t) % 0.12
            canvas.disc(x + 0.05 * math.sin(t), y, radius, colours[(ring - first) % 5])
        return canvas.finish()

    return draw


KINDS: dict[str, Callable[[Random], Shot]] = {
    "balloons": balloons,
    "city": city,
    "fireworks": fireworks,
    "fish": fish,
    "planets": planets,
    "rings": rings,
    "snow": snow,
    "sunrise": sunrise,
    "train": train,
}
