"""The items that all compared solutions have indexed: their labels, and a sample of them to search with.

Items are known by their ids, hashes of their keys, so that a million of them take some megabytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vicinal.errors import VicinalError
from vicinal.quality.labels import Label, LabelCounts, read_label, require_labels
from vicinal.stores.redis import MetadataStore
from vicinal.types import item_id

if TYPE_CHECKING:
    from vicinal.solution.solution import Solution

__all__ = ["CommonItems", "CommonLabels", "find_common_items", "read_labels", "sample_ids"]

_NO_LABEL = -1
_MAX_FIELDS = 1_000


@dataclass(frozen=True, slots=True)
class CommonItems:
    """The ids, in ascending order, of the items that each solution has; ``totals`` is how many each has in all."""

    ids: np.ndarray
    totals: Sequence[int]

    def find(self, ids: np.ndarray) -> np.ndarray:
        """The place of each id among them, -1 where it is not one of them."""
        places = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[places] == ids, places, -1)

    def find_keys(self, keys: Iterable[str]) -> np.ndarray:
        """The place of the item of each key."""
        return self.find(np.fromiter(map(item_id, keys), np.int64))


@dataclass(frozen=True, slots=True)
class CommonLabels:
    """The labels of the common items: ``codes`` has a number for each item's label, -1 where it has none."""

    items: CommonItems
    codes: np.ndarray
    names: Sequence[Label]
    counts: LabelCounts

    def read_codes(self, keys: Iterable[str]) -> np.ndarray:
        """The numbers of the labels of common items."""
        places = self.items.find_keys(keys)
        codes: np.ndarray = np.where(places >= 0, self.codes[places], _NO_LABEL)
        return codes

    def count(self, code: int) -> int:
        """How many of the items have a label, by its number."""
        return self.counts.counts[self.names[code]]

    @property
    def shared_ids(self) -> np.ndarray:
        """The ids of the items that share their label with another one."""
        sizes = np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))
        shared: np.ndarray = self.items.ids[(self.codes >= 0) & (sizes[self.codes] > 1)]
        return shared


def find_common_items(solutions: Sequence[Solution]) -> CommonItems:
    """
    Raises:
        VicinalError: there are fewer than two common items.
    """
    known: dict[int, np.ndarray] = {}
    for solution in solutions:
        if id(solution) not in known:
            known[id(solution)] = _read_ids(solution.metadata)
    ids = [known[id(solution)] for solution in solutions]
    common = ids[0]
    for others in ids[1:]:
        common = np.intersect1d(common, others, assume_unique=True)
    if len(common) < 2:
        has = "1 item" if len(common) else "no item"
        raise VicinalError(
            f"the solutions have {has} in common, by its key",
            "items are the same where their keys are: index the same source in each",
        )
    return CommonItems(common, [len(one) for one in ids])


def read_labels(metadata: MetadataStore, field: str, items: CommonItems) -> CommonLabels:
    """Read the labels of the common items from one solution.

    Raises:
        VicinalError: the field does not tell them apart.
    """
    codes = np.full(len(items.ids), _NO_LABEL, np.int32)
    numbers: dict[Label, int] = {}
    counts: Counter[Label] = Counter()
    fields: set[str] = set()
    for records in metadata.iter_records():
        places = items.find(np.fromiter(records, np.int64, len(records)))
        for place, record in zip(places.tolist(), records.values(), strict=True):
            if place < 0:
                continue
            if len(fields) < _MAX_FIELDS:
                fields.update(record.metadata)
            if (label := read_label(record.metadata, field)) is not None and codes[place] == _NO_LABEL:
                codes[place] = numbers.setdefault(label, len(numbers))
                counts[label] += 1
    require_labels(metadata.name, field, len(items.ids), counts, fields)
    unlabelled = int((codes == _NO_LABEL).sum())
    return CommonLabels(items, codes, list(numbers), LabelCounts(field, len(items.ids), unlabelled, counts))


def sample_ids(ids: np.ndarray, size: int, seed: int) -> list[int]:
    """Up to ``size`` random ids: those whose hashes by the seed are smallest, so that few change as items come and go.

    The hash is the output function of SplitMix64 (Steele, Lea and Flood 2014).
    """
    hashes = ids.astype(np.uint64) + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        hashes = (hashes ^ (hashes >> np.uint64(shift))) * np.uint64(factor)
    hashes ^= hashes >> np.uint64(31)
    chosen: list[int] = ids[np.argsort(hashes, kind="stable")[:size]].tolist()
    return chosen


def _read_ids(metadata: MetadataStore) -> np.ndarray:
    parts = [
        np.fromiter((id_ for id_, entry in entries.items() if entry.is_committed), np.int64)
        for entries in metadata.iter_ledger()
    ]
    return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)
