"""Opens an image's file by whatever knows its format, and says of other files what they are."""

from __future__ import annotations

import struct
from io import BufferedReader, BytesIO
from typing import TYPE_CHECKING, Any

from vicinal import ItemError
from vicinal.toolkit.magic import describe_content
from vicinal_image.jxl import read_jxl_size

if TYPE_CHECKING:
    from PIL import Image as Pillow

__all__ = ["File", "open_image", "require_supported"]

File = BytesIO | BufferedReader

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1")
_JXL_HEADS = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
_SCRIPT_FORMATS = ("EPS", "WMF")  # to draw these, Pillow runs Ghostscript or the system's own interpreter on them
_HEAD_BYTES = 4096
_BITS_PER_SAMPLE, _SAMPLES, _PLANAR, _TILE_WIDTH, _SAMPLE_FORMAT = 258, 277, 284, 322, 339
_KINDS_OF_NUMBERS = {2: "signed ", 3: "floating-point ", 5: "complex ", 6: "complex "}
_READ_FORMATS = ("a JPEG image", "a PNG image", "a WebP image", "an AVIF image", "a HEIC image", "a JPEG XL image")
_SAVE_AGAIN = "save it as PNG or JPEG"


def open_image(file: File, max_pixels: int) -> Pillow.Image:
    """Open an image without decoding it.

    Raises:
        ItemError: it is not an image, of a format that nothing installed reads, or of more than ``max_pixels``.
    """
    from PIL import Image, UnidentifiedImageError

    head = file.read(_HEAD_BYTES)
    _register_plugin(file, head, max_pixels)
    file.seek(0)
    try:
        return _drop_xmp(Image.open(file))
    except UnidentifiedImageError as error:
        raise ItemError(f"not an image ({_describe_file(file, head)})") from error


def _register_plugin(file: File, head: bytes, max_pixels: int) -> None:
    """Have Pillow know the formats that need packages of their own.

    Raises:
        ItemError: the package is not installed.
    """
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS and not _is_avif(head):
        try:
            from pillow_heif import register_heif_opener
        except ImportError as error:
            raise ItemError("HEIC images need an extra: pip install 'vicinal[heif]'") from error
        register_heif_opener()
    elif head.startswith(_JXL_HEADS):
        try:
            from pillow_jxl import JpegXLImagePlugin
        except ImportError as error:
            raise ItemError("JPEG XL images need an extra: pip install 'vicinal[jxl]'") from error
        JpegXLImagePlugin.DECODE_THREADS = 0  # several images are decoded in parallel anyway
        require_pixels(read_jxl_size(file), max_pixels)  # it decodes when it opens


def _drop_xmp(image: Pillow.Image) -> Pillow.Image:
    """Remove what Pillow would take an orientation from that browsers ignore.

    In JPEG XL that is EXIF, too, but where it is a JPEG that was repacked.
    """
    is_upright = image.format == "JXL" and not getattr(image, "jpeg", False)
    for name in ("xmp", "XML:com.adobe.xmp", *(("exif",) if is_upright else ())):
        image.info.pop(name, None)
    return image


def require_pixels(size: tuple[int, int], max_pixels: int) -> None:
    """Refuse an image by its width and height.

    Raises:
        ItemError: it has more than ``max_pixels``, or none.
    """
    width, height = size
    if width * height > max_pixels:
        raise ItemError(f"the image has {width:,} × {height:,} pixels, more than {max_pixels:,} (`max_pixels`)")
    if not width * height:
        raise ItemError(f"the image has {width} × {height} pixels")


def require_supported(image: Pillow.Image) -> None:
    """Refuse what Pillow opens and does not decode, or decodes wrongly.

    Raises:
        ItemError: it is such an image; the message says what to do.
    """
    from PIL.ImageFile import StubImageFile

    if image.format in _SCRIPT_FORMATS:
        raise ItemError(f"{image.format} is not supported, because drawing it runs a program; {_SAVE_AGAIN}")
    if image.format == "MPEG" or isinstance(image, StubImageFile):
        raise ItemError(f"not an image ({_describe_stub(image)})")
    if image.format == "TIFF" and _is_misread_tiff(image):
        depth = max(_get_tag(image, _BITS_PER_SAMPLE, 8))
        raise ItemError(f"a TIFF of {depth} bits a colour, planes apart, is not supported; {_SAVE_AGAIN}")


def _is_misread_tiff(image: Any) -> bool:
    """Whether Pillow would decode a TIFF to noise: it takes separate planes of 16 bits for planes of 8, unless libtiff
    decodes them in strips."""
    if _get_tag(image, _PLANAR, 1)[0] != 2 or _get_tag(image, _SAMPLES, 1)[0] < 2:
        return False
    is_raw = any(tile[0] == "raw" for tile in image.tile)
    return image.mode == "LAB" or (
        max(_get_tag(image, _BITS_PER_SAMPLE, 8)) > 8 and (is_raw or _TILE_WIDTH in image.tag_v2)
    )


def _get_tag(image: Any, tag: int, default: int) -> tuple[int, ...]:
    value = image.tag_v2.get(tag, default)
    return value if isinstance(value, tuple) else (value,)


def _is_avif(head: bytes) -> bool:
    (length,) = struct.unpack_from(">I", head)
    return b"avif" in head[8 : min(length, 256)] or b"avis" in head[8 : min(length, 256)]


def _describe_stub(image: Pillow.Image) -> str:
    names = {"HDF5": "an HDF5 file", "GRIB": "weather data in GRIB", "BUFR": "weather data in BUFR", "MPEG": "a video"}
    return f"{names.get(image.format or '', f'a {image.format} file')}; export its pictures as PNG or JPEG"


def _describe_file(file: File, head: bytes) -> str:
    if head[:4] in (b"II*\0", b"MM\0*"):
        return _describe_tiff(file)
    content = describe_content(head)
    if content.kind in _READ_FORMATS:
        return f"{content.kind} whose header is damaged"
    return f"{content.kind}; {_HINTS[content.family]}" if content.family in _HINTS else content.kind


_HINTS = {
    "drawing": _SAVE_AGAIN,
    "image": _SAVE_AGAIN,
    "document": "save its pages as PNG or JPEG",
    "video": "search videos with the encoder `keyframes`",
    "audio": "search sounds with an encoder of sounds",
    "archive": "unpack it",
    "data": "export its pictures as PNG or JPEG",
}


def _describe_tiff(file: File) -> str:
    """Say what numbers a TIFF holds that Pillow does not read."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    file.seek(0)
    try:
        header = file.read(8)
        tags = ImageFileDirectory_v2(header)
        file.seek(tags.next)
        tags.load(file)
        if _SAMPLES not in tags and _BITS_PER_SAMPLE not in tags:
            return "a damaged TIFF"
        bits, kinds = (tags.get(tag, default) for tag, default in ((_BITS_PER_SAMPLE, 1), (_SAMPLE_FORMAT, 1)))
        depth, kind = (max(value) if isinstance(value, tuple) else value for value in (bits, kinds))
        numbers = f"{tags.get(_SAMPLES, 1)} × {depth} {_KINDS_OF_NUMBERS.get(kind, '')}bits"
        return f"a TIFF of {numbers}; {_SAVE_AGAIN}, or with 8 or 16 bits a colour"
    except Exception:  # a damaged directory
        return "a damaged TIFF"
