"""Exports a solution's items and vectors to one parquet file, in bounded memory; ``item_import`` reads it.

The rows are segments, those of an item adjacent. Columns: ``key``, ``uri``, ``content``, ``metadata`` (JSON),
``fingerprint`` (what the ledger compares), ``segment`` (its number), ``start`` and ``end`` (seconds) or, where the
encoder's segments are labelled, ``label`` and ``excerpt``, ``truncated`` (whether the encoder reads only a part of the
item), ``manual`` (whether the item was added by hand), and ``vector`` (a list of float32, or packed bits).

The file's metadata hold ``vicinal.signature``, the encoder's, so that vectors of another encoder are never mixed in,
and ``vicinal.fit``, the state (npz) of an encoder that learns: a solution in which nothing is indexed takes it over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import orjson

from vicinal.plugin.encoder import Encoder
from vicinal.stores.records import Entry, Record
from vicinal.stores.redis import MetadataStore
from vicinal.stores.writer_lock import WriterLock
from vicinal.toolkit.atomic_files import open_replacing
from vicinal.toolkit.slices import iter_slices
from vicinal.types import item_id

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ExportCounts", "RowReader", "export_items", "split_by_rows", "to_exported_vector", "write_items"]

T = TypeVar("T")

_BATCH_SIZE = 1_000
"""Rows that are read or written at once."""
_MAX_WAIT_SECONDS, _POLL_SECONDS = 30.0, 0.2


class RowReader(Protocol):
    """What rows are read from: a ``VectorStore``, a solution, or the server that holds one."""

    def fetch_rows(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """As ``VectorStore.fetch_rows``."""
        ...


@dataclass(slots=True)
class ExportCounts:
    """How much was exported; ``incomplete`` items were being written, or lack rows in Milvus, and were left out."""

    items: int = 0
    rows: int = 0
    incomplete: int = 0


def export_items(path: Path, encoder: Encoder, vectors: RowReader, metadata: MetadataStore) -> int:
    """Write every indexed item to a parquet file, in one step; returns how many there are.

    Raises:
        VicinalError: the file cannot be created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_replacing(path) as file:
        return write_items(file, encoder, vectors, metadata).items


def write_items(
    file: Any,
    encoder: Encoder,
    vectors: RowReader,
    metadata: MetadataStore,
    on_items: Callable[[int], object] = bool,
) -> ExportCounts:
    """Write every indexed item to a binary file, each as it is at one moment, whoever writes meanwhile.

    The ledger is read before an item's rows and after them, and the item is written if its entry is committed and the
    same: a write makes the entry pending before it touches a row. Items that are being written are tried again at the
    end, for as long as somebody writes, up to 30 s.

    Args:
        file: needs ``write``, ``tell``, ``flush``, ``close`` and ``closed``.
        on_items: is called with how many items were written since its last call.

    Raises:
        GenerationReplacedError: a reindex has replaced what was read.
    """
    import pyarrow.parquet as pq

    with pq.ParquetWriter(file, _parquet_schema(encoder, metadata), compression="zstd") as writer:
        export = _Export(writer, encoder, vectors, metadata, on_items)
        skipped = [
            id_
            for entries, records in metadata.iter_ledger_and_records()
            for id_ in export.write_part(entries, records)
        ]
        export.counts.incomplete = len(export.write_again(skipped))
    return export.counts


@dataclass(slots=True)
class _Export:
    writer: Any
    encoder: Encoder
    vectors: RowReader
    metadata: MetadataStore
    on_items: Callable[[int], object]
    counts: ExportCounts = field(default_factory=ExportCounts)

    def write_part(self, entries: Mapping[int, Entry], records: Mapping[int, Record]) -> list[int]:
        """Write the items that are complete, and return the ids of the others."""
        complete = [
            (id_, records[id_], entry) for id_, entry in entries.items() if entry.is_committed and id_ in records
        ]
        skipped = [id_ for id_, entry in entries.items() if not (entry.is_committed and id_ in records)]
        for items in split_by_rows(complete, lambda item: item[2].segments):
            skipped += self._write_items(items)
        return skipped

    def write_again(self, ids: list[int]) -> list[int]:
        """Write the items that have become complete, and return the ids of those that have not."""
        waits_until = time.monotonic() + _MAX_WAIT_SECONDS
        while ids := self._write_found(ids):
            if not WriterLock.is_held(self.metadata) or time.monotonic() > waits_until:
                break
            time.sleep(_POLL_SECONDS)
        return ids

    def _write_found(self, ids: Sequence[int]) -> list[int]:
        skipped = []
        for part in iter_slices(ids, _BATCH_SIZE):
            entries = zip(part, self.metadata.ledger_entries(part), strict=True)
            records = zip(part, self.metadata.records(part), strict=True)
            skipped += self.write_part(
                {id_: entry for id_, entry in entries if entry is not None},
                {id_: record for id_, record in records if record is not None},
            )
        return skipped

    def _write_items(self, items: list[tuple[int, Record, Entry]]) -> list[int]:
        """Write the items that have all their rows and did not change meanwhile; return the ids of the others."""
        import pyarrow as pa

        stored = self._fetch_rows(items)
        ids = [id_ for id_, _, _ in items]
        manual = self.metadata.are_manual(ids)
        now = self.metadata.ledger_entries(ids)
        rows: list[dict[str, Any]] = []
        skipped = []
        for (id_, record, entry), is_manual, entry_now in zip(items, manual, now, strict=True):
            numbers = {item_id(record.key, number): number for number in range(entry.segments)}
            if entry_now != entry or not numbers.keys() <= stored.keys():
                skipped.append(id_)
                continue
            item = _item_columns(record, entry, is_manual=is_manual)
            rows += [
                {**item, **_segment_columns(number, stored[row_id], self.encoder)} for row_id, number in numbers.items()
            ]
        if rows:
            self.writer.write_table(pa.Table.from_pylist(rows, schema=self.writer.schema))
        self.counts.rows += len(rows)
        self.counts.items += len(items) - len(skipped)
        self.on_items(len(items) - len(skipped))
        return skipped

    def _fetch_rows(self, items: Sequence[tuple[int, Record, Entry]]) -> dict[int, dict[str, Any]]:
        ids = [item_id(record.key, number) for _, record, entry in items for number in range(entry.segments)]
        return {row["id"]: row for part in iter_slices(ids, _BATCH_SIZE) for row in self.vectors.fetch_rows(part)}


def split_by_rows(items: Iterable[T], count_rows: Callable[[T], int]) -> Iterator[list[T]]:
    """Split items into parts of about a thousand rows; an item of more is a part of its own."""
    part: list[T] = []
    rows = 0
    for item in items:
        if part and rows + count_rows(item) > _BATCH_SIZE:
            yield part
            part, rows = [], 0
        part.append(item)
        rows += count_rows(item)
    if part:
        yield part


def _parquet_schema(encoder: Encoder, metadata: MetadataStore) -> pa.Schema:
    import pyarrow as pa

    vector = pa.list_(pa.float32()) if encoder.space.kind == "float" else pa.binary()
    fields = [
        ("key", pa.string()),
        ("uri", pa.string()),
        ("content", pa.string()),
        ("metadata", pa.string()),
        ("fingerprint", pa.binary()),
        ("segment", pa.int32()),
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("label", pa.string()),
        ("excerpt", pa.string()),
        ("truncated", pa.bool_()),
        ("manual", pa.bool_()),
        ("vector", vector),
    ]
    file_metadata: dict[str, str | bytes] = {
        "vicinal": "1",
        "vicinal.solution": metadata.name,
        "vicinal.signature": encoder.fitted_signature,
    }
    if encoder.learns:
        file_metadata["vicinal.fit"] = metadata.fitted_state.load()
    return pa.schema(fields, metadata=file_metadata)


def _item_columns(record: Record, entry: Entry, *, is_manual: bool) -> dict[str, Any]:
    return {
        "key": record.key,
        "uri": record.uri,
        "content": record.content,
        "metadata": orjson.dumps(record.metadata).decode(),
        "fingerprint": entry.fingerprint,
        "truncated": entry.counted_truncated,
        "manual": is_manual,
    }


def _segment_columns(number: int, row: Mapping[str, Any], encoder: Encoder) -> dict[str, Any]:
    return {
        "segment": number,
        "start": row.get("start"),
        "end": row.get("end"),
        "label": row.get("segment_label"),
        "excerpt": row.get("segment_excerpt"),
        "vector": to_exported_vector(row["vector"], encoder),
    }


def to_exported_vector(vector: Any, encoder: Encoder) -> Any:
    """A stored vector as the file holds it: numbers, or packed bits as bytes, whatever the engine keeps it as."""
    if encoder.space.kind == "float":
        return vector
    if isinstance(vector, dict):
        bits = np.zeros(encoder.space.dimension, np.uint8)
        bits[list(vector)] = 1
        return np.packbits(bits).tobytes()
    return bytes(vector)
