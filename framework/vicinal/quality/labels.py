"""Labels of the indexed items: a metadata field says which items belong together."""

from __future__ import annotations

import difflib
import heapq
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeAlias

from vicinal.errors import NothingIndexedError, VicinalError
from vicinal.stores.redis import MetadataStore
from vicinal.toolkit.text import describe_kind

__all__ = [
    "Label",
    "LabelCounts",
    "count_labels",
    "list_fields",
    "read_label",
    "require_labels",
    "require_queries",
    "sample_keys",
]

Label: TypeAlias = str | int | float | bool
_MIN_QUERIES = 2
_MAX_FIELDS = 1_000


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """How many items each label has; ``unlabelled`` items have none, and are relevant to no query."""

    field: str
    items: int
    unlabelled: int
    counts: Mapping[Label, int]

    @property
    def alone(self) -> int:
        """How many items share their label with no other; nothing is relevant to them, so they are no queries."""
        return sum(count == 1 for count in self.counts.values())


def read_label(metadata: Mapping[str, Any], field: str) -> Label | None:
    """An item's label; None where it has none.

    Raises:
        VicinalError: its value is no label.
    """
    value = metadata.get(field)
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if not isinstance(value, str | int | float):
        raise VicinalError(
            f"field {field!r} holds {describe_kind(value)}, which is no label", "a label is a text or a number"
        )
    return value


def count_labels(metadata: MetadataStore, field: str) -> LabelCounts:
    """Count the items of each label; memory grows with the labels, not with the items.

    Raises:
        NothingIndexedError: there is no item.
        VicinalError: the field does not tell items apart: it is unknown or empty, has one value for all, or another
            one for each.
    """
    counts: Counter[Label] = Counter()
    items = unlabelled = 0
    names: set[str] = set()
    for found in _iter_metadata(metadata):
        items += 1
        if len(names) < _MAX_FIELDS:
            names.update(found[1])
        if (label := read_label(found[1], field)) is None:
            unlabelled += 1
        else:
            counts[label] += 1
    require_labels(metadata.name, field, items, counts, names)
    return LabelCounts(field, items, unlabelled, counts)


def sample_keys(metadata: MetadataStore, labels: LabelCounts, size: int, seed: int) -> list[tuple[str, Label]]:
    """The keys and labels of up to ``size`` random items that share their label with another one.

    The same items for one seed, in whatever order the store yields them: those with the smallest hashes of their keys.

    Raises:
        VicinalError: fewer than two items could be queries.
    """
    salt = str(seed).encode()

    def candidates() -> Iterator[tuple[bytes, str, Label]]:
        for key, found in _iter_metadata(metadata):
            label = read_label(found, labels.field)
            if label is not None and labels.counts.get(label, 0) > 1:
                yield blake2b(key.encode(errors="surrogatepass"), digest_size=8, key=salt).digest(), key, label

    chosen = heapq.nsmallest(size, candidates(), key=lambda candidate: candidate[:2])
    require_queries(len(chosen), "take a larger sample, or index more items")
    return [(key, label) for _, key, label in chosen]


def list_fields(metadata: MetadataStore) -> list[str]:
    """The metadata of the first couple of thousand items, by name."""
    for records in metadata.iter_records():
        return sorted({name for record in records.values() for name in record.metadata})
    return []


def require_queries(count: int, hint: str = "") -> None:
    """
    Raises:
        VicinalError: there are fewer than two queries, of which no interval can be had.
    """
    if count < _MIN_QUERIES:
        raise VicinalError(f"{count} {'query is' if count == 1 else 'queries are'} too few to say anything", hint)


def _iter_metadata(metadata: MetadataStore) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for records in metadata.iter_records():
        for record in records.values():
            yield record.key, record.metadata


def require_labels(solution: str, field: str, items: int, counts: Mapping[Label, int], names: set[str]) -> None:
    """
    Args:
        solution: its name.
        names: the metadata that some item has.

    Raises:
        NothingIndexedError: there is no item.
        VicinalError: the field does not tell items apart.
    """
    if not items:
        raise NothingIndexedError(f"nothing is indexed in {solution!r} yet", hint="run `vicinal ingest` first")
    if field not in names:
        near = difflib.get_close_matches(field, names, n=1)
        known = ", ".join(sorted(names)[:20]) or "none"
        raise VicinalError(
            f"no item has metadata {field!r}" + (f" (did you mean {near[0]!r}?)" if near else ""), f"known: {known}"
        )
    if not counts:
        raise VicinalError(f"no item has a label: field {field!r} is empty in all {items:,} items", "name another one")
    if len(counts) == 1:
        label, count = next(iter(counts.items()))
        raise VicinalError(
            f"all {count:,} items with a label have the same one, {field} = {label!r}: everything found is right",
            "a label has to tell items apart; name another field",
        )
    if max(counts.values()) == 1:
        raise VicinalError(
            f"no two items share a label: {field!r} has another value in each of {sum(counts.values()):,} items",
            "a label says which items belong together; name another field",
        )
