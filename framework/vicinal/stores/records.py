"""What Redis stores of an item: its record and its ledger entry, packed as bytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

__all__ = ["Entry", "Record"]

_ENTRY = struct.Struct(">4s12sII")
_PENDING = bytes(12)
_TRUNCATED = 1 << 31
"""The bit of the packed ``counted_segments`` that is ``counted_truncated``."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An item's entry in the ledger: a checksum of its key, a fingerprint of what is indexed, its number of segments.

    A fingerprint of zeros marks a pending write: it began and was not seen to end, and the next run indexes the item
    again. ``segments`` is then how many Milvus may hold, and ``counted_segments`` how many the state's counts include;
    ``counted_truncated`` tells whether they include the item as one that the encoder reads only in part.
    """

    key_checksum: bytes
    fingerprint: bytes
    segments: int
    counted_segments: int
    counted_truncated: bool = False

    @property
    def is_committed(self) -> bool:
        """Whether the item's last write ended."""
        return self.fingerprint != _PENDING

    def pack(self) -> bytes:
        counted = self.counted_segments | (_TRUNCATED if self.counted_truncated else 0)
        return _ENTRY.pack(self.key_checksum, self.fingerprint, self.segments, counted)

    def as_pending(self, previous: Entry | None) -> Entry:
        """Return the item's entry for the time of its write, given the one before."""
        if previous is None:
            return Entry(self.key_checksum, _PENDING, self.segments, 0)
        segments = max(self.segments, previous.segments)
        return Entry(self.key_checksum, _PENDING, segments, previous.counted_segments, previous.counted_truncated)

    @classmethod
    def unpack(cls, data: bytes) -> Entry:
        checksum, fingerprint, segments, counted = _ENTRY.unpack(data)
        return cls(checksum, fingerprint, segments, counted & ~_TRUNCATED, bool(counted & _TRUNCATED))

    def matches_key(self, key: str) -> bool:
        """Return whether this is the entry of the key, not of another key whose id collides with its own."""
        return self.key_checksum == self.checksum(key)

    @staticmethod
    def checksum(key: str) -> bytes:
        """Return four bytes that differ, but for one in 4 billion, for two keys whose ids collide."""
        return blake2b(key.encode(), digest_size=4, person=b"vicinal-check").digest()


@dataclass(frozen=True, slots=True)
class Record:
    """What is stored of an item beside its vectors."""

    key: str
    uri: str
    content: str | None
    metadata: Mapping[str, Any]

    def pack(self) -> bytes:
        return orjson.dumps([self.key, self.uri, self.content, self.metadata])

    @classmethod
    def unpack(cls, data: bytes) -> Record:
        return cls(*orjson.loads(data))
