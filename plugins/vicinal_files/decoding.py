"""Decodes the lines of a text file: in the encoding that the YAML declares or a byte order mark names, else UTF-8."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from vicinal.errors import SourceError
from vicinal.toolkit.file_kinds import advise_conversion
from vicinal.toolkit.text_encoding import detect_byte_order_mark, guess_encoding, guess_legacy_encoding, is_utf8

__all__ = ["Encoding", "InvalidLine", "LineDecoder", "choose_encoding", "convert_to_utf8"]

SAMPLE_BYTES = 64 << 10
_MIN_INVALID_LINES, _MIN_INVALID_SHARE = 3, 0.1
"""From here on, and if none of a file's first lines has a character of UTF-8, the file as a whole is refused."""


def _validate_encoding(name: str) -> str:
    try:
        "".encode(name)
        codecs.getincrementaldecoder(name)
    except (LookupError, ValueError) as error:
        known = "utf-8, utf-16, cp1252, latin-1, mac_roman, cp1251, shift_jis, gb18030"
        raise ValueError(f"{name!r} is not a text encoding of Python; some are {known}") from error
    return name


Encoding = Annotated[str, AfterValidator(_validate_encoding)]
"""The name of an encoding in Python."""


class InvalidLine(str):
    """A line that is not in its file's encoding; U+DC00 to U+DCFF stand for the invalid bytes."""

    problem: str
    """What is wrong: ``not UTF-8: byte 0xfc at position 2``."""
    suggestion: str
    """The encoding that the file may have, as the end of a message; empty where there is none."""

    def __new__(cls, line: str, encoding: str, suggestion: str) -> InvalidLine:
        self = super().__new__(cls, line)
        marks = ((place, char) for place, char in enumerate(line, 1) if "\udc00" <= char <= "\udcff")
        place, char = next(marks, (1, line[:1]))
        self.problem = f"not {_display_encoding(encoding)}: byte 0x{ord(char) & 0xFF:02x} at position {place}"
        self.suggestion = f"; the file may be {suggestion}: set `encoding: {suggestion}`" if suggestion else ""
        return self


def choose_encoding(path: Path, head: bytes, declared: str | None) -> str:
    """Return the encoding of a file that begins with ``head``: what is declared, a mark names, or UTF-8.

    Raises:
        SourceError: the file is not a text, or not in the declared encoding, as its first bytes show.
    """
    mark, has_nul = detect_byte_order_mark(head), b"\0" in head[:SAMPLE_BYTES]
    shown = mark or (guess_encoding(head) if has_nul else "")
    is_wide = declared is not None and codecs.lookup(declared).name.startswith(("utf-16", "utf-32"))
    if has_nul and not shown and not is_wide:
        raise _not_a_text_error(path)
    if shown and not mark and declared is None:
        raise SourceError(f"{path} seems to be {_display_encoding(shown)}, not UTF-8", hint=_encoding_hint(shown))
    if shown and declared and _decode_sample(head, shown) != _decode_sample(head, declared):
        raise SourceError(f"{path} seems to be {_display_encoding(shown)}, not {declared}", hint=_encoding_hint(shown))
    if is_wide and not shown and head and is_utf8(head):
        raise SourceError(f"{path} seems to be UTF-8, not {declared}", hint=_encoding_hint("utf-8"))
    chosen = declared or shown or "utf-8"
    return "utf-8" if _is_utf8_name(chosen) else chosen


def convert_to_utf8(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Convert a file's chunks to UTF-8; invalid bytes become surrogates, which are not valid UTF-8 either."""
    decoder = codecs.getincrementaldecoder(encoding)(_MARK_INVALID)
    for chunk in chunks:
        yield decoder.decode(chunk).encode(errors="surrogatepass")
    yield decoder.decode(b"", final=True).encode(errors="surrogatepass")


class LineDecoder:
    """Decodes blocks of whole lines, and looks for the file's encoding where lines are invalid and none is declared."""

    def __init__(self, path: Path, encoding: str, *, is_certain: bool) -> None:
        self._path, self._encoding = path, encoding
        self._errors = "surrogateescape" if encoding == "utf-8" else "surrogatepass"
        self._suggestion: str | None = "" if is_certain else None
        self._has_utf8 = False
        self._is_first = True

    def decode(self, block: bytes) -> list[str]:
        """Return the block's lines; each that cannot be decoded is an ``InvalidLine``.

        Raises:
            SourceError: it is the first block, and shows that the file is not UTF-8 at all.
        """
        try:
            lines = list(io.StringIO(block.decode(), newline="\n"))
            self._has_utf8 = self._has_utf8 or not block.isascii()
        except UnicodeDecodeError:
            lines = self._decode_lines(list(io.BytesIO(block)))
        self._is_first = False
        return lines

    def _decode_lines(self, lines: list[bytes]) -> list[str]:
        decoded = [_decode_utf8(line) for line in lines]
        invalid = [line for line, text in zip(lines, decoded, strict=True) if text is None]
        self._has_utf8 = self._has_utf8 or any(text is not None and not text.isascii() for text in decoded)
        if self._suggestion is None:
            self._suggestion = "" if self._has_utf8 else guess_legacy_encoding(b"".join(invalid))
            self._require_utf8(len(invalid), len(lines))
        return [self._mark_invalid(line) if text is None else text for line, text in zip(lines, decoded, strict=True)]

    def _require_utf8(self, invalid: int, count: int) -> None:
        is_widespread = invalid >= max(_MIN_INVALID_LINES, _MIN_INVALID_SHARE * count)
        if self._is_first and is_widespread and not self._has_utf8:
            raise SourceError(
                f"{self._path} is not UTF-8: {invalid:,} of its first {count:,} lines are not",
                hint=f"{_encoding_hint(self._suggestion)}; with `encoding: utf-8` such lines are recorded as failures",
            )

    def _mark_invalid(self, line: bytes) -> InvalidLine:
        return InvalidLine(line.decode(errors=self._errors), self._encoding, self._suggestion or "")


def _decode_utf8(line: bytes) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None


def _replace_invalid(error: UnicodeError) -> tuple[str, int]:
    """Replace each invalid byte by U+DC00 plus its value, as ``surrogateescape`` does for those above 0x7f."""
    assert isinstance(error, UnicodeDecodeError)
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


_MARK_INVALID = "vicinal.mark-invalid"
codecs.register_error(_MARK_INVALID, _replace_invalid)


def _not_a_text_error(path: Path) -> SourceError:
    advice = advise_conversion(path)
    if advice is None:
        return SourceError(f"{path} is not a text file: it has NUL bytes", hint="is `path` the right file?")
    return SourceError(f"{path} is {advice.kind}, not a text file", hint=advice.hint)


def _decode_sample(head: bytes, encoding: str) -> str:
    return codecs.getincrementaldecoder(encoding)("replace").decode(head).removeprefix("\ufeff")


def _is_utf8_name(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def _display_encoding(encoding: str) -> str:
    return encoding.upper().removesuffix("-SIG") if encoding.startswith("utf") else encoding


def _encoding_hint(encoding: str | None) -> str:
    if not encoding:
        return "set `encoding` in the source's block"
    return "remove `encoding`" if _is_utf8_name(encoding) else f"set `encoding: {encoding}` in the source's block"
