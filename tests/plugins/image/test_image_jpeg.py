"""JPEGs that libjpeg-turbo decodes for us are those that Pillow decodes, pixel by pixel; what it does not take is."""

from __future__ import annotations

import random
import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from image_helpers import TEN, picture
from vicinal import ItemError
from vicinal_image import jpeg
from vicinal_image.decode import read, read_small

SCENE = picture("city", 2, (641, 479))


def saved(image=SCENE, **options):
    buffer = BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def directly(content, least=224):
    file = BytesIO(content)
    return jpeg.decoded(Image.open(file), file, least)


def by_pillow(content, least=224):
    image = Image.open(BytesIO(content))
    image.draft(None, (least, least))
    return np.asarray(image.convert("RGB"))


class TestPixels:
    @pytest.mark.parametrize("least", [50, 56, 59, 60, 100, 119, 120, 224, 239, 240, 479, 480, 1000])
    def test_every_scale_is_that_of_pillows_draft(self, least):
        content = saved()
        found = directly(content, least)
        assert found.shape == by_pillow(content, least).shape
        assert np.abs(found.astype(int) - by_pillow(content, least)).max() <= 1

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
    def test_every_manner_of_writing_one(self, options):
        content = saved(**options)
        assert np.abs(directly(content).astype(int) - by_pillow(content)).max() <= 1

    def test_the_committed_pictures(self):
        taken = 0
        for content in (path.read_bytes() for path in TEN):
            if (found := directly(content, 100)) is not None:
                assert np.abs(found.astype(int) - by_pillow(content, 100)).max() <= 1
                taken += 1
        assert taken >= 3

    @pytest.mark.parametrize("turn", range(1, 9))
    def test_a_camera_held_askew(self, turn):
        exif = Image.Exif()
        exif[0x0112] = turn
        content = saved(exif=exif)
        upright = np.asarray(read_small(content, 400))
        assert upright.shape[:2] == ((479, 641) if turn < 5 else (641, 479))
        assert np.abs(upright.astype(int) - np.asarray(read(content))).max() <= 1


class TestLeftToPillow:
    @pytest.mark.parametrize("mode", ["L", "CMYK"])
    def test_other_colours(self, mode):
        content = saved(SCENE.convert(mode))
        assert directly(content) is None
        assert np.asarray(read_small(content, 400)).shape == (479, 641, 3)

    def test_other_formats(self):
        buffer = BytesIO()
        SCENE.save(buffer, "PNG")
        assert directly(buffer.getvalue()) is None

    def test_a_truncated_one_is_refused_as_ever(self):
        content = saved()[:-3_000]
        assert directly(content) is None
        with pytest.raises(ItemError, match="truncated"):
            read_small(content, 224)

    def test_damaged_ones_end_as_with_pillow_alone(self, monkeypatch):
        noise = random.Random(5)
        damaged = []
        for _ in range(60):
            content = bytearray(saved())
            for _ in range(noise.choice([1, 3, 30])):
                content[noise.randrange(2, len(content))] = noise.randrange(256)
            damaged.append(bytes(content))
        found = [outcome(content) for content in damaged]
        monkeypatch.setitem(sys.modules, "simplejpeg", None)
        assert found == [outcome(content) for content in damaged]
        assert {"ItemError", "an image"} <= set(found)

    def test_without_the_package(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "simplejpeg", None)
        assert directly(saved()) is None
        assert read_small(saved(), 224).size == (321, 240)


def outcome(content):
    try:
        read_small(content, 224)
    except ItemError:
        return "ItemError"
    return "an image"
