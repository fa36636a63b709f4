"""Promotes a solution: copies it while it is searched and written, proves the copy, and notes who has what.

The lock of a reindex is held, so that no ingest and no reindex runs beside it. Items are added and removed meanwhile:
who writes notes them in a log, from which the copy catches up. For a moment at the end the writer's lock is held.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from vicinal.errors import NothingIndexedError, StoreBusyError, StoreError, StoreMismatchError
from vicinal.solution.catch_up import lock_writers
from vicinal.solution.generations import finish_replacement
from vicinal.solution.handover import (
    describe_side,
    describe_stores,
    require_replaceable,
    require_whole,
    require_writable,
)
from vicinal.solution.ownership import create_owner
from vicinal.solution.promotion.copier import Copier
from vicinal.solution.promotion.proof import Proof, prove_copy
from vicinal.solution.promotion.report import PromotionReport
from vicinal.solution.promotion.targets import same_milvus_error, same_redis_error
from vicinal.solution.writable import WritableSolution
from vicinal.stores import redact_url
from vicinal.stores.write_log import PART
from vicinal.stores.writer_lock import PromoteLock, WriterLock

__all__ = ["Promotion"]

_FAILURES = 1_000
_MAX_UNLOCKED_PARTS = 1_000


@dataclass(slots=True)
class Promotion:
    """One run from the stores of ``live``, which is open, to others."""

    live: WritableSolution
    target: WritableSolution
    """The same solution with the other stores, not open yet; closing it is the caller's."""
    queries: int
    hand_over: bool
    """Whether the target takes the writes from the end on."""
    on_progress: Callable[[Mapping[str, int]], object]
    """Receives how many items were ``copied``, how many were ``unchanged``, and how many there are in ``total``."""
    stop: threading.Event
    _place: int = 1
    _copied: int = 0
    _unchanged: int = 0
    _total: int = 0

    def run(self) -> PromotionReport:
        """Copy, prove, and note who has what; what raises leaves a target that the next run continues."""
        started = time.perf_counter()
        with PromoteLock(self.live.metadata) as lock, self._log_writes():
            if lock.is_held_in(self.target.metadata):
                raise same_redis_error(self.target.config.stores.redis)
            with WriterLock(self.target.metadata) as target_lock:
                is_resumed = self._begin_copy()
                copier = Copier(self.live, self.target, target_lock, self.stop, self._show_progress)
                copier.copy_all()
                copier.remove_gone()
                self._catch_up(copier)
                took = time.perf_counter() - started
                self._finish_copy(copier)
                proof = self._end_copy(copier, lock)
        return PromotionReport(
            self.live.name,
            describe_stores(self.live.config.stores),
            describe_stores(self.target.config.stores),
            proof,
            resumed=is_resumed,
            copied=copier.copied,
            unchanged=copier.unchanged,
            removed=copier.removed,
            copied_rows=copier.copied_rows,
            handed_over=self.hand_over,
            seconds=round(time.perf_counter() - started, 3),
            warnings=proof.list_warnings(),
            rows_per_second=round(copier.copied_rows / max(took, 1e-9), 1),
        )

    @contextmanager
    def _log_writes(self) -> Iterator[None]:
        """Have those who write note it, once it is clear that there is something to copy.

        Raises:
            NothingIndexedError: there is not.
            StoreMismatchError: the YAML does not describe it.
            StoreBusyError: not all of it is here yet.
        """
        live = self.live
        with WriterLock(live.metadata, brief=True):
            live.follow()
            if not (state := live.metadata.state()).get("items"):
                raise NothingIndexedError(f"nothing is indexed in {live.name!r} yet", hint="run `vicinal ingest` first")
            require_whole(state, live.name)
            self._total = int(state["items"])
            finish_replacement(live.vectors, live.metadata)
            live._searcher.get()  # which loads the collection, so that rows can be read
            live.metadata.promotion_log.begin()
        try:
            yield
        finally:
            with suppress(StoreError):  # what is left is removed by the next ingest, and begun anew by the next run
                live.metadata.promotion_log.clear()

    def _begin_copy(self) -> bool:
        """Create the collection, or take up what a run before has left; returns whether one has.

        Raises:
            UnsupportedByEngineError: the target's engine cannot do what the YAML asks for; nothing is created.
            StoreMismatchError: the target has other or newer data; or third stores take the writes.
            VicinalError: it is the same Milvus.
        """
        live, target = self.live, self.target
        self._require_other_milvus()
        origin = describe_side(live.metadata.state(), live.config.stores)
        place = redact_url(target.config.stores.milvus)
        state = target.metadata.state()
        self._require_writes_are_ours(state)
        is_resumed = require_replaceable(state, live.name, place, origin)
        fitted = live.metadata.fitted_state
        has_same_state = target.metadata.fitted_state.read_hash() == fitted.read_hash()
        if live.encoder.learns and not has_same_state:
            target.encoder.restore(live.encoder.state)
        target._collection._choose_index(0)
        collection = target._collection.find_collection(state)
        identity = target._collection.describe_identity()
        if state and not (has_same_state and identity == {name: state.get(name) for name in identity}):
            target._drop_everything()
            state, collection, is_resumed = {}, None, False
        if collection is not None and not state:
            raise StoreMismatchError(
                f"Milvus at {place} has a collection of {live.name!r} of which its Redis knows nothing",
                hint=f"drop the collection {collection.physical} there, or promote to another Milvus",
            )
        if not state:
            target._collection.create_state(target._collection._first_physical, create_owner())
        target.metadata.set_state(promotion=origin, twin=None, moved=None, promoting=None)
        if live.encoder.learns and not has_same_state:
            target.metadata.fitted_state.save(fitted.load(), live.encoder.state_hash)
        live.metadata.set_state(promoting=describe_stores(target.config.stores))
        target._collection.ensure()
        return is_resumed

    def _require_writes_are_ours(self, target_state: Mapping[str, Any]) -> None:
        """See that the old stores take the writes, or that those of the target, which took them over, do.

        Raises:
            StoreMismatchError: others do: a copy of these would be an old one, and they cannot hand over.
        """
        state = self.live.metadata.state()
        if (moved := state.get("moved")) and moved["owner"] != target_state.get("owner"):
            require_writable(state, self.live.name)

    def _require_other_milvus(self) -> None:
        """See that the target's Milvus is not that of the old stores by another name.

        Raises:
            VicinalError: it has the very collection that is copied.
        """
        state, target = self.live.metadata.state(), self.target
        found = target.vectors.find_collection(state["physical"])
        if found is not None and found.owner and found.owner == state.get("owner"):
            raise same_milvus_error(target.config.stores.milvus)

    def _catch_up(self, copier: Copier, *, locked: bool = False) -> bool:
        """Copy what was written since the last call; returns whether there was anything.

        Unless writers are locked out, who writes as fast as this copies is not waited for.
        """
        metadata, found = self.live.metadata, False
        for _ in range(_MAX_UNLOCKED_PARTS):
            if locked:
                size = self._copy_logged(copier)
            else:
                with lock_writers(metadata, self.stop.is_set):
                    size = self._copy_logged(copier)
            found |= size > 0
            if size < PART and (not size or not locked):
                break
        return found

    def _copy_logged(self, copier: Copier) -> int:
        if part := self.live.metadata.promotion_log.read(self._place):
            copier.copy_items(list(dict.fromkeys(part)))
            self._place += len(part)
        return len(part)

    def _finish_copy(self, copier: Copier) -> None:
        """Copy what belongs to no item, and make all of it searchable."""
        source, target = self.live.metadata, self.target.metadata
        for kind, report in source.read_reports().items():
            target.keep_report(kind, report)
        while gone := [failure.key for failure in islice(target.iter_failures(), _FAILURES)]:
            target.clear_failures(gone)
        failures = source.iter_failures()
        while part := list(islice(failures, _FAILURES)):
            target.add_failures(part)
        target.set_state(created=source.state().get("created"))
        written, copier.written = copier.written, 0
        self.target._collection.make_searchable(written)
        self.target.refresh()

    def _end_copy(self, copier: Copier, lock: PromoteLock) -> Proof:
        """Prove the copy; once more while nobody writes, if somebody has written during the proof."""
        proof = self._prove_copy()
        with lock_writers(self.live.metadata, self.stop.is_set) as writer:
            self._require_log()
            copier.require_complete()
            if self._catch_up(copier, locked=True) or copier.written:
                self._finish_copy(copier)
                proof = self._prove_copy()
            proof.require_equal()
            lock.check()
            writer.check()
            self._note_twins()
        return proof

    def _require_log(self) -> None:
        """See that all writes were noted; the writer's lock is held.

        Raises:
            StoreBusyError: an ingest has removed the log: this process was suspended for so long that its lock expired.
        """
        if not self.live.metadata.promotion_log.is_begun():
            raise StoreBusyError(
                f"another process has written to {self.live.name!r} while this one was suspended",
                hint="promote again, which continues",
            )

    def _prove_copy(self) -> Proof:
        def raise_if_stopped() -> None:
            if self.stop.is_set():
                raise KeyboardInterrupt

        return prove_copy(self.live, self.target, self.queries, raise_if_stopped=raise_if_stopped)

    def _note_twins(self) -> None:
        live, target = self.live, self.target
        here, there = live.metadata.state(), target.metadata.state()
        old, new = describe_side(here, live.config.stores), describe_side(there, target.config.stores)
        target.metadata.set_state(promotion=None, moved=None, twin={**old, "revision": there.get("revision", 0)})
        moved = new if self.hand_over else here.get("moved")
        twin = {**new, "revision": here.get("revision", 0)}
        live.metadata.set_state(twin=twin, moved=moved, promoting=None)

    def _show_progress(self, copied: int, unchanged: int) -> None:
        self._copied += copied
        self._unchanged += unchanged
        self.on_progress({"copied": self._copied, "unchanged": self._unchanged, "total": self._total})
