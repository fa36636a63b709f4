"""The ten pictures in images/, and what draws them: python tests/helpers/image_helpers.py"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent / "images"
sys.path.insert(0, str(HERE.parents[2] / "configs" / "data"))

from make_images import KINDS, picture  # noqa: E402
from PIL import Image  # noqa: E402

__all__ = ["KINDS", "SAMPLE_IMAGES", "load_rgb", "picture"]

SAMPLE_IMAGES = [
    HERE / name
    for name in (
        "balloons.jpg",
        "city.png",
        "fish.webp",
        "flowers.gif",
        "forest.jpg",
        "grey.jpg",
        "house.tif",
        "inks.jpg",
        "mountains.jpg",
        "tall.jpg",
    )
]
"""JPEG, PNG, WebP, GIF and TIFF; colour, grey and CMYK; from 150 to 1,000 pixels, wide and high."""


def load_rgb(path: Path) -> Image.Image:
    """A picture as plain Pillow reads it."""
    with Image.open(path) as image:
        return image.convert("RGB")


def write_all() -> None:
    picture("balloons", 1, (640, 480)).save(HERE / "balloons.jpg", quality=80)
    picture("city", 2, (200, 150)).quantize(32, dither=0).save(HERE / "city.png")
    picture("fish", 3, (300, 400)).save(HERE / "fish.webp", quality=75)
    picture("flowers", 4, (180, 180)).quantize(48, dither=0).save(HERE / "flowers.gif")
    picture("forest", 5, (400, 300)).save(HERE / "forest.jpg", quality=80, progressive=True)
    picture("sunset", 6, (500, 375)).convert("L").save(HERE / "grey.jpg", quality=75)
    picture("house", 7, (150, 113)).save(HERE / "house.tif", compression="tiff_lzw")
    picture("fish", 8, (320, 240)).convert("CMYK").save(HERE / "inks.jpg", quality=70)
    picture("mountains", 9, (1000, 750)).save(HERE / "mountains.jpg", quality=60)
    picture("flowers", 10, (240, 640)).save(HERE / "tall.jpg", quality=75)


if __name__ == "__main__":
    write_all()
    print(f"{sum(path.stat().st_size for path in SAMPLE_IMAGES):,} bytes")
