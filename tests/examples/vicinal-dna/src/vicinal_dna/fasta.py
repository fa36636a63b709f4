"""Reads FASTA, record by record: a line ``>name description``, then lines of letters."""

from __future__ import annotations

import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

SUFFIXES = (".fasta", ".fa")
# What zipfile and gzip raise where the compressed bytes are damaged, encrypted or of an unknown method.
DAMAGES = (OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
_MAX_LINE = 1 << 16
_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz*-")


class FastaError(ValueError):
    """The file is not FASTA."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a FASTA file.

    Attributes:
        number: Its place in the file, from 1.
        name: The first word after ``>``; empty where there is none.
        description: What follows the name.
        sequence: The letters, in upper case.
        fault: Why the record cannot be used, or None.
    """

    number: int
    name: str
    description: str
    sequence: str
    fault: str | None = None


@dataclass(slots=True)
class _Draft:
    """A record while its lines are read; what is longer than ``max_bases`` is counted, and not kept."""

    number: int
    header: str
    max_bases: int | None
    length: int = 0
    parts: list[bytes] = field(default_factory=list)
    fault: str | None = None

    def add(self, letters: bytes) -> None:
        if unknown := set(letters) - _LETTERS:
            self.fault = self.fault or f"{chr(min(unknown))!r} is not a letter of a sequence"
        self.length += len(letters)
        if self.max_bases is None or self.length <= self.max_bases:
            self.parts.append(letters)

    def finish(self) -> Record:
        name, _, description = self.header.partition(" ")
        fault = self.fault or self._find_fault(name)
        sequence = "" if fault else b"".join(self.parts).upper().decode("ascii")
        return Record(self.number, name, description.strip(), sequence, fault)

    def _find_fault(self, name: str) -> str | None:
        if not name:
            return "the record has no name after its >"
        if not self.length:
            return "the record has no sequence"
        if self.max_bases is not None and self.length > self.max_bases:
            return f"the sequence has {self.length:,} letters; max_bases is {self.max_bases:,}"
        return None


def read_records(stream: IO[bytes] | gzip.GzipFile, max_bases: int | None = None) -> Iterator[Record]:
    """Yield the records of a stream, of which at most one is held in memory.

    Raises:
        FastaError: The stream does not begin with a record.
    """
    draft: _Draft | None = None
    for line, is_whole in _read_lines(stream):
        if is_whole and line.startswith(b">"):
            if draft:
                yield draft.finish()
            header = " ".join(line[1:].decode("utf-8", "replace").split(maxsplit=1))
            draft = _Draft(draft.number + 1 if draft else 1, header, max_bases)
        elif draft:
            draft.add(b"".join(line.split()))
        elif line.strip() and not line.startswith(b";"):
            raise FastaError("it is not FASTA: its first line does not begin with >")
    if draft:
        yield draft.finish()


def _read_lines(stream: IO[bytes] | gzip.GzipFile) -> Iterator[tuple[bytes, bool]]:
    """Yield lines, long ones in pieces of 64 KiB, with whether a line begins there."""
    begins = True
    while line := stream.readline(_MAX_LINE):
        yield line, begins
        begins = line.endswith(b"\n")


def open_fasta(path: Path) -> IO[bytes] | gzip.GzipFile:
    """Open a FASTA file for reading; one whose name ends in ``.gz`` is decompressed."""
    return gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb")


def is_fasta(name: str) -> bool:
    """Whether a file's name ends as those of FASTA files do."""
    return name.lower().removesuffix(".gz").endswith(SUFFIXES)


def describe_damage(error: Exception) -> str:
    """Return why a file cannot be read, without its path, which stands beside it."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
