"""Maintenance of a solution: check whether Milvus, metadata and ledger agree, repair, prune and remove."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vicinal.ingest.changes import SeenIds
from vicinal.stores.milvus import VectorStore
from vicinal.stores.records import Entry
from vicinal.stores.redis import MetadataStore
from vicinal.types import item_id

__all__ = ["CheckReport", "check", "prune", "remove"]

_BATCH = 1_000


@dataclass(slots=True)
class CheckReport:
    """What a check found, in numbers of items or rows.

    ``unfinished``: items whose write began and was not seen to end; harmless, the next ingest completes them.
    ``missing_vectors``: items of the ledger without all of their rows in Milvus.
    ``missing_metadata``: items of the ledger without metadata.
    ``orphan_vectors``: rows in Milvus that belong to no item of the ledger.
    ``orphan_metadata``: metadata that belong to no item of the ledger.
    ``wrong_counts``: counts in the state that differ from those of the ledger.
    """

    solution: str
    items: int = 0
    rows: int = 0
    unfinished: int = 0
    missing_vectors: int = 0
    missing_metadata: int = 0
    orphan_vectors: int = 0
    orphan_metadata: int = 0
    wrong_counts: int = 0
    repaired: bool = False

    @property
    def consistent(self) -> bool:
        """Whether Milvus, metadata and ledger agree."""
        return not any(
            (
                self.missing_vectors,
                self.missing_metadata,
                self.orphan_vectors,
                self.orphan_metadata,
                self.wrong_counts,
            )
        )

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "consistent": self.consistent}


def remove(vectors: VectorStore, metadata: MetadataStore, entries: dict[int, Entry]) -> None:
    """Remove items from Milvus first, then from Redis, so that no hit is ever without its metadata."""
    ids = list(entries)
    for start in range(0, len(ids), _BATCH):
        part = {id_: entries[id_] for id_ in ids[start : start + _BATCH]}
        row_ids: list[int] = []
        for id_, record in zip(part, metadata.records(list(part)), strict=True):
            segments = part[id_].segments
            row_ids += [item_id(record.key, number) for number in range(segments)] if record else [id_]
        vectors.delete_rows(row_ids)
        metadata.delete(part)


def prune(vectors: VectorStore, metadata: MetadataStore, seen: SeenIds) -> int:
    """Remove the items that a run over the source did not see, except those added by hand; return their number.

    Items that were added by hand and that the source yields, too, belong to the source from now on.
    """
    ledger = dict(metadata.iter_ledger())
    found = seen.contain(np.fromiter(ledger, np.int64, len(ledger)))
    missing = {id_: entry for (id_, entry), there in zip(ledger.items(), found, strict=True) if not there}
    added = metadata.manual_ids()
    metadata.unmark_manual(sorted(added - missing.keys()))
    gone = {id_: entry for id_, entry in missing.items() if id_ not in added}
    remove(vectors, metadata, gone)
    return len(gone)


def check(vectors: VectorStore, metadata: MetadataStore, *, repair: bool = False) -> CheckReport:
    """Compare Milvus, metadata and ledger by id.

    ``repair`` deletes rows and metadata that belong to no item, and marks items that lack rows or metadata as pending,
    so that the next ingest indexes them again. It encodes nothing.
    """
    report = CheckReport(metadata.name, repaired=repair)
    ledger = dict(metadata.iter_ledger())
    keys = {id_: record.key for id_, record in metadata.iter_records()}
    stored = _fetch_row_ids(vectors)
    report.items, report.rows = len(ledger), len(stored)
    owned: list[int] = []
    broken: dict[int, Entry] = {}
    for id_, entry in ledger.items():
        rows = [item_id(keys[id_], number) for number in range(entry.segments)] if id_ in keys else [id_]
        owned += rows
        if not entry.is_committed:
            report.unfinished += 1
            continue
        report.missing_metadata += (no_metadata := id_ not in keys)
        report.missing_vectors += (no_vectors := not _contains_all(rows, stored))
        if no_metadata or no_vectors:
            broken[id_] = entry
    orphans = np.setdiff1d(stored, np.fromiter(owned, np.int64, len(owned))).tolist()
    strays = [id_ for id_ in keys if id_ not in ledger]
    counts = {
        "items": sum(entry.counted_segments > 0 for entry in ledger.values()),
        "rows": sum(entry.counted_segments for entry in ledger.values()),
        "truncated": sum(entry.counted_truncated for entry in ledger.values()),
    }
    state = metadata.state()
    report.orphan_vectors, report.orphan_metadata = len(orphans), len(strays)
    report.wrong_counts = sum(state.get(name, 0) != value for name, value in counts.items())
    if repair:
        vectors.delete_rows(orphans)
        metadata.drop_metadata(strays)
        metadata.mark_pending(broken)
        metadata.set_state(**counts)
    return report


def _fetch_row_ids(vectors: VectorStore) -> np.ndarray[Any, np.dtype[np.int64]]:
    parts = [np.fromiter((row["id"] for row in batch), np.int64, len(batch)) for batch in vectors.iter_rows(["id"])]
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int64)


def _contains_all(ids: Iterable[int], stored: np.ndarray[Any, np.dtype[np.int64]]) -> bool:
    wanted = np.fromiter(ids, np.int64)
    if not len(stored):
        return not len(wanted)
    place = np.minimum(np.searchsorted(stored, wanted), len(stored) - 1)
    return bool((stored[place] == wanted).all())
