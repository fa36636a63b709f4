"""JPEGs and PNGs that Pillow refuses though all their pixels are there: the same pixels without what is in the way.

What is in the way are metadata, and a missing end: JPEGs without their last marker, or with a maker's trailer in its
place. Only a file that Pillow has refused comes here, so others pay nothing.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

__all__ = ["read_png_profile", "repair_image"]

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND")
"""Chunks that say what the image looks like, but for its profile, which ``read_png_profile`` reads."""
_MAX_PROFILE_BYTES = 16 << 20

_JPEG_METADATA = frozenset({0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xEB, 0xEC, 0xED, 0xEF, 0xFE})
"""APP3 to APP13, APP15 and comments; the others hold JFIF, EXIF, profiles and Adobe's colours."""
_JPEG_SEGMENTS = frozenset({*range(0xC0, 0xD0), *range(0xDA, 0xF0), 0xFE}) - {0xC8}
_BETWEEN_SCANS = frozenset({0xC4, 0xDA, 0xDB, 0xDC, 0xDD})
_START_OF_SCAN, _FRAMES = 0xDA, frozenset({0xC0, 0xC1, 0xC2})
_END_OF_IMAGE = b"\xff\xd9"
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
_SURPLUS = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
_TRAILER = re.compile(rb"\x00{8,}\Z|[\x20-\x7e]{24}|....ftyp|CANON OPTIONAL DATA|SEFH", re.DOTALL)
"""What no scan of a JPEG holds: a filled-up end, a text, a film, and what Canon and Samsung append."""
_MARGIN = 8
"""Bytes of a trailer that are left, since the last of a scan may look like its first; they do not make up for a row."""


def repair_image(data: bytes, max_pixels: int) -> bytes | None:
    """Return a JPEG or a PNG without what keeps Pillow from it; None where that is not known, pixels are missing, or a
    JPEG has more than ``max_pixels``."""
    if data.startswith(_PNG_SIGNATURE):
        return _repair_png(data)
    try:
        return _repair_jpeg(data, max_pixels) if data.startswith(b"\xff\xd8\xff") else None
    except (IndexError, ValueError):  # segments too short for what they should hold
        return None


def _repair_png(data: bytes) -> bytes:
    """Drop the chunks that are not needed, whatever their checksum, and the needed ones that are not critical where
    that is wrong, as libpng does; a wrong one in pixels stays."""
    chunks = (
        chunk
        for kind, chunk in _read_png_chunks(data)
        if kind in _PNG_CHUNKS and (kind.isupper() or _has_valid_checksum(chunk))
    )
    return _PNG_SIGNATURE + b"".join(chunks)


def read_png_profile(data: bytes) -> bytes | None:
    """Return the colour profile of a PNG, also a longer one than Pillow reads; None where it has none or it is broken.

    16 MiB are read at most.
    """
    for kind, chunk in _read_png_chunks(data):
        if kind == b"IDAT":
            break
        if kind == b"iCCP" and _has_valid_checksum(chunk):
            packed = chunk[8:-4].partition(b"\0")[2][1:]
            try:
                return zlib.decompressobj().decompress(packed, _MAX_PROFILE_BYTES)
            except zlib.error:
                return None
    return None


def _read_png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kinds and chunks, each from its length to its checksum; the last one may be cut off."""
    start = len(_PNG_SIGNATURE)
    while start + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        yield kind, data[start : start + length + 12]
        start += length + 12


def _has_valid_checksum(chunk: bytes) -> bool:
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


def _repair_jpeg(data: bytes, max_pixels: int) -> bytes | None:
    """Drop metadata, and put the end where the last scan ends; None unless libjpeg-turbo finds all rows before it."""
    segments = list(_read_jpeg_segments(data))
    repaired = b"".join([b"\xff\xd8", *segments, _END_OF_IMAGE])
    return repaired if _has_all_scans(segments) and _has_all_rows(repaired, max_pixels) else None


def _read_jpeg_segments(data: bytes) -> Iterator[bytes]:
    """Yield the segments that make up the image, and its scans, up to the end or to what belongs to no image."""
    start, allowed = 2, _JPEG_SEGMENTS
    while marker := _MARKER.match(data, start):
        kind, head = marker[1][0], marker.end()
        end = head + int.from_bytes(data[head : head + 2], "big")
        if kind not in allowed or end > len(data):
            return
        if kind == _START_OF_SCAN:
            following = _MARKER.search(data, end)
            end = following.start() if following else len(data)
            trailer = _TRAILER.search(data, head, end)
            yield b"\xff" + data[head - 1 : trailer.start() + _MARGIN if trailer else end]
            if trailer:
                return
            allowed = _BETWEEN_SCANS
        elif kind not in _JPEG_METADATA:
            yield b"\xff" + data[head - 1 : end]
        start = end


def _has_all_scans(segments: list[bytes]) -> bool:
    """Whether the scans hold every coefficient of every component to its last bit, as those of an unfinished
    progressive JPEG do not."""
    frame = next((segment for segment in segments if segment[1] in _FRAMES), b"")
    missing = {(component, index) for component in frame[10::3] for index in range(64)}
    for scan in (segment for segment in segments if segment[1] == _START_OF_SCAN):
        first, last, bits = scan[5 + 2 * scan[4] :][:3]
        if not bits & 15:
            missing -= {
                (component, index) for component in scan[5:][: 2 * scan[4] : 2] for index in range(first, last + 1)
            }
    return bool(frame) and not missing


def _has_all_rows(data: bytes, max_pixels: int) -> bool:
    """Whether the scans of a JPEG hold every row.

    Bytes between the last row and the end marker do no harm, if the rows are whole without them: rows that are missing
    would take them for pixels.
    """
    problem = _find_problem(data, max_pixels)
    if surplus := _SURPLUS.search(problem):
        problem = _find_problem(data[: -len(_END_OF_IMAGE) - int(surplus[1])] + _END_OF_IMAGE, max_pixels)
    return not problem


def _find_problem(data: bytes, max_pixels: int) -> str:
    """Return the last warning or the error of libjpeg-turbo, empty where it finds none."""
    try:
        from simplejpeg import decode_jpeg, decode_jpeg_header
    except ImportError:
        return "simplejpeg is not installed"
    try:
        height, width, colours, _ = decode_jpeg_header(data)
        if height * width > max_pixels:
            return "too many pixels"
        decode_jpeg(data, "CMYK" if colours in ("CMYK", "YCCK") else "RGB")
    except ValueError as error:
        return str(error) or "damaged"
    return ""
