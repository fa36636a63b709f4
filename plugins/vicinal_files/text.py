"""Reading a text file of any size, line by line: fast where all is well, and exact about what is not.

The file is read in binary blocks that end with a line, and each block is decoded at once. Only a block that is not
UTF-8 is decoded line by line, so that a wrong byte costs its own line and no other.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from vicinal.errors import SourceError

__all__ = [
    "MAX_LINE",
    "MAX_TEXT",
    "DamageError",
    "NotUtf8",
    "TooLong",
    "estimate_lines",
    "megabytes",
    "no_file",
    "read_lines",
]

MAX_TEXT = 1 << 20
"""The largest content of an item, in bytes of UTF-8."""
MAX_LINE = 16 << 20
"""The largest line, and csv row, in bytes; a longer one is passed over without being held."""
BLOCK = 1 << 20
SAMPLE = 64 << 10


class DamageError(Exception):
    """The file cannot be read to its end; every line before the damage has been yielded."""


class NotUtf8(str):
    """A line that is not UTF-8; the wrong bytes are surrogates in it."""

    def wrong(self) -> str:
        """The first wrong byte and its position in the line, counted from 1."""
        try:
            self.encode(errors="surrogateescape").decode()
        except UnicodeDecodeError as error:
            return f"byte 0x{error.object[error.start]:02x} at position {error.start + 1}"
        return "no byte"


class TooLong(str):
    """In place of a line above ``MAX_LINE``: its size, and as text one quote if it held an odd number of them.

    With that quote a csv row that spans several lines still ends where it should.
    """

    size: int

    def __new__(cls, size: int, quotes: int) -> TooLong:
        line = super().__new__(cls, '"' * (quotes % 2))
        line.size = size
        return line


def megabytes(size: int) -> str:
    """A size for a message: ``1.0 MB``."""
    return f"{size / (1 << 20):.1f} MB"


def no_file(path: Path) -> SourceError:
    """The error for a file that is not there."""
    return SourceError(f"{path} does not exist", hint="correct `path`; a relative one is relative to the YAML file")


def read_lines(path: Path) -> Iterator[str]:
    """Yield a file's lines with their ends; a file whose name ends in ``.gz`` is unpacked on the way.

    A line is a ``str``; one that is not UTF-8 a ``NotUtf8``, one above ``MAX_LINE`` a ``TooLong``.

    Raises:
        SourceError: the file cannot be opened or is not a text.
        DamageError: it cannot be read to its end.
    """
    return chain.from_iterable(_decode(block) for block in _whole_lines(_text_chunks(path)))


def estimate_lines(path: Path) -> int | None:
    """About how many lines a file has, judged by the length of its first ones; None for a packed file or none."""
    if path.suffix.lower() == ".gz":
        return None
    try:
        with path.open("rb") as stream:
            head, size = stream.read(SAMPLE), os.fstat(stream.fileno()).st_size
    except OSError:
        return None
    lines = len(head.splitlines())
    return lines if len(head) >= size else round(size * lines / len(head))


def _decode(block: bytes | TooLong) -> list[str]:
    if isinstance(block, TooLong):
        return [block]
    try:
        return list(io.StringIO(block.decode(), newline="\n"))
    except UnicodeDecodeError:
        return [_decode_line(line) for line in io.BytesIO(block)]


def _decode_line(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return NotUtf8(line.decode(errors="surrogateescape"))


def _whole_lines(chunks: Iterator[bytes]) -> Iterator[bytes | TooLong]:
    """Cut the chunks anew, so that each block ends with a line; a line above the limit is counted, not held."""
    tail, size, quotes = b"", 0, 0
    for chunk in chunks:
        if size:
            end = chunk.find(b"\n") + 1
            size += end or len(chunk)
            quotes += chunk.count(b'"', 0, end or len(chunk))
            if not end:
                continue
            yield TooLong(size, quotes)
            size, chunk = 0, chunk[end:]
        cut = chunk.rfind(b"\n") + 1
        if cut:
            yield tail + chunk[:cut]
        tail = chunk[cut:] if cut else tail + chunk
        if len(tail) > MAX_LINE:
            tail, size, quotes = b"", len(tail), tail.count(b'"')
    if size:
        yield TooLong(size, quotes)
    elif tail:
        yield tail


def _text_chunks(path: Path) -> Iterator[bytes]:
    """The file's bytes without a byte order mark; every line ends with a line feed, also in files of an old Mac."""
    chunks = _chunks(path)
    first = next(chunks, b"")
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SourceError(f"{path} is UTF-16, not UTF-8", hint=f"iconv -f UTF-16 -t UTF-8 {path.name} > converted")
    if b"\0" in first[:SAMPLE]:
        raise SourceError(f"{path} is not a text file (it holds NUL bytes)", hint="is `path` the right file?")
    old_mac = b"\r" in first and b"\n" not in first
    yield _line_feeds(first.removeprefix(b"\xef\xbb\xbf"), old_mac)
    for chunk in chunks:
        yield _line_feeds(chunk, old_mac)


def _line_feeds(chunk: bytes, old_mac: bool) -> bytes:
    return chunk.replace(b"\r", b"\n") if old_mac else chunk


def _chunks(path: Path) -> Iterator[bytes]:
    started = False
    try:
        with _open(path) as stream:
            while chunk := stream.read1(BLOCK):  # unlike read, it gives what precedes the damage in a packed file
                yield chunk
                started = True
    except (OSError, EOFError, zlib.error) as error:
        if started:
            raise DamageError(f"the file breaks off or is damaged here: {error}") from error
        raise _unreadable(path, error) from error


def _open(path: Path) -> io.BufferedReader | gzip.GzipFile:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


def _unreadable(path: Path, error: Exception) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return no_file(path)
    if isinstance(error, IsADirectoryError):
        return SourceError(f"{path} is a folder, not a file", hint="a source of type `folder` reads the files in it")
    return SourceError(f"the file {path} cannot be read: {error}")
