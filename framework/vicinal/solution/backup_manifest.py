"""What a backup says of itself: its files with their hashes, and what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from vicinal.errors import VicinalError

__all__ = ["FAILURES", "ITEMS", "MANIFEST", "STATE", "YAML", "BackupFile", "Manifest"]

MANIFEST = "manifest.json"
ITEMS = "items.parquet"
FAILURES = "failures.jsonl"
STATE = "state.json"
YAML = "solution.yaml"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class BackupFile:
    """One file of a backup: its size in bytes, and its hash."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of a backup.

    ``signature`` is that of the encoder that made the vectors, with the hash of what it learnt; ``incomplete`` items
    were being written when the backup ended, or lacked vectors, and are not in it. ``versions`` says what wrote it.
    """

    solution: str
    created: str
    signature: str
    items: int
    rows: int
    failures: int
    incomplete: int
    versions: Mapping[str, str]
    files: Mapping[str, BackupFile]

    @property
    def size(self) -> int:
        """The size of all files in bytes."""
        return sum(file.size for file in self.files.values())

    def to_json(self) -> bytes:
        return orjson.dumps({"vicinal_backup": _FORMAT, **asdict(self)}, option=orjson.OPT_INDENT_2)

    @classmethod
    def from_json(cls, data: bytes, location: str) -> Manifest | None:
        """Read a manifest; None where it is none, was not written to its end, or was changed to what is none.

        Raises:
            VicinalError: a newer version of vicinal wrote it.
        """
        try:
            document: Any = orjson.loads(data)
            written = int(document["vicinal_backup"])
        except (ValueError, TypeError, KeyError):
            return None
        if written > _FORMAT:
            raise VicinalError(
                f"the backup {location} is of format {written}, and this version of vicinal reads format {_FORMAT}",
                hint="install the version of vicinal that made it",
            )
        try:
            manifest = _READER.validate_python(document)
        except ValidationError:
            return None
        return manifest if {ITEMS, FAILURES, STATE} <= manifest.files.keys() else None


_READER = TypeAdapter(Manifest)
