"""Reading images: what Pillow reads comes out as upright RGB on white; what it cannot read is refused with a reason."""

from __future__ import annotations

import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from image_helpers import TEN, picture, rgb
from vicinal import ItemError
from vicinal_image import decode as reading
from vicinal_image import preprocess as framing
from vicinal_image.decode import read, read_small
from vicinal_image.preprocess import Preprocessing

CLASSIC = Preprocessing(256, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = Preprocessing(224, 224, CLASSIC.mean, CLASSIC.std, "bicubic", floor=True)
SCENE = picture("house", 1, (120, 80))


def saved(image, format, **options):
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def pixel(content, at=(0, 0)):
    image = read(content)
    assert image.mode == "RGB"
    return image.getpixel(at)


def distance(one, other):
    assert one.size == other.size
    return float(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).mean())


def png(width, height, *, depth=8, data=b"\0"):
    """A PNG whose header promises a size that its data do not have."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


class TestContents:
    def test_a_path_a_text_and_bytes_are_the_same(self, tmp_path):
        path = tmp_path / "scene.png"
        SCENE.save(path)
        for content in (path, str(path), path.read_bytes(), bytearray(path.read_bytes())):
            assert distance(read(content), SCENE) == 0

    def test_an_image_of_pillow_is_taken_as_it_is_and_left_usable(self):
        opened = Image.open(BytesIO(saved(picture("city", 1, (640, 480)), "JPEG")))
        assert read_small(opened, 100).size == (640, 480)
        assert opened.resize((10, 10)).size == (10, 10)

    def test_the_format_counts_and_not_the_name(self, tmp_path):
        path = tmp_path / "scene.jpg"
        path.write_bytes(saved(SCENE, "PNG"))
        assert distance(read(path), SCENE) == 0


class TestModes:
    @pytest.mark.parametrize("mode", ["1", "L", "P", "YCbCr", "HSV", "CMYK"])
    def test_modes_that_pillow_converts(self, mode):
        image = SCENE.convert(mode)
        assert distance(read(image), image.convert("RGB")) == 0

    def test_cmyk_jpeg(self):
        assert distance(read(saved(SCENE.convert("CMYK"), "JPEG", quality=95)), SCENE) < 4

    def test_grey_jpeg(self):
        assert distance(read(saved(SCENE.convert("L"), "JPEG", quality=95)), SCENE.convert("L").convert("RGB")) < 2

    def test_lab(self):
        from PIL import ImageCms

        lab = ImageCms.profileToProfile(
            SCENE, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
        assert distance(read(saved(lab, "TIFF")), SCENE) < 4

    @pytest.mark.parametrize("format", ["PNG", "TIFF"])
    def test_sixteen_bits(self, format):
        levels = np.array([[0, 255, 32_768, 65_535]], np.uint16)
        row = np.asarray(read(saved(Image.fromarray(levels), format)))[0, :, 0]
        assert row.tolist() == [0, 1, 128, 255]

    def test_dark_sixteen_bits_stay_dark(self):
        assert pixel(saved(Image.fromarray(np.full((2, 2), 257, np.uint16)), "PNG")) == (1, 1, 1)

    def test_sixteen_bits_a_colour(self):
        body = b"\0" + struct.pack(">HHH", 65_535, 32_768, 0)
        assert pixel(png(1, 1, depth=16, data=body)) == (255, 128, 0)

    def test_thirty_two_bits_and_floats_by_their_range(self):
        whole = Image.fromarray(np.array([[0, 500_000, 1_000_000]], np.int32))
        assert np.asarray(read(saved(whole, "TIFF")))[0, :, 0].tolist() == pytest.approx([0, 127, 255], abs=1)
        real = Image.fromarray(np.array([[0.0, 0.5, np.nan]], np.float32))
        assert np.asarray(read(saved(real, "TIFF")))[0, :, 0].tolist() == [0, 128, 0]

    def test_transparency_lies_on_white(self):
        clear = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
        half = Image.new("RGBA", (2, 2), (255, 0, 0, 128))
        assert pixel(saved(clear, "PNG")) == (255, 255, 255)
        red, green, blue = pixel(saved(half, "PNG"))
        assert (red, green, blue) == (255, pytest.approx(127, abs=1), pytest.approx(127, abs=1))
        assert pixel(saved(Image.new("LA", (2, 2), (0, 0)), "PNG")) == (255, 255, 255)

    def test_a_palette_with_transparency(self):
        image = Image.new("P", (2, 1))
        image.putpalette([255, 0, 0, 0, 0, 255])
        image.putdata([0, 1])
        for transparency in (0, bytes([0, 255])):
            content = saved(image, "PNG", transparency=transparency)
            assert (pixel(content), pixel(content, (1, 0))) == ((255, 255, 255), (0, 0, 255))

    def test_a_colour_that_means_transparent(self):
        content = saved(Image.new("RGB", (2, 2), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
        assert pixel(content) == (255, 255, 255)

    @pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
    def test_the_first_frame_of_several(self, format):
        frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
        content = saved(frames[0], format, save_all=True, append_images=frames[1:])
        assert pixel(content, (4, 4)) == pytest.approx((255, 0, 0), abs=2)


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
    def test_exif_is_applied(self, format, orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = saved(SCENE, format, exif=exif)
        assert distance(read(content), ImageOps.exif_transpose(Image.open(BytesIO(content))).convert("RGB")) == 0
        assert read(content).size == ((120, 80) if orientation < 5 else (80, 120))

    def test_damaged_exif_does_not_spoil_a_picture(self):
        content = saved(SCENE, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 30)
        assert read(content).size == SCENE.size

    @pytest.mark.parametrize("orientation", [0, 9, 4_000])
    def test_an_orientation_that_does_not_exist(self, orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        assert read(saved(SCENE, "PNG", exif=exif)).size == SCENE.size


JPEG, PNG = saved(picture("city", 2, (200, 150)), "JPEG"), saved(picture("city", 2, (200, 150)), "PNG")
WEBP = saved(picture("city", 2, (200, 150)), "WEBP")
FLIPPED = bytearray(PNG)
for place in range(2_000, 2_040, 8):
    FLIPPED[place] ^= 0x55
REFUSED = {
    "truncated.jpg": (JPEG[: len(JPEG) // 2], "^the image is truncated: its file ends before the picture does$"),
    "truncated.png": (PNG[: len(PNG) // 2], "^the image is truncated: its file ends before the picture does$"),
    "header.jpg": (JPEG[:20], "^it is no image: Pillow does not know its format$"),
    "header.png": (PNG[:20], "^the image is truncated: its file ends before the picture does$"),
    "half.webp": (WEBP[: len(WEBP) // 2], "^the image is damaged: its data cannot be decoded$"),
    "flipped.png": (bytes(FLIPPED), "^the image is damaged: its data cannot be decoded$"),
    "empty.jpg": (b"", "empty"),
    "zeros.jpg": (bytes(4_000), "zeros"),
    "text.jpg": ("ein Text, kein Bild: ä\n".encode() * 40, "no image: it is a text"),
    "sound.png": (b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0" + b"\xfe\x80" * 500, "does not know its format"),
    "bomb.png": (png(30_000, 30_000), "^it has 900,000,000 pixels, more than Pillow opens$"),
    "wide.png": (png(10_000, 9_500), "10,000 × 9,500 pixels, more than 89,478,485"),
    "program.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n", "EPS is a program"),
}


class TestRefusals:
    @pytest.mark.parametrize("name", REFUSED)
    def test_a_file_that_is_no_image(self, name, tmp_path):
        data, reason = REFUSED[name]
        path = tmp_path / name
        path.write_bytes(data)
        for reader in (read, partial(read_small, least=224)):
            with pytest.raises(ItemError, match=reason):
                reader(path)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (Path("/no/such/file.jpg"), "no such file"),
            ("", "empty"),
            (b"", "no bytes"),
            (None, "not NoneType"),
            (7, "not int"),
            (Path("/"), "Is a directory"),
            ("a\0b.jpg", "the path is none"),
            ("x" * 5_000, "cannot be read: File name too long"),
        ],
    )
    def test_a_content_that_is_no_image(self, content, reason):
        with pytest.raises(ItemError, match=reason):
            read(content)

    def test_the_limit_on_pixels_counts_for_an_image_of_pillow_too(self):
        with pytest.raises(ItemError, match="more than 100 in all"):
            read(SCENE, most_pixels=100)

    def test_no_warning_leaks_and_no_filter_stays(self):
        before = list(warnings.filters)
        with warnings.catch_warnings(record=True) as caught, pytest.raises(ItemError):
            warnings.simplefilter("always")
            read(png(10_000, 9_500))
        assert not caught
        assert warnings.filters == before

    def test_many_threads_leave_no_filter(self):
        before = list(warnings.filters)
        with ThreadPoolExecutor(8) as pool:
            sizes = list(pool.map(lambda _: read(PNG).size, range(200)))
        assert set(sizes) == {(200, 150)}
        assert warnings.filters == before
        assert reading._readers == 0


class TestFrames:
    @pytest.mark.parametrize("path", TEN, ids=lambda path: path.name)
    def test_exact_is_what_torchvision_does(self, path):
        from torchvision.transforms import CenterCrop, Compose, Resize

        expected = Compose([Resize(256), CenterCrop(224)])(rgb(path))
        found = CLASSIC.frame(path)
        assert found.shape == (224, 224, 3)
        assert found.dtype == np.uint8
        assert np.array_equal(found, np.asarray(expected))

    @pytest.mark.parametrize("quickly", [True, False])
    def test_fast_decodes_a_large_jpeg_at_a_fraction(self, monkeypatch, quickly):
        seen, scene = [], picture("fish", 2, (640, 480))
        monkeypatch.setattr(framing, "_resizes_quickly", lambda: quickly)
        monkeypatch.setattr(
            framing, "read_small", lambda *given, **more: seen.append(read_small(*given, **more)) or seen[-1]
        )
        for size in ((447, 447), (448, 448), (640, 480), (1_280, 960), (2_000, 1_800)):
            content = saved(scene.resize(size), "JPEG", quality=90)
            fast, exact = CLASSIC.frame(content, "fast"), CLASSIC.frame(content, "exact")
            assert np.abs(fast.astype(int) - exact).mean() < 4
        sizes = [Image.fromarray(np.asarray(one)).size for one in seen]
        assert sizes == [(447, 447), (224, 224), (320, 240), (320, 240), (250, 225)]

    @pytest.mark.parametrize("size", [(300, 300), (500, 375), (375, 500), (224, 448), (890, 1_500), (100, 80)])
    @pytest.mark.parametrize("preprocessing", [CLASSIC, CLIP], ids=["bilinear", "bicubic"])
    def test_torch_resizes_as_pillow_does(self, monkeypatch, preprocessing, size):
        monkeypatch.setattr(framing, "_resizes_quickly", lambda: True)
        monkeypatch.setattr(Preprocessing, "_cut", None)
        scene = picture("fish", 3, size)
        found = preprocessing.frame(scene, "fast")
        monkeypatch.undo()
        expected = preprocessing.frame(scene, "exact")
        assert found.shape == expected.shape
        assert found.dtype == np.uint8
        assert found.flags.c_contiguous
        differences = np.abs(found.astype(int) - expected)
        assert differences.max() <= 2
        assert (differences > 0).mean() < 0.02

    @pytest.mark.parametrize("size", [(1_024, 1_030), (600, 200)])
    def test_what_torch_would_be_slow_with_is_left_to_pillow(self, monkeypatch, size):
        monkeypatch.setattr(framing, "_resizes_quickly", lambda: True)
        monkeypatch.setattr(Preprocessing, "_cut_quickly", None)
        assert CLASSIC.frame(picture("house", 4, size), "fast").shape == (224, 224, 3)

    @pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 4_000), (4_000, 1), (30_000, 20)])
    @pytest.mark.parametrize("decode", ["fast", "exact"])
    def test_extreme_sizes_take_no_memory(self, size, decode):
        assert CLASSIC.frame(Image.new("RGB", size, "red"), decode).mean(axis=(0, 1)).tolist() == [255, 0, 0]
