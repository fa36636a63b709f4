"""Reads the lines of a text file of any size, plain or gzip, in bounded memory."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from vicinal import SourceError
from vicinal.toolkit.text_encoding import detect_byte_order_mark

__all__ = ["TruncatedFileError", "estimate_count", "is_gzip", "read_lines"]

MAX_LINE_CHARS = 1 << 20
"""What is beyond this in a line is left out, and no molecule."""
_HEAD_BYTES = 64 << 10
_SAMPLE_BYTES = 1 << 20


class TruncatedFileError(Exception):
    """The file cannot be read to its end; every line before the damage has been yielded."""


def is_gzip(path: Path) -> bool:
    """Whether a file is compressed, by its name."""
    return path.suffix.lower() == ".gz"


def read_lines(path: Path) -> Iterator[str]:
    """Yield a file's lines without their ends: in the encoding of its byte order mark, else UTF-8, else cp1252.

    Raises:
        SourceError: the file cannot be opened, or is not a text.
        TruncatedFileError: it cannot be read to its end.
    """
    started = False
    try:
        with gzip.open(path) if is_gzip(path) else path.open("rb") as binary:
            for line in _decode_lines(path, io.BufferedReader(cast(io.RawIOBase, binary), _HEAD_BYTES)):
                started = True
                yield line
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        if started:
            raise TruncatedFileError(f"the file is truncated or damaged here: {error}") from error
        raise _to_source_error(path, error) from error


def _decode_lines(path: Path, binary: io.BufferedReader) -> Iterator[str]:
    head = binary.peek(_HEAD_BYTES)[:_HEAD_BYTES]
    marked = detect_byte_order_mark(head)
    if not marked and b"\0" in head:
        raise SourceError(f"{path} is not a text", hint="SMILES, InChI, SDF and molfiles are texts, or such in .gz")
    encoding = marked or "utf-8"
    with io.TextIOWrapper(binary, encoding, errors="surrogateescape" if "8" in encoding else "replace") as text:
        while line := text.readline(MAX_LINE_CHARS):
            while len(line) == MAX_LINE_CHARS and not line.endswith("\n") and (rest := text.readline(MAX_LINE_CHARS)):
                if rest.endswith("\n"):
                    break
            yield _repair_line(line.removesuffix("\n"))


def _repair_line(line: str) -> str:
    """The line, read as cp1252 if it is not UTF-8: names in older files are."""
    if line.isascii() or not any("\udc80" <= char <= "\udcff" for char in line):
        return line
    return line.encode("utf-8", "surrogateescape").decode("cp1252", "replace")


def estimate_count(path: Path, mark: bytes) -> int | None:
    """Estimate how often a text stands in a file from the density in its first MB; None for a gzip or missing file."""
    if is_gzip(path):
        return None
    try:
        with path.open("rb") as stream:
            head, size = cast(BinaryIO, stream).read(_SAMPLE_BYTES), path.stat().st_size
    except OSError:
        return None
    count = head.count(mark)
    return round(count * size / len(head)) if size > len(head) > 0 else count


def _to_source_error(path: Path, error: Exception) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return SourceError(f"{path} does not exist", hint="correct `path`; a relative one is relative to the YAML file")
    if isinstance(error, IsADirectoryError):
        return SourceError(f"{path} is a folder, not a file", hint="name one file of molecules")
    return SourceError(f"the file {path} cannot be read: {error}")
