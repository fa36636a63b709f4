"""Pages of records in the order of a field, and how many items have each of its values, by reading every record.

Redis keeps records by their ids, so that any other order is that of a pass over all of them: about 8 µs an item. Memory
is bounded by the page and by ``MAX_VALUES``, not by the number of items.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from vicinal.stores.records import Record
from vicinal.stores.redis import MetadataStore

__all__ = ["MAX_VALUES", "RecordOrder", "ValueCounts", "count_values", "list_ordered_records"]

MAX_VALUES = 10_000
"""How many different values of a field are told apart."""


@dataclass(frozen=True, slots=True)
class RecordOrder:
    """The order of the values that records have in a field; equal ones are in that of their ids."""

    field: str
    descending: bool = False

    def key_of(self, id_: int, record: Record) -> tuple[bool, Any, int]:
        """What records are compared by; one without a value is less than all others."""
        value = record.metadata.get(self.field)
        return value is not None, value, id_


@dataclass(slots=True)
class ValueCounts:
    """How many items have each value of a field.

    ``items`` of a value is exact, since a value is counted from its first item on. Once ``MAX_VALUES`` are told apart,
    items with any further one count among ``others``.
    """

    name: str
    items: Counter[Any] = field(default_factory=Counter)
    others: int = 0

    def add(self, record: Record) -> None:
        value = record.metadata.get(self.name)
        if value in self.items or len(self.items) < MAX_VALUES:
            self.items[value] += 1
        else:
            self.others += 1


def list_ordered_records(
    store: MetadataStore,
    order: RecordOrder,
    limit: int,
    after: tuple[bool, Any, int] | None = None,
    prefix: str = "",
    counts: ValueCounts | None = None,
) -> tuple[list[Record], int | None]:
    """Fetch a page of records whose key has this prefix; ``counts`` counts all of them in the same pass.

    Args:
        after: what ``order`` compares the last record of the page before by.

    Returns:
        The records, and the id of the last one; None when this is the last page.
    """
    select = heapq.nlargest if order.descending else heapq.nsmallest
    keyed = ((order.key_of(id_, record), record) for id_, record in _iter_records(store, prefix, counts))
    rest = (pair for pair in keyed if after is None or (pair[0] < after if order.descending else pair[0] > after))
    page = select(limit + 1, rest, key=lambda pair: pair[0])
    next_after = page[limit - 1][0][2] if len(page) > limit else None
    return [record for _, record in page[:limit]], next_after


def count_values(store: MetadataStore, counts: ValueCounts, prefix: str = "") -> None:
    """Count all records whose key has this prefix."""
    for _ in _iter_records(store, prefix, counts):
        pass


def _iter_records(store: MetadataStore, prefix: str, counts: ValueCounts | None) -> Iterator[tuple[int, Record]]:
    for records in store.iter_records():
        for id_, record in records.items():
            if record.key.startswith(prefix):
                if counts is not None:
                    counts.add(record)
                yield id_, record
