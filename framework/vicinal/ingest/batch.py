"""What a run passes from stage to stage: batches of decoded items, and the rows that they become in Milvus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vicinal.ingest.changes import Change
from vicinal.stores.milvus import VectorStore
from vicinal.toolkit.text import shorten
from vicinal.types import MAX_EXCERPT_CHARS, Segment, item_id

__all__ = ["Batch", "DecodedItem", "join_batches", "split_into_batches"]

_MAX_TEXT_BYTES = 60_000


@dataclass(slots=True)
class DecodedItem:
    """An item that is decoded and not yet written."""

    change: Change
    fields: dict[str, Any]
    segments: Sequence[Segment]

    @property
    def is_truncated(self) -> bool:
        """Whether the encoder reads only a part of the item."""
        return any(segment.truncated for segment in self.segments)


@dataclass(slots=True)
class Batch:
    """Decoded items, and the vectors of all their segments in the same order."""

    items: list[DecodedItem] = field(default_factory=list)
    vectors: Any = None

    def select(self, mask: Sequence[bool]) -> Batch:
        """The items whose element of ``mask`` is true, with their vectors."""
        row_mask = np.repeat(np.asarray(mask, bool), [len(item.segments) for item in self.items])
        return Batch(
            [item for item, selected in zip(self.items, mask, strict=True) if selected], self.vectors[row_mask]
        )

    def to_rows(self, store: VectorStore) -> list[dict[str, Any]]:
        """A row for each segment, with the columns of this store."""
        rows = []
        columns = store.vector_columns(self.vectors)
        for item in self.items:
            key, fields = item.change.item.key, store.field_columns(item.fields)
            for number, segment in enumerate(item.segments):
                row = {"id": item_id(key, number), "item": key, "segment": number, **fields, **next(columns)}
                if store.schema.labelled:
                    row["segment_label"] = shorten(segment.label, 256)
                    row["segment_excerpt"] = shorten(segment.excerpt, MAX_EXCERPT_CHARS)
                elif store.schema.segmented:
                    row |= {"start": segment.start or 0.0, "end": segment.end or segment.start or 0.0}
                if store.schema.hybrid:
                    row["text"] = str(segment.sample).encode()[:_MAX_TEXT_BYTES].decode(errors="ignore")
                rows.append(row)
        return rows

    def stale_row_ids(self) -> list[int]:
        """Ids of rows of segments that an item had, or may have had, and no longer has."""
        return [
            item_id(item.change.item.key, number)
            for item in self.items
            if item.change.previous is not None
            for number in range(len(item.segments), item.change.previous.segments)
        ]


def split_into_batches(items: Sequence[DecodedItem], size: int) -> Iterator[Batch]:
    """Batches of about ``size`` segments; the segments of an item stay together."""
    batch, segments = Batch(), 0
    for item in items:
        batch.items.append(item)
        segments += len(item.segments)
        if segments >= size:
            yield batch
            batch, segments = Batch(), 0
    if batch.items:
        yield batch


def join_batches(batches: Sequence[Batch]) -> Batch:
    """One batch of the items of several, which are encoded."""
    filled = [batch for batch in batches if batch.items]
    if not filled:
        return Batch()
    items = [item for batch in filled for item in batch.items]
    return Batch(items, np.concatenate([batch.vectors for batch in filled]))
