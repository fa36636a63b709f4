"""Items made of what is stored of them: of all, in place of the source, or of those that were added by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from vicinal.ingest.changes import StoredItem
from vicinal.plugin.foreign_calls import count_items
from vicinal.plugin.source import Source
from vicinal.stores.records import Entry, Record
from vicinal.stores.redis import MetadataStore
from vicinal.toolkit.slices import iter_slices
from vicinal.types import Failure, Item, item_id, path_from_file_uri

__all__ = ["ItemList", "SourceWithAdded", "StoredItems", "read_stored"]

_BATCH = 1_000


class ItemList(Source):
    """A list of items as a source."""

    def __init__(self, items: Sequence[Item | Failure]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[Item | Failure]:
        return iter(self._items)


class SourceWithAdded(Source):
    """A source's items, and after them those that were added by hand and that it does not yield itself."""

    def __init__(self, source: Source, metadata: MetadataStore) -> None:
        self._source = source
        self._metadata = metadata
        self.added = set(metadata.list_manual())
        """The ids of the added items; of those that the source does not yield, once it has been read."""

    def count(self) -> int | None:
        found = count_items(self._source)
        return None if found is None else found + len(self.added)

    def __iter__(self) -> Iterator[Item | Failure]:
        for entry in self._source:
            if self.added and isinstance(entry, Item | Failure):
                self.added.discard(item_id(entry.key.encode(errors="backslashreplace").decode()))
            yield entry
        ids = sorted(self.added)
        for part in iter_slices(ids, _BATCH):
            yield from read_stored(self._metadata, part)


class StoredItems(Source):
    """All items of a solution, by what is stored of them; they can be read more than once."""

    def __init__(self, metadata: MetadataStore) -> None:
        self._metadata = metadata
        self.added = set(metadata.list_manual())
        """The ids of the items that were added by hand."""

    def count(self) -> int | None:
        return int(self._metadata.state().get("items", 0))

    def __iter__(self) -> Iterator[Item | Failure]:
        for entries, records in self._metadata.iter_ledger_and_records():
            for id_, entry in entries.items():
                if (record := records.get(id_)) is not None:
                    yield _to_item(record, entry)


def read_stored(metadata: MetadataStore, ids: Sequence[int]) -> Iterator[Item | Failure]:
    """The items with these ids, without those that are not indexed."""
    for entry, record in zip(metadata.ledger_entries(ids), metadata.records(ids), strict=True):
        if entry is not None and record is not None:
            yield _to_item(record, entry)


def _to_item(record: Record, entry: Entry) -> Item | Failure:
    content: Any = record.content if record.content is not None else path_from_file_uri(record.uri)
    if content is None:
        return Failure(record.key, "read", "its content is not stored: it is no text, and no file's", record.uri)
    fingerprint = entry.fingerprint if entry.is_committed else b""
    return StoredItem(record.key, content, record.uri, record.metadata, None, fingerprint)
