"""Exports a solution's items and vectors to one parquet file, and imports them, in bounded memory.

The rows are segments, those of an item adjacent. Columns: ``key``, ``uri``, ``content``, ``metadata`` (JSON),
``fingerprint`` (what the ledger compares), ``segment`` (its number), ``start`` and ``end`` (seconds) or, where the
encoder's segments are labelled, ``label`` and ``excerpt``, ``truncated`` (whether the encoder reads only a part of the
item), and ``vector`` (a list of float32, or packed bits).

The file's metadata hold ``vicinal.signature``, the encoder's, so that vectors of another encoder are never mixed in,
and ``vicinal.fit``, the state (npz) of an encoder that learns: a solution in which nothing is indexed takes it over.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from vicinal.errors import SourceError, StoreMismatchError
from vicinal.ingest.batch import Batch, DecodedItem
from vicinal.ingest.changes import Change, extract_fields
from vicinal.plugin.encoder import Encoder
from vicinal.stores.milvus import VectorStore
from vicinal.stores.records import Entry, Record
from vicinal.stores.redis import MetadataStore
from vicinal.types import Item, Segment, item_id

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["export_items", "import_items"]

_BATCH_SIZE = 1_000


def export_items(path: Path, encoder: Encoder, vectors: VectorStore, metadata: MetadataStore) -> int:
    """Write every indexed item to a parquet file; returns how many there are."""
    import pyarrow.parquet as pq

    schema = _parquet_schema(encoder, metadata)
    written = 0
    part = path.with_name(path.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(part, schema, compression="zstd") as writer:
        for records in metadata.iter_records():
            entries = metadata.ledger_entries(list(records))
            committed = [
                (record, entry)
                for record, entry in zip(records.values(), entries, strict=True)
                if entry is not None and entry.is_committed
            ]
            rows = list(_export_rows(committed, encoder, vectors))
            if rows:
                import pyarrow as pa

                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            written += len({row["key"] for row in rows})
    part.replace(path)
    return written


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


def _export_rows(items: list[tuple[Record, Entry]], encoder: Encoder, vectors: VectorStore) -> Iterator[dict[str, Any]]:
    ids = [item_id(record.key, number) for record, entry in items for number in range(entry.segments)]
    stored = {
        row["id"]: row
        for start in range(0, len(ids), _BATCH_SIZE)
        for row in vectors.fetch_rows(ids[start : start + _BATCH_SIZE])
    }
    for record, entry in items:
        numbers = {item_id(record.key, number): number for number in range(entry.segments)}
        if not numbers.keys() <= stored.keys():
            continue  # an incomplete item is left to the next ingest
        for id_, number in numbers.items():
            yield {
                "key": record.key,
                "uri": record.uri,
                "content": record.content,
                "metadata": orjson.dumps(record.metadata).decode(),
                "fingerprint": entry.fingerprint,
                "segment": number,
                "start": stored[id_].get("start"),
                "end": stored[id_].get("end"),
                "label": stored[id_].get("segment_label"),
                "excerpt": stored[id_].get("segment_excerpt"),
                "truncated": entry.counted_truncated,
                "vector": _to_column(stored[id_]["vector"], encoder),
            }


def _to_column(vector: Any, encoder: Encoder) -> Any:
    if encoder.space.kind == "float":
        return vector
    if isinstance(vector, dict):
        bits = np.zeros(encoder.space.dimension, np.uint8)
        bits[list(vector)] = 1
        return np.packbits(bits).tobytes()
    return bytes(vector)


def read_fitted_state(path: Path) -> bytes:
    """What the encoder of an export had learnt, for a solution in which nothing is indexed yet; else empty."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return bytes((pq.read_schema(path).metadata or {}).get(b"vicinal.fit", b""))
    except (OSError, pa.ArrowInvalid):
        return b""  # import_items says what is wrong with it


def import_items(path: Path, encoder: Encoder, fields: dict[str, Any], metadata: MetadataStore) -> Iterator[Batch]:
    """Read a file that ``export_items`` wrote, in batches ready to be written.

    Raises:
        SourceError: it is not such a file.
        StoreMismatchError: its vectors were made by another encoder, or the ids of two keys collide.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise SourceError(f"{path} is not a parquet file that can be read: {error}") from error
    file_metadata = file.schema_arrow.metadata or {}
    if b"vicinal.signature" not in file_metadata:
        raise SourceError(f"{path} was not written by `vicinal export`")
    signature = file_metadata[b"vicinal.signature"].decode()
    if signature != encoder.fitted_signature:
        raise StoreMismatchError(
            f"the vectors in {path} were made by encoder {signature}, not by {encoder.fitted_signature}",
            hint="import it with the YAML file that it was exported with",
        )
    rows = (row for batch in file.iter_batches(_BATCH_SIZE) for row in batch.to_pylist())
    pending: list[tuple[DecodedItem, Any]] = []
    for key, group in groupby(rows, key=lambda row: row["key"]):
        pending.append(_import_item(key, list(group), encoder, fields))
        if len(pending) == _BATCH_SIZE:
            yield _to_batch(pending, metadata)
            pending = []
    if pending:
        yield _to_batch(pending, metadata)


def _import_item(
    key: str, rows: list[dict[str, Any]], encoder: Encoder, fields: dict[str, Any]
) -> tuple[DecodedItem, Any]:
    """An item, and the vectors of its segments."""
    first = rows[0]
    item = Item(key, first["content"], first["uri"], orjson.loads(first["metadata"]))
    segments = [
        Segment(
            row.get("excerpt") or first["content"],
            row["start"],
            row["end"],
            row.get("label") or "",
            row.get("excerpt") or "",
            bool(row.get("truncated")),
        )
        for row in rows
    ]
    if encoder.space.kind == "float":
        vectors = np.array([row["vector"] for row in rows], np.float32)
    else:
        vectors = np.array([np.frombuffer(row["vector"], np.uint8) for row in rows])
    change = Change(item, item_id(key), None, first["fingerprint"])
    return DecodedItem(change, extract_fields(item, fields), segments), vectors


def _to_batch(imported: list[tuple[DecodedItem, Any]], metadata: MetadataStore) -> Batch:
    """A batch of items whose changes hold the ledger's entries from before.

    Raises:
        StoreMismatchError: the id of one equals that of another indexed key.
    """
    items = [item for item, _ in imported]
    for item, entry in zip(items, metadata.ledger_entries([item.change.id for item in items]), strict=True):
        if entry is not None and not entry.matches_key(key := item.change.item.key):
            raise StoreMismatchError(
                f"hash collision: the 63-bit id of {key!r} equals that of another indexed key",
                hint="rename this key where it was exported",
            )
        item.change.previous = entry
    return Batch(items, np.concatenate([vectors for _, vectors in imported]))
