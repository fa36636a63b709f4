"""What Redis keeps of an item: its record, and the ledger's entry, as bytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

__all__ = ["Entry", "Record"]

_ENTRY = struct.Struct(">4s12sII")
_UNFINISHED = bytes(12)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger knows of an item: a check of its key, a fingerprint of what was indexed, its segments.

    A fingerprint of zeros means that a write began and was not seen to end; the next run does the item again.
    ``segments`` is how many Milvus may hold then, ``counted`` how many of them the state's counts include.
    """

    key_checksum: bytes
    fingerprint: bytes
    segments: int
    counted_segments: int

    @property
    def is_committed(self) -> bool:
        return self.fingerprint != _UNFINISHED

    def pack(self) -> bytes:
        return _ENTRY.pack(self.key_checksum, self.fingerprint, self.segments, self.counted_segments)

    def as_pending(self, before: Entry | None) -> Entry:
        """The same item while its write is under way, after what the ledger knew before."""
        held = (before.segments, before.counted_segments) if before else (0, 0)
        return Entry(self.key_checksum, _UNFINISHED, max(self.segments, held[0]), held[1])

    @classmethod
    def unpack(cls, data: bytes) -> Entry:
        return cls(*_ENTRY.unpack(data))

    def matches_key(self, key: str) -> bool:
        """Whether it is the entry of this key, not of another one whose id happens to be equal."""
        return self.key_checksum == self.checksum(key)

    @staticmethod
    def checksum(key: str) -> bytes:
        """Four bytes that differ for two keys whose ids happen to be equal."""
        return blake2b(key.encode(), digest_size=4, person=b"vicinal-check").digest()


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of an item beside its vectors."""

    key: str
    uri: str
    content: str | None
    metadata: Mapping[str, Any]

    def pack(self) -> bytes:
        return orjson.dumps([self.key, self.uri, self.content, self.metadata])

    @classmethod
    def unpack(cls, data: bytes) -> Record:
        return cls(*orjson.loads(data))
