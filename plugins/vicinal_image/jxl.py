"""The size of a JPEG XL image from its header: the package that decodes it does so as soon as it opens one."""

from __future__ import annotations

import struct
from typing import Any

from vicinal import ItemError

__all__ = ["read_jxl_size"]

_RATIOS = (None, (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def read_jxl_size(file: Any) -> tuple[int, int]:
    """Return width and height, as ISO/IEC 18181-1 has them in the first bytes of the codestream.

    Raises:
        ItemError: there is no codestream.
    """
    head = _read_codestream(file)
    if head[:2] != b"\xff\x0a":
        raise ItemError("the image is damaged: it has no codestream")
    bits = _Bits(int.from_bytes(head[2:], "little"))
    is_small = bits.take(1)
    height = _read_length(bits, is_small)
    ratio = _RATIOS[bits.take(3)]
    return (height * ratio[0] // ratio[1] if ratio else _read_length(bits, is_small)), height


def _read_codestream(file: Any) -> bytes:
    """Return the first bytes of the codestream, which a container holds in a box of its own."""
    file.seek(0)
    start = 0
    head: bytes = file.read(16)
    while head[:2] != b"\xff\x0a" and len(head) >= 8:
        length, kind = struct.unpack_from(">I4s", head)
        header = 16 if length == 1 else 8
        if kind in (b"jxlc", b"jxlp"):
            file.seek(start + header + (4 if kind == b"jxlp" else 0))
            codestream: bytes = file.read(16)
            return codestream
        length = struct.unpack_from(">Q", head, 8)[0] if length == 1 and len(head) == 16 else length
        if length < header:
            return b""
        start += length
        file.seek(start)
        head = file.read(16)
    return head


def _read_length(bits: _Bits, is_small: int) -> int:
    return 8 * (bits.take(5) + 1) if is_small else bits.take((9, 13, 18, 30)[bits.take(2)]) + 1


class _Bits:
    """Bits from the lowest on."""

    def __init__(self, value: int) -> None:
        self.value = value

    def take(self, count: int) -> int:
        taken, self.value = self.value & ((1 << count) - 1), self.value >> count
        return taken
