"""The records of a FASTA file, and those of all FASTA files in a zip archive."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import Literal
from urllib.parse import quote

from pydantic import Field
from vicinal import Failure, Item, LocalPath, Source, SourceError

from vicinal_dna.fasta import DAMAGES, SUFFIXES, FastaError, Record, describe_damage, open_fasta, read_records


class FastaParams(Source.Params):
    path: LocalPath
    """The file."""
    content: Literal["sequence", "description"] = "sequence"
    """What is encoded of a record."""
    max_bases: int = Field(default=10_000_000, ge=1, le=1_000_000_000)
    """A longer record is a failure; no more of it is held in memory."""


class Fasta(Source[FastaParams]):
    """The records of a FASTA file, each under its name."""

    def __iter__(self) -> Iterator[Item | Failure]:
        path = self.params.path
        try:
            with open_fasta(path) as stream:
                entries = _Entries(self.params)
                yield from map(entries.make, read_records(stream, self.params.max_bases))
        except FastaError as error:
            raise SourceError(f"{path}: {error}", "a FASTA file begins with >, a name and a description") from error
        except DAMAGES as error:
            raise SourceError(f"{path} cannot be read: {describe_damage(error)}", "see `path` in the YAML") from error


class FastaArchive(Source[FastaParams]):
    """The records of the FASTA files in a zip archive, each under its file's name and its own.

    A damaged file in the archive is a failure under that file's name; the others are read.
    """

    def __iter__(self) -> Iterator[Item | Failure]:
        path = self.params.path
        try:
            archive = zipfile.ZipFile(path)
        except DAMAGES as error:
            raise SourceError(f"{path} cannot be read: {describe_damage(error)}", "see `path` in the YAML") from error
        with archive:
            for member in sorted(archive.infolist(), key=lambda member: member.filename):
                if member.filename.lower().endswith(SUFFIXES):
                    yield from self._read_member(archive, member)

    def _read_member(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[Item | Failure]:
        entries = _Entries(self.params, member.filename)
        try:
            _verify_checksum(archive, member)
            with archive.open(member) as stream:
                yield from map(entries.make, read_records(stream, self.params.max_bases))
        except (FastaError, *DAMAGES) as error:
            yield Failure(member.filename, "read", describe_damage(error), entries.uri)


def _verify_checksum(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Read a member to its end, where zipfile compares checksums: no record of a damaged one is yielded."""
    with archive.open(member) as stream:
        while stream.read(1 << 20):
            pass


class _Entries:
    """Makes an item of each record of a file, or a failure of a broken one.

    Two records of one name are two items of one key: vicinal keeps the first, and records the other as a failure.
    """

    def __init__(self, params: FastaParams, member: str = "") -> None:
        self._params = params
        self._prefix = f"{member}/" if member else ""
        self.uri = params.path.resolve().as_uri() + (f"#{quote(member)}" if member else "")

    def make(self, record: Record) -> Item | Failure:
        # No name has a space in it, so the key of a nameless record is nobody else's.
        key = self._prefix + (record.name or f"record {record.number}")
        uri = f"{self.uri}{'/' if self._prefix else '#'}{quote(record.name)}" if record.name else self.uri
        if record.fault:
            return Failure(key, "read", record.fault, uri, hides_items=False)
        content = record.sequence if self._params.content == "sequence" else record.description
        return Item(key, content, uri, {"description": record.description, "length": len(record.sequence)})
