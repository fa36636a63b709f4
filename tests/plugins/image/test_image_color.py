"""Colours by the embedded profile: what is shown is what is encoded, and a broken profile is none."""

from __future__ import annotations

import struct
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from image_helpers import picture
from vicinal_image import color
from vicinal_image.decode import load_image, load_image_downscaled

SCENE = picture("balloons", 3, (400, 300))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
D50 = (0.9642, 1.0, 0.8249)


def make_profile(columns, gamma, *, space=b"RGB ", kind=b"mntr"):
    """A profile of three primaries (XYZ under D50) and a gamma, as ICC.1 version 2 has it."""

    def xyz(values):
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65_536)) for value in values)

    curve = b"curv\0\0\0\0\0\0\0\1" + struct.pack(">H", round(gamma * 256)) + b"\0\0"
    tags = {b"wtpt": xyz(D50), b"desc": b"desc\0\0\0\0\0\0\0\2A\0" + bytes(78), b"cprt": b"text\0\0\0\0A\0\0\0"}
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        tags |= {b"rXYZ": xyz(columns[0]), b"gXYZ": xyz(columns[1]), b"bXYZ": xyz(columns[2])}
        tags |= {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data
    illuminant = b"".join(struct.pack(">i", round(value * 65_536)) for value in D50)
    header = bytes(8) + b"\x02\x10\0\0" + kind + space + b"XYZ " + bytes(12) + b"acsp" + bytes(28) + illuminant
    profile = header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(profile)) + profile[4:]


PROFILES = {
    "Adobe RGB": make_profile(
        [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)], 2.19921875
    ),
    "ProPhoto": make_profile([(0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)], 1.8),
    "Display P3": make_profile(
        [(0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)], 2.2
    ),
}
GREY = make_profile([], 1.0, space=b"GRAY")


def encode_in_profile(profile, format, mode="RGB", **options):
    """The scene in the numbers of a profile, with the profile embedded."""
    source = ImageCms.createProfile("sRGB")
    image = ImageCms.profileToProfile(SCENE.convert("RGB"), source, BytesIO(profile), outputMode="RGB")
    image = image.quantize(256) if mode == "P" else image.convert(mode)
    buffer = BytesIO()
    image.save(buffer, format, icc_profile=profile, **options)
    return buffer.getvalue()


def mean_difference(found, expected=SCENE):
    found = found if isinstance(found, Image.Image) else Image.fromarray(found)
    expected = expected.resize(found.size, Image.Resampling.BOX)
    return float(np.abs(np.asarray(found, np.int16) - np.asarray(expected, np.int16)).mean())


OPTIONS = {
    "PNG": {},
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "AVIF": {"quality": 95},
}


class TestProfiles:
    @pytest.mark.parametrize("format", OPTIONS)
    @pytest.mark.parametrize("name", PROFILES)
    def test_colours_are_those_of_the_profile(self, name, format):
        content = encode_in_profile(PROFILES[name], format, **OPTIONS[format])
        plain = Image.open(BytesIO(content)).convert("RGB")
        assert mean_difference(load_image(content)) < 3 < mean_difference(plain)
        assert mean_difference(load_image_downscaled(content, 100)) < 5

    def test_transparent_image(self):
        buffer = BytesIO()
        half = Image.open(BytesIO(encode_in_profile(PROFILES["ProPhoto"], "PNG"))).convert("RGBA")
        half.putalpha(128)
        half.save(buffer, "PNG", icc_profile=PROFILES["ProPhoto"])
        assert (
            mean_difference(
                load_image(buffer.getvalue()), Image.blend(Image.new("RGB", SCENE.size, "white"), SCENE, 0.5)
            )
            < 3
        )

    def test_palette_image(self):
        content = encode_in_profile(PROFILES["ProPhoto"], "PNG", mode="P")
        plain = Image.open(BytesIO(content)).convert("RGB")
        assert mean_difference(load_image(content)) < 10 < mean_difference(plain)

    def test_grey_profile(self):
        buffer = BytesIO()
        Image.new("L", (9, 9), 55).save(buffer, "PNG", icc_profile=GREY)
        assert load_image(buffer.getvalue()).getpixel((0, 0)) == pytest.approx((128, 128, 128), abs=2)

    def test_grey_image_with_a_profile_of_colours(self):
        buffer = BytesIO()
        Image.new("L", (9, 9), 100).save(buffer, "PNG", icc_profile=PROFILES["ProPhoto"])
        assert load_image(buffer.getvalue()).getpixel((0, 0)) == pytest.approx((119, 119, 119), abs=2)

    def test_turned_jpeg(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        content = encode_in_profile(PROFILES["ProPhoto"], "JPEG", exif=exif, quality=95, subsampling=0)
        for found in (load_image(content), load_image_downscaled(content, 300)):
            assert mean_difference(found, SCENE.transpose(Image.Transpose.ROTATE_270)) < 4


class TestWithoutEffect:
    def test_srgb_costs_no_conversion(self):
        assert color.find_transform(SRGB, "RGB") is None
        buffer = BytesIO()
        SCENE.save(buffer, "JPEG", icc_profile=SRGB)
        assert isinstance(load_image_downscaled(buffer.getvalue(), 100), np.ndarray)

    @pytest.mark.parametrize(
        "profile",
        [
            b"broken",
            SRGB[:100],
            SRGB[:300],
            bytes(3_000),
            GREY,
            make_profile([(0, 0, 0)] * 3, 2.2),
            make_profile([(9, 9, 9)] * 3, 2.2),
            make_profile([D50] * 3, 2.2, kind=b"link"),
            make_profile([D50] * 3, 2.2, space=b"CMYK"),
            make_profile([D50] * 3, 2.2, space=b"Lab "),
        ],
        ids=range(10),  # a profile has its time in it, which would be its name
    )
    @pytest.mark.parametrize("format", ["PNG", "JPEG"])
    def test_unusable_profile_is_ignored(self, profile, format):
        plain, with_profile = BytesIO(), BytesIO()
        SCENE.save(plain, format)
        SCENE.save(with_profile, format, icc_profile=profile)
        for load in (load_image, lambda content: load_image_downscaled(content, 100)):
            found = np.asarray(load(with_profile.getvalue()))
            assert np.array_equal(found, np.asarray(load(plain.getvalue())))

    def test_profile_of_inks_is_ignored_where_the_image_is_none(self):
        buffer = BytesIO()
        SCENE.convert("CMYK").save(buffer, "JPEG", quality=95, icc_profile=PROFILES["ProPhoto"])
        assert mean_difference(load_image(buffer.getvalue())) < 4


def test_threads_share_a_transform():
    content = encode_in_profile(PROFILES["ProPhoto"], "PNG")
    expected = np.asarray(load_image(content))
    with ThreadPoolExecutor(4) as pool:
        assert all(np.array_equal(np.asarray(found), expected) for found in pool.map(load_image, [content] * 40))
