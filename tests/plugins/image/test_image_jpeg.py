"""JPEGs that libjpeg-turbo decodes for us are those that Pillow decodes, pixel by pixel; what it does not take is."""

from __future__ import annotations

import random
import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from image_helpers import SAMPLE_IMAGES, picture
from vicinal import ItemError
from vicinal_image import jpeg
from vicinal_image.decode import load_image, load_image_downscaled

SCENE = picture("city", 2, (641, 479))


def encode_jpeg(image=SCENE, **options):
    buffer = BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def decode_by_simplejpeg(content, min_side=224):
    file = BytesIO(content)
    return jpeg.decode_pixels(Image.open(file), file, min_side)


def decode_by_pillow(content, min_side=224):
    image = Image.open(BytesIO(content))
    image.draft(None, (min_side, min_side))
    return np.asarray(image.convert("RGB"))


class TestPixels:
    @pytest.mark.parametrize("min_side", [50, 56, 59, 60, 100, 119, 120, 224, 239, 240, 479, 480, 1000])
    def test_every_scale_equals_pillows_draft(self, min_side):
        content = encode_jpeg()
        found = decode_by_simplejpeg(content, min_side)
        assert found.shape == decode_by_pillow(content, min_side).shape
        assert np.abs(found.astype(int) - decode_by_pillow(content, min_side)).max() <= 1

    @pytest.mark.parametrize(
        "options",
        [
            {"quality": 30},
            {"subsampling": 0},
            {"subsampling": 1},
            {"progressive": True},
            {"optimize": True, "quality": 95},
        ],
    )
    def test_every_way_of_encoding(self, options):
        content = encode_jpeg(**options)
        assert np.abs(decode_by_simplejpeg(content).astype(int) - decode_by_pillow(content)).max() <= 1

    def test_sample_images(self):
        compared = 0
        for content in (path.read_bytes() for path in SAMPLE_IMAGES):
            if (found := decode_by_simplejpeg(content, 100)) is not None:
                assert np.abs(found.astype(int) - decode_by_pillow(content, 100)).max() <= 1
                compared += 1
        assert compared >= 3

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_orientation(self, orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = encode_jpeg(exif=exif)
        upright = np.asarray(load_image_downscaled(content, 400))
        assert upright.shape[:2] == ((479, 641) if orientation < 5 else (641, 479))
        assert np.abs(upright.astype(int) - np.asarray(load_image(content))).max() <= 1


class TestLeftToPillow:
    @pytest.mark.parametrize("mode", ["L", "CMYK"])
    def test_other_colour_modes(self, mode):
        content = encode_jpeg(SCENE.convert(mode))
        assert decode_by_simplejpeg(content) is None
        assert np.asarray(load_image_downscaled(content, 400)).shape == (479, 641, 3)

    def test_other_formats(self):
        buffer = BytesIO()
        SCENE.save(buffer, "PNG")
        assert decode_by_simplejpeg(buffer.getvalue()) is None

    def test_truncated_jpeg_is_refused(self):
        content = encode_jpeg()[:-3_000]
        assert decode_by_simplejpeg(content) is None
        with pytest.raises(ItemError, match="truncated"):
            load_image_downscaled(content, 224)

    def test_damaged_jpegs_end_as_with_pillow_alone(self, monkeypatch):
        noise = random.Random(5)
        damaged = []
        for _ in range(60):
            content = bytearray(encode_jpeg())
            for _ in range(noise.choice([1, 3, 30])):
                content[noise.randrange(2, len(content))] = noise.randrange(256)
            damaged.append(bytes(content))
        found = [load_outcome(content) for content in damaged]
        monkeypatch.setitem(sys.modules, "simplejpeg", None)
        assert found == [load_outcome(content) for content in damaged]
        assert {"ItemError", "an image"} <= set(found)

    def test_without_simplejpeg(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "simplejpeg", None)
        assert decode_by_simplejpeg(encode_jpeg()) is None
        assert load_image_downscaled(encode_jpeg(), 224).size == (321, 240)


def load_outcome(content):
    try:
        load_image_downscaled(content, 224)
    except ItemError:
        return "ItemError"
    return "an image"
