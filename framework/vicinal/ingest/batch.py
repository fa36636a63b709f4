"""What a run carries from stage to stage: decoded items in batches, and the rows that they become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vicinal.ingest.changes import Change
from vicinal.stores.milvus import VectorStore
from vicinal.types import Segment, item_id

__all__ = ["Batch", "DecodedItem"]


@dataclass(slots=True)
class DecodedItem:
    """An item between decoding and writing."""

    change: Change
    fields: dict[str, Any]
    segments: Sequence[Segment]


@dataclass(slots=True)
class Batch:
    """Decoded items and the vectors of their segments, one after another."""

    items: list[DecodedItem] = field(default_factory=list)
    vectors: Any = None

    def select(self, keep: Sequence[bool]) -> Batch:
        """The items for which ``keep`` says so, with their vectors."""
        rows = np.repeat(np.asarray(keep, bool), [len(item.segments) for item in self.items])
        return Batch([item for item, kept in zip(self.items, keep, strict=True) if kept], self.vectors[rows])

    def rows(self, store: VectorStore) -> list[dict[str, Any]]:
        """The rows of all segments, as this store keeps them."""
        rows = []
        columns = store.vector_columns(self.vectors)
        for item in self.items:
            key, fields = item.change.item.key, store.field_columns(item.fields)
            for number, segment in enumerate(item.segments):
                row = {"id": item_id(key, number), "item": key, "segment": number, **fields, **next(columns)}
                if store.schema.segmented:
                    row |= {"start": segment.start or 0.0, "end": segment.end or segment.start or 0.0}
                if store.schema.hybrid:
                    row["text"] = str(segment.sample).encode()[:60_000].decode(errors="ignore")
                rows.append(row)
        return rows

    def stale_row_ids(self) -> list[int]:
        """The rows of segments that an item had, or may have had, and has no more."""
        return [
            item_id(item.change.item.key, number)
            for item in self.items
            if item.change.previous is not None
            for number in range(len(item.segments), item.change.previous.segments)
        ]
