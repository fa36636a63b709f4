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
from PIL.PngImagePlugin import PngInfo

from image_helpers import SAMPLE_IMAGES, load_rgb, picture
from vicinal import ItemError
from vicinal_image import decode as decode_module
from vicinal_image import preprocess as preprocess_module
from vicinal_image.decode import load_image, load_image_downscaled
from vicinal_image.preprocess import Preprocessing

CLASSIC = Preprocessing(256, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = Preprocessing(224, 224, CLASSIC.mean, CLASSIC.std, "bicubic", floor=True)
SCENE = picture("house", 1, (120, 80))


def encode_image(image, format, **options):
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def load_pixel(content, at=(0, 0)):
    image = load_image(content)
    assert image.mode == "RGB"
    return image.getpixel(at)


def mean_difference(first, second):
    assert first.size == second.size
    return float(np.abs(np.asarray(first, np.int16) - np.asarray(second, np.int16)).mean())


def make_png(width, height, *, depth=8, data=b"\0"):
    """A PNG whose header promises a size that its data do not have."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


class TestContents:
    def test_path_string_and_bytes_give_the_same_image(self, tmp_path):
        path = tmp_path / "scene.png"
        SCENE.save(path)
        for content in (path, str(path), path.read_bytes(), bytearray(path.read_bytes())):
            assert mean_difference(load_image(content), SCENE) == 0

    def test_pillow_image_is_used_unscaled_and_stays_open(self):
        opened = Image.open(BytesIO(encode_image(picture("city", 1, (640, 480)), "JPEG")))
        assert load_image_downscaled(opened, 100).size == (640, 480)
        assert opened.resize((10, 10)).size == (10, 10)

    def test_format_is_read_from_the_content_not_the_suffix(self, tmp_path):
        path = tmp_path / "scene.jpg"
        path.write_bytes(encode_image(SCENE, "PNG"))
        assert mean_difference(load_image(path), SCENE) == 0


class TestModes:
    @pytest.mark.parametrize("mode", ["1", "L", "P", "YCbCr", "HSV", "CMYK"])
    def test_modes_convert_as_in_pillow(self, mode):
        image = SCENE.convert(mode)
        assert mean_difference(load_image(image), image.convert("RGB")) == 0

    def test_cmyk_jpeg(self):
        assert mean_difference(load_image(encode_image(SCENE.convert("CMYK"), "JPEG", quality=95)), SCENE) < 4

    def test_grey_jpeg(self):
        grey = SCENE.convert("L")
        assert mean_difference(load_image(encode_image(grey, "JPEG", quality=95)), grey.convert("RGB")) < 2

    def test_lab(self):
        from PIL import ImageCms

        lab = ImageCms.profileToProfile(
            SCENE, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
        assert mean_difference(load_image(encode_image(lab, "TIFF")), SCENE) < 4

    @pytest.mark.parametrize("format", ["PNG", "TIFF"])
    def test_sixteen_bit_grey(self, format):
        levels = np.array([[0, 255, 32_768, 65_535]], np.uint16)
        row = np.asarray(load_image(encode_image(Image.fromarray(levels), format)))[0, :, 0]
        assert row.tolist() == [0, 1, 128, 255]

    def test_dark_sixteen_bit_image_stays_dark(self):
        assert load_pixel(encode_image(Image.fromarray(np.full((2, 2), 257, np.uint16)), "PNG")) == (1, 1, 1)

    def test_sixteen_bits_per_channel(self):
        body = b"\0" + struct.pack(">HHH", 65_535, 32_768, 0)
        assert load_pixel(make_png(1, 1, depth=16, data=body)) == (255, 128, 0)

    def test_32_bit_and_float_images_are_scaled_by_their_range(self):
        whole = Image.fromarray(np.array([[0, 500_000, 1_000_000]], np.int32))
        row = np.asarray(load_image(encode_image(whole, "TIFF")))[0, :, 0]
        assert row.tolist() == pytest.approx([0, 127, 255], abs=1)
        real = Image.fromarray(np.array([[0.0, 0.5, np.nan]], np.float32))
        row = np.asarray(load_image(encode_image(real, "TIFF")))[0, :, 0]
        assert row.tolist() == [0, 128, 0]

    def test_transparency_is_composited_on_white(self):
        clear = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
        half = Image.new("RGBA", (2, 2), (255, 0, 0, 128))
        assert load_pixel(encode_image(clear, "PNG")) == (255, 255, 255)
        red, green, blue = load_pixel(encode_image(half, "PNG"))
        assert (red, green, blue) == (255, pytest.approx(127, abs=1), pytest.approx(127, abs=1))
        assert load_pixel(encode_image(Image.new("LA", (2, 2), (0, 0)), "PNG")) == (255, 255, 255)

    def test_palette_with_transparency(self):
        image = Image.new("P", (2, 1))
        image.putpalette([255, 0, 0, 0, 0, 255])
        image.putdata([0, 1])
        for transparency in (0, bytes([0, 255])):
            content = encode_image(image, "PNG", transparency=transparency)
            assert (load_pixel(content), load_pixel(content, (1, 0))) == ((255, 255, 255), (0, 0, 255))

    def test_transparent_colour_key(self):
        content = encode_image(Image.new("RGB", (2, 2), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
        assert load_pixel(content) == (255, 255, 255)

    @pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
    def test_first_frame_of_an_animation(self, format):
        frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
        content = encode_image(frames[0], format, save_all=True, append_images=frames[1:])
        assert load_pixel(content, (4, 4)) == pytest.approx((255, 0, 0), abs=2)


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
    def test_exif_orientation_is_applied(self, format, orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = encode_image(SCENE, format, exif=exif)
        upright = ImageOps.exif_transpose(Image.open(BytesIO(content))).convert("RGB")
        assert mean_difference(load_image(content), upright) == 0
        assert load_image(content).size == ((120, 80) if orientation < 5 else (80, 120))

    @pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
    @pytest.mark.parametrize("orientation", [None, 1, 6])
    def test_orientation_of_xmp_is_ignored_as_in_browsers(self, format, orientation):
        exif = Image.Exif()
        if orientation:
            exif[0x0112] = orientation
        xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        metadata = {"PNG": {"pnginfo": info}, "TIFF": {"tiffinfo": {700: xmp, **exif}}}.get(format, {"xmp": xmp})
        content = encode_image(SCENE, format, exif=exif, **metadata)
        assert Image.open(BytesIO(content)).info.keys() & {"xmp", "XML:com.adobe.xmp"}
        size = (80, 120) if orientation == 6 else (120, 80)
        assert load_image(content).size == size
        assert Image.fromarray(np.asarray(load_image_downscaled(content, 80))).size == size

    def test_damaged_exif_is_ignored(self):
        content = encode_image(SCENE, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 30)
        assert load_image(content).size == SCENE.size

    @pytest.mark.parametrize("orientation", [0, 9, 4_000])
    def test_invalid_orientation_is_ignored(self, orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        assert load_image(encode_image(SCENE, "PNG", exif=exif)).size == SCENE.size


JPEG, PNG = encode_image(picture("city", 2, (200, 150)), "JPEG"), encode_image(picture("city", 2, (200, 150)), "PNG")
WEBP = encode_image(picture("city", 2, (200, 150)), "WEBP")
FLIPPED = bytearray(PNG)
for place in range(2_000, 2_040, 8):
    FLIPPED[place] ^= 0x55
REFUSED = {
    "truncated.jpg": (JPEG[: len(JPEG) // 2], "^the image is truncated: the file ends before its last pixels$"),
    "truncated.png": (PNG[: len(PNG) // 2], "^the image is truncated: the file ends before its last pixels$"),
    "header.jpg": (JPEG[:20], "^not an image \\(a JPEG image whose header is damaged\\)$"),
    "header.png": (PNG[:20], "^the image is truncated: the file ends before its last pixels$"),
    "half.webp": (WEBP[: len(WEBP) // 2], "^the image is damaged: its data cannot be decoded$"),
    "flipped.png": (bytes(FLIPPED), "^the image is damaged: its data cannot be decoded$"),
    "empty.jpg": (b"", "empty"),
    "zeros.jpg": (bytes(4_000), "^not an image \\(begins with zero bytes\\)$"),
    "text.jpg": ("ein Text, kein Bild: ä\n".encode() * 40, "^not an image \\(looks like text\\)$"),
    "sound.png": (b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0" + b"\xfe\x80" * 500, "a WAV sound"),
    "bomb.png": (make_png(30_000, 30_000), "^the image has 900,000,000 pixels, more than Pillow opens$"),
    "wide.png": (make_png(10_000, 9_500), "10,000 × 9,500 pixels, more than 89,478,485"),
    "program.eps": (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
        "^EPS is not supported",
    ),
}


class TestRefusals:
    @pytest.mark.parametrize("name", REFUSED)
    def test_invalid_files_are_refused_with_a_reason(self, name, tmp_path):
        data, reason = REFUSED[name]
        path = tmp_path / name
        path.write_bytes(data)
        for reader in (load_image, partial(load_image_downscaled, min_side=224)):
            with pytest.raises(ItemError, match=reason):
                reader(path)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (Path("/no/such/file.jpg"), "^there is no file /no/such/file.jpg$"),
            ("", "empty"),
            (b"", "0 bytes"),
            (None, "not NoneType"),
            (7, "not int"),
            (Path("/"), "Is a directory"),
            ("a\0b.jpg", "invalid path"),
            ("x" * 5_000, "cannot be read: File name too long"),
        ],
    )
    def test_invalid_contents_are_refused_with_a_reason(self, content, reason):
        with pytest.raises(ItemError, match=reason):
            load_image(content)

    def test_max_pixels_applies_to_pillow_images(self):
        with pytest.raises(ItemError, match=r"more than 100 \(`max_pixels`\)"):
            load_image(SCENE, max_pixels=100)

    def test_pillow_warnings_are_suppressed_and_filters_restored(self):
        before = list(warnings.filters)
        with warnings.catch_warnings(record=True) as caught, pytest.raises(ItemError):
            warnings.simplefilter("always")
            load_image(make_png(10_000, 9_500))
        assert not caught
        assert warnings.filters == before

    def test_concurrent_loads_restore_the_filters(self):
        before = list(warnings.filters)
        with ThreadPoolExecutor(8) as pool:
            sizes = list(pool.map(lambda _: load_image(PNG).size, range(200)))
        assert set(sizes) == {(200, 150)}
        assert warnings.filters == before
        assert decode_module._active_loads == 0


class TestPreprocessing:
    @pytest.mark.parametrize("path", SAMPLE_IMAGES, ids=lambda path: path.name)
    def test_exact_equals_torchvision(self, path):
        from torchvision.transforms import CenterCrop, Compose, Resize

        expected = Compose([Resize(256), CenterCrop(224)])(load_rgb(path))
        found = CLASSIC.apply(path)
        assert found.shape == (224, 224, 3)
        assert found.dtype == np.uint8
        assert np.array_equal(found, np.asarray(expected))

    @pytest.mark.parametrize("is_fast", [True, False])
    def test_fast_downscales_large_jpegs(self, monkeypatch, is_fast):
        seen, scene = [], picture("fish", 2, (640, 480))
        monkeypatch.setattr(preprocess_module, "_torch_resize_is_fast", lambda: is_fast)
        monkeypatch.setattr(
            preprocess_module,
            "load_image_downscaled",
            lambda *given, **more: seen.append(load_image_downscaled(*given, **more)) or seen[-1],
        )
        for size in ((447, 447), (448, 448), (640, 480), (1_280, 960), (2_000, 1_800)):
            content = encode_image(scene.resize(size), "JPEG", quality=90)
            fast, exact = CLASSIC.apply(content, "fast"), CLASSIC.apply(content, "exact")
            assert np.abs(fast.astype(int) - exact).mean() < 4
        sizes = [Image.fromarray(np.asarray(image)).size for image in seen]
        assert sizes == [(447, 447), (224, 224), (320, 240), (320, 240), (250, 225)]

    @pytest.mark.parametrize("size", [(300, 300), (500, 375), (375, 500), (224, 448), (890, 1_500), (100, 80)])
    @pytest.mark.parametrize("preprocessing", [CLASSIC, CLIP], ids=["bilinear", "bicubic"])
    def test_torch_resize_equals_pillow(self, monkeypatch, preprocessing, size):
        monkeypatch.setattr(preprocess_module, "_torch_resize_is_fast", lambda: True)
        monkeypatch.setattr(Preprocessing, "_resize_and_crop", None)
        scene = picture("fish", 3, size)
        found = preprocessing.apply(scene, "fast")
        monkeypatch.undo()
        expected = preprocessing.apply(scene, "exact")
        assert found.shape == expected.shape
        assert found.dtype == np.uint8
        assert found.flags.c_contiguous
        differences = np.abs(found.astype(int) - expected)
        assert differences.max() <= 2
        assert (differences > 0).mean() < 0.02

    @pytest.mark.parametrize("size", [(1_024, 1_030), (600, 200)])
    def test_large_images_are_resized_by_pillow(self, monkeypatch, size):
        monkeypatch.setattr(preprocess_module, "_torch_resize_is_fast", lambda: True)
        monkeypatch.setattr(Preprocessing, "_resize_and_crop_torch", None)
        assert CLASSIC.apply(picture("house", 4, size), "fast").shape == (224, 224, 3)

    @pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 4_000), (4_000, 1), (30_000, 20)])
    @pytest.mark.parametrize("decode", ["fast", "exact"])
    def test_extreme_aspect_ratios(self, size, decode):
        assert CLASSIC.apply(Image.new("RGB", size, "red"), decode).mean(axis=(0, 1)).tolist() == [255, 0, 0]
