"""What a file is, by its first bytes: for refusals that name it."""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from typing import Literal, NamedTuple

__all__ = ["Content", "describe_content"]

Family = Literal["", "archive", "audio", "data", "document", "drawing", "image", "text", "video"]


class Content(NamedTuple):
    """What a file is, with its article, and the family of such files; empty where it is unknown."""

    kind: str
    family: Family


def describe_content(head: bytes) -> Content:
    """Return what a file is that begins with ``head``; a few hundred bytes do."""
    if not head.strip(b"\0"):
        return Content("begins with zero bytes", "")
    for pattern, content in _PATTERNS:
        if pattern.match(head):
            return content
    return Content("looks like text", "text") if _is_text(head) else Content("unknown format", "")


def _is_text(head: bytes) -> bool:
    try:
        text = getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter.isspace() for letter in text)


_XML = rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml.{0,400}?\?>\s*|<!--.{0,2000}?-->\s*|<!DOCTYPE[^>]{0,400}>\s*)*"
_PATTERNS = [
    (re.compile(pattern, re.DOTALL), Content(kind, family))  # type: ignore[arg-type]
    for pattern, kind, family in (
        (_XML + rb"<(?:\w+:)?svg\b", "an SVG drawing", "drawing"),
        (rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF|\xc5\xd0\xd3\xc6|%!PS", "a drawing", "drawing"),
        (rb"AC10\d\d", "an AutoCAD drawing", "drawing"),
        (_XML + rb"(?i:<html\b)|(?i:\s*<!doctype html)", "a web page", "document"),
        (_XML + rb"<[a-zA-Z]|\s*<\?xml", "an XML file", "text"),
        (rb"%PDF", "a PDF document", "document"),
        (rb"\xd0\xcf\x11\xe0", "an old Office document", "document"),
        (rb"\{\\rtf", "an RTF document", "document"),
        (rb"AT&TFORM", "a DjVu document", "document"),
        (rb"....ftyp(?:avif|avis)", "an AVIF image", "image"),
        (rb"....ftyp(?:hei[csmx]|hev[cx]|mif[12]|msf1)", "a HEIC image", "image"),
        (rb"....ftypcrx ", "a camera's raw file", "image"),
        (rb"....ftypM4[AB] ", "an M4A sound", "audio"),
        (rb"....ftypqt  |....(?:moov|mdat|wide|free)", "a QuickTime video", "video"),
        (rb"....ftyp", "an MP4 video", "video"),
        (rb"RIFF....WEBP", "a WebP image", "image"),
        (rb"\x89PNG\r\n\x1a\n", "a PNG image", "image"),
        (rb"\xff\xd8\xff", "a JPEG image", "image"),
        (rb"II\*\0|MM\0\*", "a TIFF image", "image"),
        (rb"FUJIFILMCCD-RAW|IIRO|IIRS|IIU\0|\0MRM|FOVb", "a camera's raw file", "image"),
        (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL image", "image"),
        (rb"SDPX|XPDS", "a DPX image", "image"),
        (rb"v/1\x01", "an OpenEXR image", "image"),
        (rb"#\?(?:RADIANCE|RGBE)", "a Radiance HDR image", "image"),
        (rb"P[Ff]\n", "a PFM image", "image"),
        (rb"gimp xcf", "a GIMP image", "image"),
        (rb"8BPS", "a Photoshop image", "image"),
        (rb".{128}DICM", "a DICOM file", "data"),
        (rb"SIMPLE  =", "a FITS file", "data"),
        (rb"RIFF....WAVE|RF64|riff", "a WAV sound", "audio"),
        (rb"RIFF....AVI ", "an AVI video", "video"),
        (rb"ID3|\xff[\xfb\xf3\xf2\xfa]", "an MP3 sound", "audio"),
        (rb"fLaC", "a FLAC sound", "audio"),
        (rb"OggS.{24,40}(?:vorbis|OpusHead|Speex|\x7fFLAC)", "an Ogg sound", "audio"),
        (rb"OggS", "an Ogg video", "video"),
        (rb"FORM....AIF[FC]", "an AIFF sound", "audio"),
        (rb"MThd", "a MIDI file", "audio"),
        (rb"\.snd", "an AU sound", "audio"),
        (rb"#!AMR", "an AMR sound", "audio"),
        (rb"\x1aE\xdf\xa3", "a Matroska or WebM video", "video"),
        (rb"FLV\x01", "a Flash video", "video"),
        (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file", "video"),
        (rb"\0\0\x01[\xb3\xba]|G.{187}G", "an MPEG video", "video"),
        (rb"\x89HDF", "an HDF5 file", "data"),
        (rb"CDF[\x01\x02\x05]", "a NetCDF file", "data"),
        (rb"\x93NUMPY", "a NumPy array", "data"),
        (rb"PAR1", "a parquet file", "data"),
        (rb"ARROW1", "an Arrow file", "data"),
        (rb"SQLite format 3\0", "an SQLite database", "data"),
        (rb"PK\x03\x04.{26}(?:word|xl|ppt|\[Content_Types\])", "an Office document", "document"),
        (rb"PK[\x03\x05]", "a zip archive", "archive"),
        (rb"\x1f\x8b", "a gzip archive", "archive"),
        (rb"BZh", "a bzip2 archive", "archive"),
        (rb"\xfd7zXZ", "an xz archive", "archive"),
        (rb"\x28\xb5\x2f\xfd", "a zstd archive", "archive"),
        (rb"7z\xbc\xaf", "a 7z archive", "archive"),
        (rb"Rar!", "a RAR archive", "archive"),
        (rb".{257}ustar", "a tar archive", "archive"),
        (rb"\x7fELF|MZ", "a program", ""),
    )
]
