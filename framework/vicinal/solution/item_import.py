"""Imports what ``item_export`` has written, in bounded memory, without encoding anything."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from vicinal.errors import SourceError, StoreMismatchError
from vicinal.ingest.batch import Batch, DecodedItem
from vicinal.ingest.changes import Change, extract_fields
from vicinal.plugin.encoder import Encoder
from vicinal.solution.item_export import split_by_rows
from vicinal.stores.redis import MetadataStore
from vicinal.types import Item, Segment, item_id

__all__ = ["import_items", "iter_metadata", "read_fitted_state"]

_BATCH_SIZE = 1_000
_COLUMNS = {"key", "uri", "content", "metadata", "fingerprint", "segment", "start", "end", "vector"}
"""Those without which nothing is imported; older versions wrote no others."""


def read_fitted_state(file: Path | Any) -> bytes:
    """What the encoder of an export had learnt, for a solution in which nothing is indexed yet; else empty."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return bytes((pq.read_schema(file).metadata or {}).get(b"vicinal.fit", b""))
    except (OSError, pa.ArrowInvalid):
        return b""  # import_items says what is wrong with it


def import_items(
    file: Path | Any, encoder: Encoder, fields: dict[str, Any], metadata: MetadataStore, name: str = ""
) -> Iterator[Batch]:
    """Read a file that ``export_items`` wrote, in batches ready to be written.

    Once the next batch is asked for, the items of the one before that were added by hand are marked so.

    Args:
        file: its path, or a binary file that can be sought.
        name: what errors call it; by default its path.

    Raises:
        SourceError: it is not such a file.
        StoreMismatchError: its vectors were made by another encoder, or the ids of two keys collide.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = name or str(file)
    try:
        parquet = pq.ParquetFile(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise SourceError(f"{name} is not a parquet file that can be read: {error}") from error
    file_metadata = parquet.schema_arrow.metadata or {}
    if b"vicinal.signature" not in file_metadata:
        raise SourceError(f"{name} was not written by `vicinal export`")
    signature = file_metadata[b"vicinal.signature"].decode()
    if signature != encoder.fitted_signature:
        raise StoreMismatchError(
            f"the vectors in {name} were made by encoder {signature}, not by {encoder.fitted_signature}",
            hint="import it with the YAML file that it was exported with",
        )
    if missing := _COLUMNS - {*parquet.schema_arrow.names}:
        raise SourceError(f"{name} lacks columns that `vicinal export` writes: {', '.join(sorted(missing))}")
    groups = (list(group) for _, group in groupby(_iter_rows(parquet, name), key=lambda row: row["key"]))
    for items in split_by_rows(groups, len):
        yield _to_batch([_import_item(item, encoder, fields) for item in items], metadata)
        metadata.mark_manual([item_id(item[0]["key"]) for item in items if item[0].get("manual")])


def _iter_rows(parquet: Any, name: str) -> Iterator[dict[str, Any]]:
    """
    Raises:
        SourceError: a part of the file is damaged.
    """
    import pyarrow as pa

    batches = parquet.iter_batches(_BATCH_SIZE)
    while True:
        try:
            rows = batch.to_pylist() if (batch := next(batches, None)) is not None else None
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise SourceError(
                f"{name} is damaged: {reason}", hint="the items before that are imported; import a whole file"
            ) from error
        if rows is None:
            return
        yield from rows


def iter_metadata(file: Any) -> Iterator[Item]:
    """The items of such a file with their metadata, without their contents and vectors."""
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(file).iter_batches(_BATCH_SIZE, columns=["key", "uri", "metadata", "segment"]):
        for row in batch.to_pylist():
            if row["segment"] == 0:
                yield Item(row["key"], None, row["uri"], orjson.loads(row["metadata"]))


def _import_item(rows: list[dict[str, Any]], encoder: Encoder, fields: dict[str, Any]) -> tuple[DecodedItem, Any]:
    """An item, and the vectors of its segments."""
    first = rows[0]
    item = Item(first["key"], first["content"], first["uri"], orjson.loads(first["metadata"]))
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
    change = Change(item, item_id(item.key), None, first["fingerprint"])
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
