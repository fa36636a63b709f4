"""Catches a generation that is not live up with what clients have written to the live one since it was begun.

For each item of its log (``stores.write_log``), what the live generation has is what counts: it is indexed in place of
what the source gave, or removed. Log and items are read together under the writer's lock, so that no write is seen
half; they are written to the other generation without it. Doing so again changes nothing: a run that was killed is
repeated from the beginning of the log.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from math import inf

from vicinal.errors import StoreBusyError, VicinalError
from vicinal.solution import removal
from vicinal.solution.stored_items import ItemList, read_stored
from vicinal.solution.writable import WritableSolution
from vicinal.stores.redis import MetadataStore
from vicinal.stores.write_log import PART
from vicinal.stores.writer_lock import WriterLock
from vicinal.types import Failure, Item

__all__ = ["CatchUp", "lock_writers"]

_LOCK_POLL_SECONDS = 0.1


@contextmanager
def lock_writers(live: MetadataStore, is_interrupted: Callable[[], bool]) -> Iterator[WriterLock]:
    """Hold the writer's lock for a moment; who holds it for long, as a check does, is waited for.

    Raises:
        KeyboardInterrupt: the run is to end.
    """
    writer = WriterLock(live, brief=True)
    while True:
        if is_interrupted():
            raise KeyboardInterrupt
        try:
            writer.__enter__()
            break
        except StoreBusyError:
            time.sleep(_LOCK_POLL_SECONDS)
    try:
        yield writer
    finally:
        writer.__exit__()


@dataclass(slots=True)
class _Written:
    """What the live generation has of some items of the log."""

    items: list[Item | Failure]
    gone: list[int]
    added: list[int]
    """Those of the items that were added by hand."""
    others: list[int]


class CatchUp:
    """What brings one generation up to date, while the lock of a reindex is held."""

    def __init__(
        self,
        live: MetadataStore,
        behind: WritableSolution,
        lock: WriterLock,
        is_interrupted: Callable[[], bool] = bool,
    ) -> None:
        """``behind`` is the solution pinned at the generation that is not live."""
        self._live = live
        self._behind = behind
        self._lock = lock
        self._is_interrupted = is_interrupted
        self._place = 0
        self._added = set[int]()
        self.written = 0
        """How many items were written since that was made searchable."""

    def lock_writers(self) -> AbstractContextManager[WriterLock]:
        """Hold the writer's lock for a moment; see the function of this name."""
        return lock_writers(self._live, self._is_interrupted)

    def run(self, *, locked: bool = False) -> None:
        """Write what was added to the log since the last call; ``locked``, while the writer's lock is held.

        Unless it is, who writes as fast as this catches up is not waited for: it ends once the rest no longer shrinks.
        """
        lock: Callable[[], AbstractContextManager[object]] = nullcontext if locked else self.lock_writers
        rest: float = inf
        while True:
            with lock():
                start, written = self._place, self._read_part()
            if written is None:
                return
            self._write_part(written)
            size = self._place - start
            if not locked and rest <= size < PART:
                return
            rest = size

    def require_added(self, before: Collection[int]) -> None:
        """See that all items are indexed that were added by hand, and mark them; the writer's lock is held.

        Args:
            before: the ids of those that were added before the log began.

        Raises:
            VicinalError: one of them could not be indexed; nobody else has its content.
        """
        ids = sorted(self._added.union(before))
        ids = [id_ for id_, is_manual in zip(ids, self._live.are_manual(ids), strict=True) if is_manual]
        entries = self._behind.metadata.ledger_entries(ids)
        if lost := [id_ for id_, entry in zip(ids, entries, strict=True) if entry is None or not entry.is_committed]:
            records = self._live.records(lost[:5])
            keys = ", ".join(record.key for record in records if record is not None)
            raise VicinalError(
                f"nothing was replaced: {len(lost):,} items that were added by hand cannot be indexed anew: {keys}",
                hint="`vicinal failures` says why; `vicinal remove` them, or add them otherwise, then reindex again",
            )
        self._behind.metadata.mark_manual(ids)

    def make_searchable(self) -> int:
        """Make all of it searchable; returns the number of rows."""
        written, self.written = self.written, 0
        return self._behind._collection.make_searchable(written)

    def _read_part(self) -> _Written | None:
        """The next part of the log with what the live generation has of it; None where there is no more."""
        if not (part := self._behind.metadata.write_log.read(self._place)):
            return None
        self._place += len(part)
        ids = list(dict.fromkeys(part))
        indexed = [entry is not None for entry in self._live.ledger_entries(ids)]
        gone = [id_ for id_, is_indexed in zip(ids, indexed, strict=True) if not is_indexed]
        manual = dict(zip(ids, self._live.are_manual(ids), strict=True))
        return _Written(
            list(read_stored(self._live, ids)),
            gone,
            [id_ for id_ in ids if manual[id_]],
            [id_ for id_ in ids if not manual[id_]],
        )

    def _write_part(self, written: _Written) -> None:
        behind, metadata = self._behind, self._behind.metadata
        if written.items:
            ingest = behind.config.ingest.model_copy(update={"max_failures": None, "engine": "local"})
            source, limit = ItemList(written.items), len(written.items)
            run = behind._new_run(source=source, force=True, limit=limit, lock=self._lock, ingest=ingest)
            run.run()
            if run.interrupted:
                raise KeyboardInterrupt
        entries = zip(written.gone, metadata.ledger_entries(written.gone), strict=True)
        removal.remove_items(behind.vectors, metadata, {id_: entry for id_, entry in entries if entry is not None})
        metadata.unmark_manual(written.others)
        self._added.update(written.added)
        self._added.difference_update(written.others)
        self.written += len(written.items) + len(written.gone)
