"""Reads a text file of any size line by line, and reports each line that cannot be decoded.

The file is read in binary blocks that end with a line, and each block is decoded at once. Only a block that is not
UTF-8 is decoded line by line, so that an invalid byte fails its own line and no other. A file in another encoding is
converted to UTF-8 first.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from vicinal.errors import SourceError
from vicinal_files.decoding import SAMPLE_BYTES, LineDecoder, choose_encoding, convert_to_utf8

__all__ = [
    "MAX_LINE_BYTES",
    "MAX_TEXT_BYTES",
    "OversizedLine",
    "TruncatedFileError",
    "estimate_lines",
    "format_megabytes",
    "missing_file_error",
    "read_first_lines",
    "read_lines",
]

MAX_TEXT_BYTES = 1 << 20
"""The largest content of an item, in bytes of UTF-8."""
MAX_LINE_BYTES = 16 << 20
"""The largest line, and csv row, in bytes; a longer one is skipped without being held in memory."""
BLOCK_BYTES = 1 << 20


class TruncatedFileError(Exception):
    """The file cannot be read to its end; every line before the damage has been yielded."""


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


def read_lines(path: Path, encoding: str | None = None) -> Iterator[str]:
    """Yield a file's lines with their ends; a file whose name ends in ``.gz`` is decompressed while it is read.

    A line is a ``str``; one that cannot be decoded an ``InvalidLine``, one above ``MAX_LINE_BYTES`` an
    ``OversizedLine``. Without ``encoding`` the file is UTF-8, or what its byte order mark names.

    Raises:
        SourceError: the file cannot be opened, is not a text, or not in this encoding.
        TruncatedFileError: it cannot be read to its end.
    """
    return chain.from_iterable(_read_line_blocks(path, encoding))


def _read_line_blocks(path: Path, declared: str | None) -> Iterator[list[str]]:
    chunks = _read_chunks(path)
    head = next(chunks, b"")
    encoding = choose_encoding(path, head, declared)
    decoder = LineDecoder(path, encoding, is_certain=declared is not None or encoding != "utf-8")
    chunks = chain([head], chunks)
    if encoding != "utf-8":
        chunks = convert_to_utf8(chunks, encoding)
    for block in _regroup_by_lines(_normalize_text(chunks)):
        yield [block] if isinstance(block, OversizedLine) else decoder.decode(block)


def read_first_lines(path: Path, encoding: str | None) -> list[str]:
    """Return up to ``SAMPLE_BYTES`` characters of whole lines from a file's beginning."""
    lines: list[str] = []
    size = 0
    with suppress(TruncatedFileError):
        for line in read_lines(path, encoding):
            if lines and size + len(line) > SAMPLE_BYTES:
                break
            lines.append(line)
            size += len(line)
    return lines


def estimate_lines(path: Path) -> int | None:
    """Estimate a file's number of lines from the length of its first ones; None for a gzip or missing file."""
    if path.suffix.lower() == ".gz":
        return None
    try:
        with path.open("rb") as stream:
            head, size = stream.read(SAMPLE_BYTES), os.fstat(stream.fileno()).st_size
    except OSError:
        return None
    ends = max(head.count(b"\n"), head.count(b"\r"))
    if len(head) < size:
        return round(size * ends / len(head))
    return ends + (not head.endswith((b"\n", b"\r", b"\n\0")) if head else 0)


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


def _normalize_text(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Remove the byte order mark, and replace the carriage returns of a classic Mac file by line feeds."""
    first = next(filter(None, chunks), b"")
    is_classic_mac = b"\r" in first and b"\n" not in first
    for chunk in chain([first.removeprefix(codecs.BOM_UTF8)], chunks):
        yield chunk.replace(b"\r", b"\n") if is_classic_mac else chunk


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
