"""Reads a text file of any size line by line, and reports each line that cannot be decoded.

The file is read in binary blocks that end with a line, and each block is decoded at once. Only a block that is not
UTF-8 is decoded line by line, so that an invalid byte fails its own line and no other.
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
    "MAX_LINE_BYTES",
    "MAX_TEXT_BYTES",
    "InvalidLine",
    "OversizedLine",
    "TruncatedFileError",
    "estimate_lines",
    "format_megabytes",
    "missing_file_error",
    "read_lines",
]

MAX_TEXT_BYTES = 1 << 20
"""The largest content of an item, in bytes of UTF-8."""
MAX_LINE_BYTES = 16 << 20
"""The largest line, and csv row, in bytes; a longer one is skipped without being held in memory."""
BLOCK_BYTES = 1 << 20
SAMPLE_BYTES = 64 << 10


class TruncatedFileError(Exception):
    """The file cannot be read to its end; every line before the damage has been yielded."""


class InvalidLine(str):
    """A line that is not UTF-8; surrogates stand for its invalid bytes."""

    def describe_error(self) -> str:
        """Return the first invalid byte and its position in the line, counted from 1."""
        try:
            self.encode(errors="surrogateescape").decode()
        except UnicodeDecodeError as error:
            return f"byte 0x{error.object[error.start]:02x} at position {error.start + 1}"
        return "no byte"


class OversizedLine(str):
    """Stands in for a line above ``MAX_LINE_BYTES``: its size, and as text one quote if it had an odd number of them.

    With that quote a csv row that spans several lines still ends where it should.
    """

    size: int

    def __new__(cls, size: int, quotes: int) -> OversizedLine:
        line = super().__new__(cls, '"' * (quotes % 2))
        line.size = size
        return line


def format_megabytes(size: int) -> str:
    """Format a size for a message: ``1.0 MB``."""
    return f"{size / (1 << 20):.1f} MB"


def missing_file_error(path: Path) -> SourceError:
    """Return the error for a file that does not exist."""
    return SourceError(f"{path} does not exist", hint="correct `path`; a relative one is relative to the YAML file")


def read_lines(path: Path) -> Iterator[str]:
    """Yield a file's lines with their ends; a file whose name ends in ``.gz`` is decompressed while it is read.

    A line is a ``str``; one that is not UTF-8 an ``InvalidLine``, one above ``MAX_LINE_BYTES`` an ``OversizedLine``.

    Raises:
        SourceError: the file cannot be opened or is not a text.
        TruncatedFileError: it cannot be read to its end.
    """
    return chain.from_iterable(_decode_block(block) for block in _regroup_by_lines(_read_text_chunks(path)))


def estimate_lines(path: Path) -> int | None:
    """Estimate a file's number of lines from the length of its first ones; None for a gzip or missing file."""
    if path.suffix.lower() == ".gz":
        return None
    try:
        with path.open("rb") as stream:
            head, size = stream.read(SAMPLE_BYTES), os.fstat(stream.fileno()).st_size
    except OSError:
        return None
    lines = len(head.splitlines())
    return lines if len(head) >= size else round(size * lines / len(head))


def _decode_block(block: bytes | OversizedLine) -> list[str]:
    if isinstance(block, OversizedLine):
        return [block]
    try:
        return list(io.StringIO(block.decode(), newline="\n"))
    except UnicodeDecodeError:
        return [_decode_line(line) for line in io.BytesIO(block)]


def _decode_line(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return InvalidLine(line.decode(errors="surrogateescape"))


def _regroup_by_lines(chunks: Iterator[bytes]) -> Iterator[bytes | OversizedLine]:
    """Regroup chunks into blocks that end with a line; a line above the limit is counted, not held in memory."""
    tail, size, quotes = b"", 0, 0
    for chunk in chunks:
        if size:
            end = chunk.find(b"\n") + 1
            size += end or len(chunk)
            quotes += chunk.count(b'"', 0, end or len(chunk))
            if not end:
                continue
            yield OversizedLine(size, quotes)
            size, chunk = 0, chunk[end:]
        end = chunk.rfind(b"\n") + 1
        if end:
            yield tail + chunk[:end]
        tail = chunk[end:] if end else tail + chunk
        if len(tail) > MAX_LINE_BYTES:
            tail, size, quotes = b"", len(tail), tail.count(b'"')
    if size:
        yield OversizedLine(size, quotes)
    elif tail:
        yield tail


def _read_text_chunks(path: Path) -> Iterator[bytes]:
    """Yield the file's bytes without a byte order mark; carriage returns of a classic Mac file become line feeds."""
    chunks = _read_chunks(path)
    first = next(chunks, b"")
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SourceError(f"{path} is UTF-16, not UTF-8", hint=f"iconv -f UTF-16 -t UTF-8 {path.name} > converted")
    if b"\0" in first[:SAMPLE_BYTES]:
        raise SourceError(f"{path} is not a text file (it holds NUL bytes)", hint="is `path` the right file?")
    old_mac = b"\r" in first and b"\n" not in first
    yield _convert_carriage_returns(first.removeprefix(b"\xef\xbb\xbf"), old_mac)
    for chunk in chunks:
        yield _convert_carriage_returns(chunk, old_mac)


def _convert_carriage_returns(chunk: bytes, old_mac: bool) -> bytes:
    return chunk.replace(b"\r", b"\n") if old_mac else chunk


def _read_chunks(path: Path) -> Iterator[bytes]:
    started = False
    try:
        with _open_binary(path) as stream:
            while chunk := stream.read1(BLOCK_BYTES):  # unlike read, it returns what precedes the damage in a gzip file
                yield chunk
                started = True
    except (OSError, EOFError, zlib.error) as error:
        if started:
            raise TruncatedFileError(f"the file is truncated or damaged here: {error}") from error
        raise _to_source_error(path, error) from error


def _open_binary(path: Path) -> io.BufferedReader | gzip.GzipFile:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


def _to_source_error(path: Path, error: Exception) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return missing_file_error(path)
    if isinstance(error, IsADirectoryError):
        return SourceError(f"{path} is a folder, not a file", hint="a source of type `folder` reads the files in it")
    return SourceError(f"the file {path} cannot be read: {error}")
