"""Images whose pixels are all there are read, whatever is wrong around them; where pixels are missing, none is."""

from __future__ import annotations

import random
import struct
import sys
import zlib
from functools import partial
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from image_helpers import picture
from vicinal import ItemError
from vicinal_image.decode import load_image, load_image_downscaled

SCENE = picture("city", 3, (400, 300))
LOADERS = (load_image, partial(load_image_downscaled, min_side=100))


def encode_jpeg(image=SCENE, **options):
    """A JPEG without its last two bytes, the end-of-image marker."""
    buffer = BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()[:-2]


def random_bytes(size):
    return random.Random(size).randbytes(size)


JPEGS = {
    "baseline": encode_jpeg(),
    "optimized": encode_jpeg(optimize=True),
    "progressive": encode_jpeg(progressive=True),
    "restarts": encode_jpeg(restart_marker_rows=2),
    "flat": encode_jpeg(Image.new("L", (400, 300), 90), optimize=True),
    "grey": encode_jpeg(SCENE.convert("L")),
    "cmyk": encode_jpeg(SCENE.convert("CMYK")),
}
TRAILERS = {
    "none": b"",
    "line feed": b"\r\n",
    "zeros": bytes(5_000),
    "ones": b"\xff" * 5_000,
    "text": b'vivo{"model":"a camera","time":"2024-05-06 07:08:09"}' * 9,
    "film": b"\0\0\0\x18ftypmp42\0\0\0\0" + random_bytes(4_000),
    "samsung": b"\0\0\x01\x0a\x0e\0\0\0Image_UTC_Data1590000000000SEFHj\0\0\0\1\0\0\0SEFT",
    "canon": b"CANON OPTIONAL DATA\0" + random_bytes(900),
    "preview": encode_jpeg(SCENE.resize((80, 60))) + b"\xff\xd9",
}


class TestJpegs:
    @pytest.mark.parametrize("trailer", TRAILERS)
    @pytest.mark.parametrize("kind", JPEGS)
    def test_without_end_marker_equals_the_whole(self, kind, trailer):
        for load in LOADERS:
            whole, found = load(JPEGS[kind] + b"\xff\xd9"), load(JPEGS[kind] + TRAILERS[trailer])
            assert np.abs(np.asarray(whole, np.int16) - np.asarray(found, np.int16)).max() <= 1

    @pytest.mark.parametrize("missing", [0.1, 0.5, 0.9])
    @pytest.mark.parametrize(
        "trailer", sorted(TRAILERS.keys() - {"zeros"})
    )  # zeros are pixels to libjpeg, and to browsers
    @pytest.mark.parametrize("kind", sorted(JPEGS.keys() - {"flat"}))
    def test_missing_rows_are_refused_whatever_follows(self, kind, trailer, missing):
        content = JPEGS[kind][: round(len(JPEGS[kind]) * (1 - missing))] + TRAILERS[trailer]
        for load in LOADERS:
            with pytest.raises(ItemError, match=r"truncated|damaged|not an image"):
                load(content)

    def test_progressive_that_ends_between_two_scans_is_refused(self):
        content = JPEGS["progressive"]
        scans = [at for at in range(len(content)) if content[at : at + 2] == b"\xff\xda"]
        assert len(scans) > 5
        for at in scans[1:]:
            with pytest.raises(ItemError, match=r"truncated|damaged"):
                load_image(content[: content.rindex(b"\xff\xc4", 0, at)])

    def test_metadata_of_any_kind_are_no_reason_to_refuse(self):
        for kind in (*range(0xE1, 0xF0), 0xFE):
            for body in (b"", b"\0" * 9, b"Exif\0\0" + random_bytes(50), b"MPF\0MM\0*" + random_bytes(30)):
                segment = bytes([0xFF, kind]) + struct.pack(">H", len(body) + 2) + body
                content = JPEGS["baseline"][:2] + segment + JPEGS["baseline"][2:] + b"\xff\xd9"
                assert load_image(content).size == (400, 300)

    def test_exif_of_a_repaired_jpeg_turns_it(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        assert load_image(encode_jpeg(exif=exif)).size == (300, 400)

    def test_without_simplejpeg_nothing_is_repaired(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "simplejpeg", None)
        with pytest.raises(ItemError, match="truncated"):
            load_image(JPEGS["baseline"])


def make_chunk(kind, body, *, checksum=None):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum or zlib.crc32(kind + body))


def make_png(*chunks, at=33, image=SCENE):
    """A PNG with chunks at a place, by default behind its header."""
    buffer = BytesIO()
    image.save(buffer, "PNG")
    content = buffer.getvalue()
    at = at if at > 0 else len(content) + at
    return content[:at] + b"".join(chunks) + content[at:]


BEFORE_END = -12
LARGE_TEXT = zlib.compress(bytes(3_000_000))
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


class TestPngs:
    @pytest.mark.parametrize("at", [33, BEFORE_END])
    @pytest.mark.parametrize(
        "chunk",
        [
            make_chunk(b"zTXt", b"workflow\0\0" + LARGE_TEXT),
            make_chunk(b"iTXt", b"workflow\0\1\0\0\0" + LARGE_TEXT),
            make_chunk(b"tEXt", b"workflow\0" + b"x" * 3_000_000),
            make_chunk(b"iTXt", b"workflow\0\0\0\0\0" + b"x" * 3_000_000),
            make_chunk(b"tEXt", b"a\0b", checksum=1),
            make_chunk(b"tIME", b"1234567", checksum=1),
            make_chunk(b"tIME", b"1"),
            make_chunk(b"eXIf", b"MM\0*\0\0\0\x08", checksum=1),
            make_chunk(b"gAMA", b"1"),
            make_chunk(b"pHYs", b"1"),
            make_chunk(b"zTXt", b"a\0\7b"),
            make_chunk(b"vpAg", b"abc", checksum=1),
            make_chunk(b"tRNS", b"\0\0\0\0\0\0", checksum=1),
            make_chunk(b"iCCP", b"a\0\0" + LARGE_TEXT),
            make_chunk(b"iCCP", b"a\0\0" + zlib.compress(b"no profile")),
            make_chunk(b"iCCP", b"a\0\0" + b"not compressed"),
            make_chunk(b"iCCP", b"a\0\0" + zlib.compress(PROFILE), checksum=1),
        ],
        ids=lambda chunk: chunk[4:8].decode(),  # its content differs from process to process: a profile has a date
    )
    def test_chunks_that_are_no_pixels_are_no_reason_to_refuse(self, chunk, at):
        for load in LOADERS:
            assert np.array_equal(np.asarray(load(make_png(chunk, at=at))), np.asarray(SCENE))

    def test_many_large_texts(self):
        chunks = [make_chunk(b"zTXt", b"workflow\0\0" + zlib.compress(bytes(1_000_000)))] * 90
        assert np.array_equal(np.asarray(load_image(make_png(*chunks))), np.asarray(SCENE))

    def test_missing_end(self):
        for cut in (12, 8, 4, 1):
            assert np.array_equal(np.asarray(load_image(make_png()[:-cut])), np.asarray(SCENE))

    def test_long_profile_is_applied(self):
        swapped = bytearray(PROFILE)
        tags = {bytes(swapped[at : at + 4]): at for at in range(132, 132 + 12 * swapped[131], 12)}
        red, blue = (bytes(swapped[tags[name] + 4 : tags[name] + 12]) for name in (b"rXYZ", b"bXYZ"))
        swapped[tags[b"rXYZ"] + 4 : tags[b"rXYZ"] + 12] = blue
        swapped[tags[b"bXYZ"] + 4 : tags[b"bXYZ"] + 12] = red
        long = bytes(swapped) + bytes(2_000_000)
        long = struct.pack(">I", len(long)) + long[4:]
        chunk = make_chunk(b"iCCP", b"swapped\0\0" + zlib.compress(long))
        found = load_image(make_png(chunk, image=Image.new("RGB", (9, 9), "red")))
        assert found.getpixel((4, 4)) == pytest.approx((0, 0, 255), abs=3)

    def test_damaged_pixels_are_refused(self):
        content = bytearray(make_png())
        content[len(content) // 2] ^= 0x55
        cut = make_png(make_chunk(b"tEXt", b"a\0b", checksum=1))[: len(content) // 2]
        for spoilt in (bytes(content), cut, make_png()[: len(content) // 2]):
            with pytest.raises(ItemError, match=r"damaged|truncated"):
                load_image(spoilt)
