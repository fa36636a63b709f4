"""Formats beyond Pillow's own, by extras that errors name; TIFFs that Pillow misreads; what is no image is named."""

from __future__ import annotations

import struct
import sys
from functools import partial
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from image_helpers import picture
from vicinal import ItemError
from vicinal_image.decode import load_image, load_image_downscaled
from vicinal_image.jxl import read_jxl_size

SCENE = picture("balloons", 3, (400, 300))
LOADERS = (load_image, partial(load_image_downscaled, min_side=100))


def encode_heic(image=SCENE, **options):
    from pillow_heif import register_heif_opener

    register_heif_opener()
    buffer = BytesIO()
    image.save(buffer, "HEIF", quality=95, **options)
    return buffer.getvalue()


def box(kind, *parts, version=None, flags=0):
    head = b"" if version is None else struct.pack(">I", version << 24 | flags)
    body = head + b"".join(parts)
    return struct.pack(">I", len(body) + 8) + kind + body


def find_box(data, kind):
    at = data.index(kind)
    return data[at - 4 : at - 4 + int.from_bytes(data[at - 4 : at], "big")]


def encode_heic_of_tiles(columns=3, rows=2, side=128):
    """A HEIC as phones write it: tiles that are images of their own, and an item that says how they lie."""
    scene = SCENE.resize((columns * side, rows * side))
    places = [(column * side, row * side) for row in range(rows) for column in range(columns)]
    tiles = [encode_heic(scene.crop((left, top, left + side, top + side))) for left, top in places]
    pixels = [find_box(tile, b"mdat")[8:] for tile in tiles]
    grid = struct.pack(">4B2H", 0, 0, rows - 1, columns - 1, *scene.size)
    ids, own = range(1, len(tiles) + 1), len(tiles) + 1
    entries = [box(b"infe", struct.pack(">HH", id_, 0), b"hvc1\0", version=2, flags=1) for id_ in ids]
    entries.append(box(b"infe", struct.pack(">HH", own, 0), b"grid\0", version=2))
    reference = box(b"dimg", struct.pack(f">{2 + len(tiles)}H", own, len(tiles), *ids))
    properties = box(
        b"ipco",
        find_box(tiles[0], b"hvcC"),
        box(b"ispe", struct.pack(">II", side, side), version=0),
        box(b"ispe", struct.pack(">II", *scene.size), version=0),
    )
    owners = b"".join(struct.pack(">H3B", id_, 2, 0x81, 2) for id_ in ids) + struct.pack(">H2B", own, 1, 3)
    ftyp = box(b"ftyp", b"heic\0\0\0\0mif1heic")

    def make_meta(start):
        locations, at = b"", start
        for id_, data in zip([*ids, own], [*pixels, grid], strict=True):
            locations += struct.pack(">HHHII", id_, 0, 1, at, len(data))
            at += len(data)
        return box(
            b"meta",
            box(b"hdlr", bytes(4), b"pict", bytes(13), version=0),
            box(b"pitm", struct.pack(">H", own), version=0),
            box(b"iloc", struct.pack(">BBH", 0x44, 0, own), locations, version=0),
            box(b"iinf", struct.pack(">H", own), *entries, version=0),
            box(b"iref", reference, version=0),
            box(b"iprp", properties, box(b"ipma", struct.pack(">I", own), owners, version=0)),
            version=0,
        )

    start = len(ftyp) + len(make_meta(0)) + 8
    return ftyp + make_meta(start) + box(b"mdat", *pixels, grid), scene


def encode_jxl(image=SCENE, **options):
    import pillow_jxl  # noqa: F401  # registers the format

    buffer = BytesIO()
    image.save(buffer, "JXL", **options)
    return buffer.getvalue()


def turned_exif():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes()


def mean_difference(found, expected=SCENE):
    assert found.size == expected.size
    return float(np.abs(np.asarray(found, np.int16) - np.asarray(expected, np.int16)).mean())


class TestHeic:
    def test_equals_its_original(self):
        for load in LOADERS:
            assert mean_difference(load(encode_heic())) < 3

    def test_image_of_tiles_is_whole(self):
        content, scene = encode_heic_of_tiles()
        for load in LOADERS:
            assert mean_difference(load(content), scene) < 3

    def test_turned_photo_is_turned_once(self):
        turned = SCENE.transpose(Image.Transpose.ROTATE_90)
        assert mean_difference(load_image(encode_heic(turned, exif=turned_exif()))) < 3

    def test_max_pixels(self):
        with pytest.raises(ItemError, match=r"400 × 300 pixels, more than 100,000 \(`max_pixels`\)"):
            load_image(encode_heic(), max_pixels=100_000)

    def test_damaged_file_is_refused(self):
        content = encode_heic()
        for spoilt in (content[:400], content[: len(content) // 2]):
            with pytest.raises(ItemError, match=r"damaged|truncated|not an image"):
                load_image(spoilt)

    def test_error_names_the_extra(self, monkeypatch):
        content = encode_heic()
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
        with pytest.raises(ItemError, match=r"^HEIC images need an extra: pip install 'vicinal\[heif\]'$"):
            load_image(content)


class TestJpegXl:
    @pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 95}, {"use_container": True}])
    def test_equals_its_original(self, options):
        for load in LOADERS:
            assert mean_difference(load(encode_jxl(**options))) < 3

    def test_repacked_jpeg_is_turned_by_its_exif(self, tmp_path):
        path = tmp_path / "turned.jpg"
        SCENE.save(path, exif=turned_exif())
        with Image.open(path) as image:
            assert load_image(encode_jxl(image, lossless_jpeg=True)).size == (300, 400)

    def test_exif_is_ignored_elsewhere_as_the_standard_wants(self):
        assert load_image(encode_jxl(exif=turned_exif())).size == (400, 300)

    @pytest.mark.parametrize("size", [(400, 300), (8, 8), (256, 256), (257, 1), (1_000, 3_000), (300, 200), (640, 480)])
    @pytest.mark.parametrize("use_container", [False, True])
    def test_size_is_read_from_the_header(self, size, use_container):
        content = encode_jxl(Image.new("RGB", size), effort=1, use_container=use_container)
        assert read_jxl_size(BytesIO(content)) == size

    def test_max_pixels(self):
        with pytest.raises(ItemError, match=r"400 × 300 pixels, more than 100,000 \(`max_pixels`\)"):
            load_image(encode_jxl(), max_pixels=100_000)

    def test_damaged_file_is_refused(self):
        content = encode_jxl(use_container=True)
        for spoilt in (content[:14], content[:60], content[: len(content) // 2]):
            with pytest.raises(ItemError, match=r"damaged|truncated|not an image"):
                load_image(spoilt)

    def test_error_names_the_extra(self, monkeypatch):
        content = encode_jxl()
        monkeypatch.setitem(sys.modules, "pillow_jxl", None)
        with pytest.raises(ItemError, match=r"^JPEG XL images need an extra: pip install 'vicinal\[jxl\]'$"):
            load_image(content)


def encode_tiff(pixels, *, planes_apart=False, order="<", sample_format=1):
    """An uncompressed TIFF of any kind of numbers, ``(height, width, colours)``."""
    height, width, colours = pixels.shape
    data = (pixels.transpose(2, 0, 1) if planes_apart else pixels).astype(pixels.dtype.newbyteorder(order)).tobytes()
    start, planes = 8, colours if planes_apart else 1
    offsets = [start + len(data) // planes * plane for plane in range(planes)]
    tags = {
        256: (width,),
        257: (height,),
        258: (pixels.itemsize * 8,) * colours,
        259: (1,),
        262: (2 if colours > 1 else 1,),
        273: offsets,
        277: (colours,),
        278: (height,),
        279: (len(data) // planes,) * planes,
        284: (2 if planes_apart else 1,),
        339: (sample_format,) * colours,
    }
    directory, extra, at = b"", b"", start + len(data) + 6 + 12 * len(tags)
    for tag, values in tags.items():
        packed = struct.pack(f"{order}{len(values)}I", *values)
        directory += struct.pack(f"{order}HHI", tag, 4, len(values))
        directory += packed if len(values) == 1 else struct.pack(f"{order}I", at + len(extra))
        extra += b"" if len(values) == 1 else packed
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", start + len(data))
    return header + data + struct.pack(f"{order}H", len(tags)) + directory + bytes(4) + extra


PIXELS = np.asarray(SCENE)


class TestTiffs:
    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize(
        ("pixels", "planes_apart"),
        [(PIXELS, False), (PIXELS, True), (PIXELS.astype(np.uint16) * 257, False)],
        ids=["8 bits", "8 bits, planes apart", "16 bits"],
    )
    def test_colours(self, pixels, planes_apart, order):
        content = encode_tiff(pixels, planes_apart=planes_apart, order=order)
        assert mean_difference(load_image(content)) <= 1

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_sixteen_bits_in_planes_are_refused_since_pillow_misreads_them(self, order):
        content = encode_tiff(PIXELS.astype(np.uint16) * 257, planes_apart=True, order=order)
        for load in LOADERS:
            with pytest.raises(
                ItemError, match=r"^a TIFF of 16 bits a colour, planes apart, .+ save it as PNG or JPEG$"
            ):
                load(content)

    @pytest.mark.parametrize(
        ("dtype", "sample_format", "kind"),
        [
            (np.float32, 3, "3 × 32 floating-point bits"),
            (np.float64, 3, "3 × 64 floating-point bits"),
            (np.uint32, 1, "3 × 32 bits"),
            (np.int16, 2, "3 × 16 signed bits"),
        ],
    )
    @pytest.mark.parametrize("planes_apart", [False, True])
    def test_numbers_that_pillow_does_not_read_are_named(self, dtype, sample_format, kind, planes_apart):
        content = encode_tiff(PIXELS.astype(dtype), sample_format=sample_format, planes_apart=planes_apart)
        with pytest.raises(ItemError, match=rf"^not an image \(a TIFF of {kind}; save it as PNG or JPEG, or with 8"):
            load_image(content)

    def test_grey_numbers(self):
        grey = PIXELS[:, :, :1]
        expected = np.repeat(grey, 3, axis=2)
        for pixels, sample_format in (
            (grey, 1),
            (grey.astype(np.uint16) * 257, 1),
            (grey.astype(np.float32) / 255, 3),
            (grey.astype(np.int32), 2),
        ):
            found = np.asarray(load_image(encode_tiff(pixels, sample_format=sample_format)), np.int16)
            assert np.abs(found - expected).max() <= 1

    def test_damaged_directory(self):
        with pytest.raises(ItemError, match="a damaged TIFF"):
            load_image(b"II*\0\xff\xff\xff\x7f" + bytes(40))


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9"/></svg>'
OTHERS = {
    b'<?xml version="1.0"?>\n<!-- Generator: x -->\n<!DOCTYPE svg PUBLIC "a" "b">\n' + SVG: "an SVG drawing; save it",
    SVG: "an SVG drawing; save it as PNG or JPEG",
    b"\xef\xbb\xbf  " + SVG: "an SVG drawing",
    b"<!DOCTYPE html>\n<html><body><svg></svg></body></html>": "a web page",
    b"\x89HDF\r\n\x1a\n" + bytes(500): "an HDF5 file; export its pictures as PNG or JPEG",
    b"GRIB\0\0\0\1" + bytes(100): "weather data in GRIB; export",
    b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(99): "an MP4 video; search videos with the encoder `keyframes`",
    b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(99): "a QuickTime video",
    b"\x1aE\xdf\xa3" + bytes(99): "a Matroska or WebM video",
    b"\0\0\x01\xba" + bytes(range(256)): "an MPEG video",
    b"\0\0\x01\xb3\x14\0\xf0\x13" + bytes(range(256)): "a video",
    b"RIFF\0\0\0\0AVI LIST" + bytes(99): "an AVI video",
    b"ID3\4\0\0" + bytes(99): "an MP3 sound; search sounds",
    b"%PDF-1.7\n" + bytes(99): "a PDF document; save its pages as PNG or JPEG",
    b"PK\3\4" + bytes(99): "a zip archive; unpack it",
    b"FUJIFILMCCD-RAW " + bytes(99): "a camera's raw file; save it as PNG or JPEG",
    b"v/1\x01" + bytes(99): "an OpenEXR image",
    b"\x93NUMPY\1\0" + bytes(99): "a NumPy array; export",
    b"some words\n" * 9: "looks like text",
    bytes(99): "begins with zero bytes",
    bytes(range(128, 256)): "unknown format",
}


@pytest.mark.parametrize("content", OTHERS, ids=OTHERS.values())
def test_what_is_no_image_is_named_with_what_to_do(content):
    for load in LOADERS:
        with pytest.raises(ItemError) as caught:
            load(content)
        assert str(caught.value).startswith(f"not an image ({OTHERS[content]}")
