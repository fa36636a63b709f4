"""Checks whether Milvus, metadata and ledger agree, and repairs what does not."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import numpy as np

from vicinal.stores.milvus import VectorStore
from vicinal.stores.records import Entry, Record
from vicinal.stores.redis import MetadataStore
from vicinal.toolkit.slices import iter_slices
from vicinal.types import item_id

__all__ = ["CheckReport", "check"]

_MAX_DELETE = 10_000


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


def check(vectors: VectorStore, metadata: MetadataStore, *, repair: bool = False) -> CheckReport:
    """Compare Milvus, metadata and ledger by id.

    ``repair`` deletes rows and metadata that belong to no item, and marks items that lack rows or metadata as pending,
    so that the next ingest indexes them again. It encodes nothing.

    It holds nine bytes a row, and ledger and metadata of about 2,000 items at a time. With a million items that is less
    than the process takes anyway (207 MB), where everything in memory at once took 510 MB more; ten million take 90 MB.
    """
    report = CheckReport(metadata.name, repaired=repair)
    rows = _StoredRows(vectors)
    report.rows = len(rows.ids)
    counts = dict.fromkeys(("items", "rows", "truncated"), 0)
    for entries, records in metadata.iter_ledger_and_records():
        broken = _check_part(entries, records, rows, report)
        strays = [id_ for id_ in records if id_ not in entries]
        report.orphan_metadata += len(strays)
        counts["items"] += sum(entry.counted_segments > 0 for entry in entries.values())
        counts["rows"] += sum(entry.counted_segments for entry in entries.values())
        counts["truncated"] += sum(entry.counted_truncated for entry in entries.values())
        if repair:
            metadata.drop_metadata(strays)
            metadata.mark_pending(broken)
    orphans = rows.ids[~rows.owned]
    state = metadata.state()
    report.orphan_vectors = len(orphans)
    report.wrong_counts = sum(state.get(name, 0) != value for name, value in counts.items())
    if repair:
        for part in iter_slices(orphans, _MAX_DELETE):
            vectors.delete_rows(part.tolist())
        metadata.set_state(**counts)
    return report


def _check_part(
    entries: Mapping[int, Entry], records: Mapping[int, Record], rows: _StoredRows, report: CheckReport
) -> dict[int, Entry]:
    """Add some items to the report, and return those that lack rows or metadata."""
    row_ids = {
        id_: [item_id(records[id_].key, number) for number in range(entry.segments)] if id_ in records else [id_]
        for id_, entry in entries.items()
    }
    lacking = rows.claim(row_ids)
    report.items += len(entries)
    broken = {}
    for id_, entry in entries.items():
        if not entry.is_committed:
            report.unfinished += 1
            continue
        report.missing_metadata += id_ not in records
        report.missing_vectors += id_ in lacking
        if id_ not in records or id_ in lacking:
            broken[id_] = entry
    return broken


class _StoredRows:
    """The ids of all rows in Milvus, sorted, and which of them belong to an item."""

    def __init__(self, vectors: VectorStore) -> None:
        stored = array("q")
        for rows in vectors.iter_rows(["id"]):
            stored.extend(row["id"] for row in rows)
        self.ids = np.frombuffer(stored, np.int64) if stored else np.empty(0, np.int64)
        self.ids.sort()
        self.owned = np.zeros(len(self.ids), bool)

    def claim(self, row_ids: Mapping[int, Sequence[int]]) -> set[int]:
        """Mark the rows of items as owned, and return the items that lack one."""
        counts = np.fromiter(map(len, row_ids.values()), np.int64, len(row_ids))
        items = np.repeat(np.fromiter(row_ids, np.int64, len(row_ids)), counts)
        wanted = np.fromiter(chain.from_iterable(row_ids.values()), np.int64, len(items))
        places = np.searchsorted(self.ids, wanted)
        stored = places < len(self.ids)
        stored[stored] = self.ids[places[stored]] == wanted[stored]
        self.owned[places[stored]] = True
        return set(items[~stored].tolist())
