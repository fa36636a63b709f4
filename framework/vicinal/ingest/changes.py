"""Detects which items of the source are new, changed or unchanged, without decoding any of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from vicinal.config.models import FieldSpec
from vicinal.errors import ItemError
from vicinal.stores.records import Entry, Record
from vicinal.toolkit.text import describe_kind
from vicinal.types import Failure, Item, item_id

__all__ = ["Change", "SeenIds", "StoredItem", "compute_fingerprint", "detect_changes", "extract_fields"]

MAX_KEY_BYTES = 1024
MAX_RECORD_BYTES = 4 * 1024 * 1024
_MAX_SHOWN_KEY = 200
_HASH_COLLISION = "hash collision: its 63-bit id equals that of another indexed key; rename this key"


@dataclass(frozen=True, slots=True)
class StoredItem(Item):
    """An item made of what is stored of it, which does not tell the version that its source gave it."""

    fingerprint: bytes = b""
    """That of the item which the source gave, so that the next run over the source finds it unchanged."""


@dataclass(slots=True)
class Change:
    """An item that has to be indexed, with its ledger entry from before."""

    item: Item
    id: int
    previous: Entry | None
    fingerprint: bytes

    @property
    def is_new(self) -> bool:
        return self.previous is None or self.previous.counted_segments == 0

    @property
    def needs_indexing(self) -> bool:
        """Whether the item differs from what is indexed of it."""
        return self.previous is None or self.previous.fingerprint != self.fingerprint

    def to_entry(self, segments: int, *, truncated: bool = False) -> Entry:
        """The ledger entry of the item once it is indexed with this many segments; ``truncated`` as in ``Segment``."""
        return Entry(Entry.checksum(self.item.key), self.fingerprint, segments, segments, truncated)

    def to_record(self, fields: Mapping[str, Any] | None = None) -> Record:
        """Return what Redis keeps of the item: a file's URI in place of its content, and fields with their types."""
        content = self.item.content if isinstance(self.item.content, str) else None
        metadata = {**self.item.metadata, **fields} if fields else self.item.metadata
        return Record(self.item.key, self.item.uri, content, metadata)


class SeenIds:
    """The set of ids that a run has seen, at 8 bytes each: sorted arrays that are merged as they grow."""

    def __init__(self) -> None:
        self._arrays: list[np.ndarray[Any, np.dtype[np.int64]]] = []

    def add(self, ids: Sequence[int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Add ids; returns for each whether it was seen before, in this call or an earlier one."""
        batch = np.fromiter(ids, np.int64, len(ids))
        unique, first = np.unique(batch, return_index=True)
        repeated = np.ones(len(batch), bool)
        repeated[first] = self.contain(unique)
        self._arrays.append(unique)
        while len(self._arrays) > 1 and len(self._arrays[-2]) <= 2 * len(self._arrays[-1]):
            self._arrays[-2:] = [np.union1d(self._arrays[-2], self._arrays[-1])]
        return repeated

    def contain(self, ids: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """For each of these ids whether it was seen."""
        seen = np.zeros(len(ids), bool)
        for array in self._arrays:
            index = np.minimum(np.searchsorted(array, ids), len(array) - 1)
            seen |= array[index] == ids if len(array) else False
        return seen


def compute_fingerprint(item: Item) -> bytes:
    """Twelve bytes that change when the item does: a hash of its version, or else its content, and its metadata.

    Raises:
        TypeError: content or metadata cannot be written as JSON.
    """
    if isinstance(item, StoredItem) and item.fingerprint:
        return item.fingerprint
    content = item.version if item.version is not None else item.content
    if isinstance(content, bytes | bytearray):
        content = blake2b(content).hexdigest()
    elif isinstance(content, Path):
        content = str(content)
    data = orjson.dumps([content, item.uri, item.metadata], option=orjson.OPT_SORT_KEYS)
    return blake2b(data, digest_size=12).digest()


def detect_changes(
    items: Sequence[Item], seen: SeenIds, lookup: Callable[[Sequence[int]], list[Entry | None]], *, force: bool = False
) -> tuple[list[Change], int, list[Failure]]:
    """Sort items into changes, a number of unchanged ones, and failures (bad keys, duplicates, hash collisions).

    ``lookup`` returns the ledger entries of ids; it is called once. With ``force`` unchanged items are changes, too.
    """
    changes, unchanged, failures = [], 0, []
    valid = []
    for item in items:
        if reason := _key_error(item):
            key = item.key.encode(errors="backslashreplace").decode()
            failures.append(Failure(key[:_MAX_SHOWN_KEY] or "(no key)", "read", reason, item.uri))
        else:
            valid.append(item)
    entries = lookup([item_id(item.key) for item in valid])
    known = []
    for item, entry in zip(valid, entries, strict=True):
        if entry is None or entry.matches_key(item.key):
            known.append((item, item_id(item.key), entry))
        else:
            failures.append(Failure(item.key, "read", _HASH_COLLISION, item.uri))
    repeated = seen.add([id_ for _, id_, _ in known])
    for (item, id_, entry), is_repeated in zip(known, repeated, strict=True):
        try:
            change = _detect_change(item, id_, entry, is_repeated=bool(is_repeated), force=force)
        except ItemError as error:
            failures.append(Failure(item.key, "read", str(error), item.uri))
            continue
        if change is None:
            unchanged += 1
        else:
            changes.append(change)
    return changes, unchanged, failures


def _detect_change(item: Item, id_: int, previous: Entry | None, *, is_repeated: bool, force: bool) -> Change | None:
    """The change of one item; None where it is unchanged and not forced.

    Raises:
        ItemError: it cannot be stored, or an earlier item has its key.
    """
    if is_repeated:
        raise ItemError("the key occurs more than once in the source; its first item was kept")
    try:
        fingerprint = compute_fingerprint(item)
        if not force and previous is not None and previous.fingerprint == fingerprint:
            return None
        if not isinstance(item.metadata, Mapping):
            raise ItemError(f"its metadata are {describe_kind(item.metadata)}, not a mapping")
        change = Change(item, id_, previous, fingerprint)
        size = len(change.to_record().pack())
    except TypeError as error:
        raise ItemError(f"cannot be stored as JSON: {error}") from error
    if size > MAX_RECORD_BYTES:
        raise ItemError(f"its content and metadata have {size:,} bytes, at most {MAX_RECORD_BYTES:,} fit")
    return change


def _key_error(item: Item) -> str:
    """Why the item's key cannot be used; empty where it can."""
    if not item.key:
        return "the key is empty"
    try:
        size = len(item.key.encode())
    except UnicodeEncodeError:
        return "the key is not valid Unicode"
    return f"the key has {size} bytes, at most {MAX_KEY_BYTES} fit" if size > MAX_KEY_BYTES else ""


def extract_fields(item: Item, specs: dict[str, FieldSpec]) -> dict[str, Any]:
    """Return the values of the declared fields, converted from the item's metadata.

    Raises:
        ItemError: a value is missing or not of its field's type.
    """
    values = {}
    for name, spec in specs.items():
        try:
            values[name] = spec.coerce(item.metadata.get(spec.metadata_key or name))
        except (TypeError, ValueError) as error:
            origin = f" (from {spec.metadata_key!r})" if spec.metadata_key else ""
            raise ItemError(f"field {name!r}{origin} {error}") from error
    return values
