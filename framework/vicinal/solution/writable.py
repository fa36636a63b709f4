"""What fills a solution: runs over its source, items that are added by hand, and what its encoder learns."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

from vicinal.config.models import IngestConfig
from vicinal.errors import StoreMismatchError, VicinalError
from vicinal.ingest.run import IngestRun
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.foreign_calls import count_items
from vicinal.plugin.source import Source
from vicinal.solution import removal
from vicinal.solution.generations import drop_others, finish_replacement, open_others
from vicinal.solution.handover import require_writable
from vicinal.solution.learning import fit_encoder, restore_state
from vicinal.solution.progress import show_progress
from vicinal.solution.searchable import SearchableSolution
from vicinal.stores.writer_lock import ReindexLock, WriterLock
from vicinal.types import IngestReport, Item, item_id

__all__ = ["WritableSolution"]


class WritableSolution(SearchableSolution):
    """The part of a solution that ``Solution`` documents as filling it: one run writes at a time."""

    _fit_note = ""
    """What the encoder says of how it was fitted by the run that is open."""

    def ingest(
        self,
        *,
        prune: bool = False,
        limit: int | None = None,
        force: bool = False,
        encoder: Encoder | None = None,
        progress: bool = False,
    ) -> IngestReport:
        """Index what is new or changed in the source; with ``prune``, remove items that it no longer has.

        Items that ``add`` indexed stay.

        Args:
            limit: read only this many items of the source.
            force: index unchanged items again, too: a file counts as unchanged while its size and time are the same.
            encoder: a ``new_encoder``, so that searches meanwhile need not wait for the run's batches; one that is
                ``encode_is_thread_safe`` needs no other.
            progress: show a progress bar, below the cell of a notebook or on the terminal's stderr.

        Raises:
            StoreBusyError: another process writes to this solution, or reindexes it.
            StoreMismatchError: the collection was built by another encoder or with other fields.
            TooManyFailuresError: more items failed than the config allows; the others are kept.
            KeyboardInterrupt: Ctrl-C; finished batches are kept, and the next run continues from there.
        """
        if prune and limit is not None:
            raise VicinalError("prune and limit exclude each other", hint="a limited run does not see every item")
        with show_progress(self.manager) if progress else nullcontext():
            return self._run_ingest(prune=prune, limit=limit, force=force, encoder=encoder)

    def retry(self, *, encoder: Encoder | None = None) -> IngestReport:
        """Try again the items that failed, and only them."""
        self.follow()
        return self._run_ingest(only={failure.key for failure in self.metadata.iter_failures()}, encoder=encoder)

    def fit(self) -> dict[str, Any]:
        """Have an encoder that learns do so anew, from all items of the source.

        Returns:
            ``{"solution", "items", "hash", "note", "seconds"}``; ``hash`` changes with what was learnt, ``note`` is
            what the encoder says of it.

        Raises:
            VicinalError: the encoder does not learn, or nothing can be learnt from the source.
            StoreMismatchError: items are indexed by what it learnt before.
        """
        started = time.perf_counter()
        if not self.encoder.learns:
            raise VicinalError(f"encoder {self.config.encoder.type!r} does not learn", "ingest needs no fit then")
        with WriterLock(self.metadata):
            ReindexLock.require_free(self.metadata)
            self.follow()
            if items := self.metadata.state().get("items"):
                raise StoreMismatchError(
                    f"{self.name!r} holds {items:,} items, indexed by what its encoder learnt before",
                    "`vicinal reindex` fits it anew, and indexes all items by that beside those that are searched",
                )
            self._drop_everything()
            count = fit_encoder(self.encoder, self.source, self.metadata)
        seconds = round(time.perf_counter() - started, 3)
        return {
            "solution": self.name,
            "items": count,
            "hash": self.encoder.state_hash,
            "note": self.encoder.fit_note,
            "seconds": seconds,
        }

    def interrupt(self) -> bool:
        """End the run of another thread after its current batch; it raises KeyboardInterrupt there.

        Returns whether there was one.
        """
        if (run := self._active_run) is None:
            return False
        run.interrupt()
        return True

    def add(self, item: Item, *, replace: bool = True) -> Literal["new", "updated", "unchanged"]:
        """Index one item that the source need not have; ``prune`` leaves it, ``remove`` removes it.

        If the source has an item of its key, the next ingest replaces it. While a reindex goes on, it is indexed by
        that, too.

        Raises:
            ItemError: it cannot be indexed; what was indexed under its key stays.
            ItemExistsError: another item has its key, and ``replace`` is false.
            StoreBusyError: a run is active that is no reindex.
        """
        with self._open_for_writing(brief=True) as lock, self._note_writes([item_id(item.key)]):
            change = self._new_run(lock=lock).add_item(item, replace=replace)
            self.metadata.mark_manual([item_id(item.key)])
            if self._collection.current_index() is None:
                self._collection.make_searchable(1)
            self.vectors.wait_until_visible()
        return change

    def _new_run(
        self,
        encoder: Encoder | None = None,
        source: Source | None = None,
        ingest: IngestConfig | None = None,
        **options: Any,
    ) -> IngestRun:
        return IngestRun(
            source or self.source,
            encoder or self.encoder,
            self.vectors,
            self.metadata,
            ingest or self.config.ingest,
            self.config.field_specs,
            self.metric,
            self.manager.observers,
            encoder_lock=nullcontext() if encoder else self._encoder_lock_if_needed,
            block=self.config.encoder,
            plugin_settings=self.config.plugins,
            **options,
        )

    def _run_ingest(
        self,
        *,
        prune: bool = False,
        limit: int | None = None,
        force: bool = False,
        only: set[str] | None = None,
        encoder: Encoder | None = None,
    ) -> IngestReport:
        started = time.perf_counter()
        with self._report_failure(), self._open_for_writing() as lock:
            if encoder is not None:
                restore_state(encoder, self.metadata)
            run = self._new_run(encoder, limit=limit, force=force, only=only, lock=lock)
            total = len(only) if only is not None else count_items(self.source)
            report = self._execute_run(run, min(total, limit) if total is not None and limit is not None else total)
            if run.skipped_entries:
                removal.remove_items(self.vectors, self.metadata, run.skipped_entries)
                report.removed += len(run.skipped_entries)
            if prune and run.is_complete:
                self._prune_unseen(run)
            if run.interrupted:
                raise KeyboardInterrupt
            changed = report.new + report.updated + report.removed
            with self.manager.observers.time_stage(self.name, "index", changed):
                report.rows = self._collection.make_searchable(changed)
            self._add_warnings(report, self._fit_note, int(self.metadata.state()["rows"]))
        report.took(time.perf_counter() - started)
        self.manager.observers.ingest_finished(solution=self.name, report=report)
        return report

    def _execute_run(self, run: IngestRun, total: int | None) -> IngestReport:
        self._active_run = run
        try:
            self.manager.observers.ingest_started(solution=self.name, total=total)
            return run.run()
        finally:
            self._active_run = None

    @contextmanager
    def _report_failure(self) -> Iterator[None]:
        """Report to observers that the run of this block ends early."""
        try:
            yield
        except BaseException as error:
            self.manager.observers.ingest_failed(solution=self.name, error=error)
            raise

    def _add_warnings(self, report: IngestReport, fit_note: str, ledger_rows: int) -> None:
        report.warnings += filter(None, [fit_note])
        self._warn_of_truncation(report)
        if report.rows != ledger_rows:
            report.warnings.append(
                f"Milvus holds {report.rows} rows, the ledger {ledger_rows}; `vicinal check` tells more"
            )

    def _warn_of_truncation(self, report: IngestReport) -> None:
        """Say how many items the encoder reads only in part, and what it advises."""
        if report.truncated:
            items, their = (
                ("1 item is", "its") if report.truncated == 1 else (f"{report.truncated:,} items are", "their")
            )
            message = f"{items} longer than the encoder reads; only {their} beginning is searched"
            report.warnings.append(": ".join(filter(None, [message, self.encoder.truncation_note])))

    def _prune_unseen(self, run: IngestRun) -> None:
        """Remove the items that the source no longer has, without those that ``add`` indexed.

        Nothing is removed that may only not have been seen: a source that yields nothing at all is taken for an
        accident, and what it could not read, and what is no indexed item itself, may be a file that holds many.
        """
        if run.report.seen == 0 and self.metadata.state().get("items"):
            raise VicinalError(
                "the source yields no item at all, so nothing was pruned", hint="`vicinal drop` removes everything"
            )
        if run.hidden_behind:
            run.report.warnings.append(
                f"nothing was pruned: the source could not read {run.hidden_behind!r}, which may hold indexed items;"
                " repair or exclude it (`vicinal failures` says what is wrong with it)"
            )
            return
        run.report.removed += removal.prune_items(self.vectors, self.metadata, run.seen)

    @contextmanager
    def _open_for_writing(self, *, brief: bool = False) -> Iterator[WriterLock]:
        """Hold the writer's lock on a collection that exists and fits the config.

        Args:
            brief: for a few items, which may be written beside a reindex; others wait for that.
        """
        with WriterLock(self.metadata, brief=brief) as lock:
            if not brief:
                ReindexLock.require_free(self.metadata)
            self.follow()
            state = self.metadata.state()
            require_writable(state, self.name)
            if not brief:
                self.metadata.promotion_log.clear()  # of a `promote` that was killed; the next one compares all items
                if state.get("promoting"):
                    self.metadata.set_state(promoting=None)
            self.refresh()
            finish_replacement(self.vectors, self.metadata)
            self._fit_note = ""
            if not restore_state(self.encoder, self.metadata):
                fit_encoder(self.encoder, self.source, self.metadata)
                self._fit_note = self.encoder.fit_note
            self._collection.ensure()
            try:
                yield lock
            finally:
                self.refresh()

    @contextmanager
    def _note_writes(self, ids: list[int]) -> Iterator[None]:
        """Have a generation that is not live, and a copy in other stores, catch up with what is written in this block.

        Who is suspended there for long loses the lock, and what it writes may be read before: so it is noted again.

        Raises:
            GenerationReplacedError: a reindex has ended meanwhile, so that this was written in vain.
        """
        logs = [other.write_log for other in open_others(self.metadata)]

        def note() -> None:
            for log in logs:
                log.note(ids)
            self.metadata.promotion_log.note_if_begun(ids)

        note()
        yield
        note()
        self.metadata.require_live()

    def _drop_everything(self) -> int:
        with self._open_lock, self._pause_searches():
            state = self.metadata.state()
            self._collection.require_droppable(state)
            self.vectors.drop_collection()
            if state:
                # Left over when a previous drop was interrupted after removing the alias.
                self.vectors.drop_physical_collection(state["physical"])
            drop_others(self.vectors, self.metadata)
            self.metadata.drop()
            self.follow()
        return int(state.get("items", 0))
