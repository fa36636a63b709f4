"""Reads the source of a run and submits what is new or changed for decoding."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from vicinal.errors import PluginError
from vicinal.ingest.changes import Change, SeenIds, detect_changes
from vicinal.ingest.counter import RunCounter
from vicinal.ingest.worker_group import WorkerGroup
from vicinal.plugin.foreign_calls import attribute_errors
from vicinal.plugin.source import Source
from vicinal.stores.records import Entry
from vicinal.toolkit.text import describe_kind
from vicinal.types import Failure, Item, item_id

__all__ = ["SourceReader"]

_FIRST_CHUNK, _MAX_CHUNK = 64, 1_000
_MAX_CHUNK_SIZE = 4 * 1024 * 1024
_MAX_CHUNK_SECONDS = 0.2


@dataclass(slots=True)
class _Chunk:
    """Entries of the source that are compared with the ledger in one round trip."""

    max_entries: int
    items: list[Item] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    size: int = 0
    """In characters of texts, and bytes of arrays."""
    started: float = field(default_factory=time.monotonic)

    def add(self, entry: Item | Failure) -> None:
        if isinstance(entry, Failure):
            self.failures.append(entry)
        else:
            self.items.append(entry)
            content = entry.content
            self.size += len(content) if isinstance(content, str) else getattr(content, "nbytes", 0)

    @property
    def is_full(self) -> bool:
        return (
            len(self.items) + len(self.failures) >= self.max_entries
            or self.size > _MAX_CHUNK_SIZE
            or time.monotonic() - self.started > _MAX_CHUNK_SECONDS
        )


class SourceReader:
    """Reads a source in chunks; ``submit`` receives the changes of each."""

    def __init__(
        self,
        source: Source,
        lookup: Callable[[Sequence[int]], list[Entry | None]],
        submit: Callable[[list[Change]], None],
        seen: SeenIds,
        counter: RunCounter,
        workers: WorkerGroup,
        *,
        force: bool = False,
    ) -> None:
        """``lookup`` returns the ledger entries of ids; with ``force`` unchanged items are submitted, too."""
        self.is_complete = False
        """Whether the whole source was read."""
        self.hidden_behind = ""
        """The key of a failure that hides items and is none itself: a file of many items, say, which were not seen."""
        self._source = source
        self._lookup = lookup
        self._submit = submit
        self._seen = seen
        self._counter = counter
        self._workers = workers
        self._force = force

    def read(self, limit: int | None = None, only: Collection[str] | None = None) -> None:
        """Read the source, at most ``limit`` entries of it, or only those with the keys ``only``.

        Chunks grow from 64 to 1,000 entries, so that decoding begins at once. A source may take a millisecond or a
        minute for an entry, so a chunk that is not full after 0.2 s is submitted as it is.
        """
        chunk = _Chunk(_FIRST_CHUNK)
        for count, entry in enumerate(self._iter_entries(only)):
            if self._workers.stopped or count == limit:
                break
            chunk.add(entry)
            if chunk.is_full:
                self._submit_chunk(chunk)
                chunk = _Chunk(min(2 * chunk.max_entries, _MAX_CHUNK))
        else:
            self.is_complete = limit is None
        if not self._workers.stopped:
            self._submit_chunk(chunk)
        self.is_complete = self.is_complete and not self._workers.stopped

    def _iter_entries(self, only: Collection[str] | None) -> Iterator[Item | Failure]:
        for entry in self._iter_source():
            if type(entry) not in (Item, Failure) or type(entry.key) is not str or type(entry.uri) is not str:
                self._require_entry(entry)
            if only is None or entry.key in only:
                yield entry
            elif isinstance(entry, Failure) and entry.hides_items:
                self._hide_behind(entry.key)

    def _iter_source(self) -> Iterator[Item | Failure]:
        with attribute_errors(self._name, "__iter__"):
            yield from self._open_source()

    def _open_source(self) -> Iterator[Item | Failure]:
        entries = type(self._source).__iter__(self._source)
        if not isinstance(entries, Iterator):
            raise PluginError(
                f"{self._name}: __iter__ returned {describe_kind(entries)}, not an iterator", "yield each Item"
            )
        return entries

    def _require_entry(self, entry: object) -> None:
        """Check one entry of the source.

        Raises:
            PluginError: it is neither an item nor a failure, or its key or uri is no text.
        """
        if not isinstance(entry, Item | Failure):
            raise PluginError(f"{self._name} yielded {describe_kind(entry)}, not an Item or a Failure")
        for name, value in (("key", entry.key), ("uri", entry.uri)):
            if not isinstance(value, str):
                raise PluginError(f"{self._name}: the {name} {value!r} is {describe_kind(value)}, not a text")

    @property
    def _name(self) -> str:
        return f"source {type(self._source).__name__}"

    def _submit_chunk(self, chunk: _Chunk) -> None:
        if chunk.failures:
            self._see_failures(chunk.failures)
        changes, unchanged, failures = detect_changes(chunk.items, self._seen, self._lookup, force=self._force)
        self._counter.count_read(len(chunk.items) + len(chunk.failures), unchanged)
        self._counter.report_read(len(chunk.items) + len(chunk.failures), time.monotonic() - chunk.started)
        self._counter.record_failures(chunk.failures + failures)
        self._submit(changes)

    def _see_failures(self, failures: Sequence[Failure]) -> None:
        """Count the keys of failures as seen, since an item that cannot be read is still in the source."""
        keys = [failure.key.encode(errors="backslashreplace").decode() for failure in failures]
        ids = [item_id(key) for key in keys]
        self._seen.add(ids)
        for failure, key, entry in zip(failures, keys, self._lookup(ids), strict=True):
            if failure.hides_items and (entry is None or not entry.matches_key(key)):
                self._hide_behind(key)

    def _hide_behind(self, key: str) -> None:
        self.hidden_behind = self.hidden_behind or key or "(no key)"
