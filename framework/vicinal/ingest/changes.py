"""What a run has to do: which items of the source are new, changed or unchanged, told without decoding any of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from vicinal.config.models import FieldSpec
from vicinal.errors import ItemError
from vicinal.stores.records import Entry, Record
from vicinal.types import Failure, Item, item_id

__all__ = ["Change", "SeenIds", "detect_changes", "fingerprint"]

MAX_KEY_BYTES = 1024
MAX_RECORD_BYTES = 4 * 1024 * 1024


@dataclass(slots=True)
class Change:
    """An item that has to be indexed: what the ledger knew of it before, and what it will know."""

    item: Item
    id: int
    previous: Entry | None
    fingerprint: bytes

    @property
    def is_new(self) -> bool:
        return self.previous is None or self.previous.counted_segments == 0

    @property
    def needs_indexing(self) -> bool:
        """Whether the item is not indexed as it is now."""
        return self.previous is None or self.previous.fingerprint != self.fingerprint

    def entry(self, segments: int) -> Entry:
        """The ledger's entry once the item is indexed with this many segments."""
        return Entry(Entry.checksum(self.item.key), self.fingerprint, segments, segments)

    def record(self) -> Record:
        """What is kept of the item in Redis; a content that is a file is kept as its URI alone."""
        content = self.item.content if isinstance(self.item.content, str) else None
        return Record(self.item.key, self.item.uri, content, self.item.metadata)


class SeenIds:
    """The ids that a run has met, in 8 bytes each: sorted arrays that are merged as they grow."""

    def __init__(self) -> None:
        self._runs: list[np.ndarray[Any, np.dtype[np.int64]]] = []

    def add(self, ids: Sequence[int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Add ids and tell which of them were met before, in this call or an earlier one."""
        batch = np.fromiter(ids, np.int64, len(ids))
        unique, first = np.unique(batch, return_index=True)
        again = np.ones(len(batch), bool)
        again[first] = self.contain(unique)
        self._runs.append(unique)
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
            self._runs[-2:] = [np.union1d(self._runs[-2], self._runs[-1])]
        return again

    def contain(self, ids: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which of these ids were met."""
        found = np.zeros(len(ids), bool)
        for run in self._runs:
            place = np.minimum(np.searchsorted(run, ids), len(run) - 1)
            found |= run[place] == ids if len(run) else False
        return found


def fingerprint(item: Item) -> bytes:
    """Twelve bytes that change when the item does: its version, or else its content, and its metadata."""
    content = item.version if item.version is not None else item.content
    if isinstance(content, bytes | bytearray):
        content = blake2b(content).hexdigest()
    elif isinstance(content, Path):
        content = str(content)
    data = orjson.dumps([content, item.uri, item.metadata], option=orjson.OPT_SORT_KEYS)
    return blake2b(data, digest_size=12).digest()


def detect_changes(
    items: Sequence[Item], seen: SeenIds, lookup: Callable[[Sequence[int]], list[Entry | None]]
) -> tuple[list[Change], int, list[Failure]]:
    """Sort items into changes, a number of unchanged ones, and failures (bad keys, duplicates, id collisions).

    ``lookup`` tells what the ledger knows of items; it is called once.
    """
    changes, unchanged, failures = [], 0, []
    sound = []
    for item in items:
        if reason := _unsound(item):
            key = item.key.encode(errors="backslashreplace").decode()
            failures.append(Failure(key[:200] or "(no key)", "read", reason, item.uri))
        else:
            sound.append(item)
    known = lookup([item_id(item.key) for item in sound])
    mine = []
    for item, entry in zip(sound, known, strict=True):
        if entry is None or entry.matches_key(item.key):
            mine.append((item, item_id(item.key), entry))
        else:
            failures.append(Failure(item.key, "read", "its id is that of another key; rename one of the two", item.uri))
    again = seen.add([id_ for _, id_, _ in mine])
    for (item, id_, entry), twice in zip(mine, again, strict=True):
        try:
            change = _change(item, id_, entry, again=bool(twice))
        except ItemError as error:
            failures.append(Failure(item.key, "read", str(error), item.uri))
            continue
        if change is None:
            unchanged += 1
        else:
            changes.append(change)
    return changes, unchanged, failures


def _change(item: Item, id_: int, before: Entry | None, *, again: bool) -> Change | None:
    """What has to be done for an item; None where it is unchanged.

    Raises:
        ItemError: it cannot be kept, or its key was met before.
    """
    if again:
        raise ItemError("the key occurs more than once in the source; its first item was kept")
    try:
        mark = fingerprint(item)
        if before is not None and before.fingerprint == mark:
            return None
        change = Change(item, id_, before, mark)
        size = len(change.record().pack())
    except TypeError as error:
        raise ItemError(f"it cannot be kept as JSON: {error}") from error
    if size > MAX_RECORD_BYTES:
        raise ItemError(f"its content and metadata have {size:,} bytes, at most {MAX_RECORD_BYTES:,} fit")
    return change


def _unsound(item: Item) -> str:
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
