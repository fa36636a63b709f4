"""What replaces all that a solution has indexed, while it is searched and written; and takes that back."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import nullcontext
from typing import Any, Self

from vicinal.errors import GateFailedError, StoreMismatchError, VicinalError
from vicinal.ingest.run import IngestRun
from vicinal.solution.catch_up import CatchUp
from vicinal.solution.gate import Gate, GateResult
from vicinal.solution.generations import (
    describe_previous,
    describe_unfinished,
    drop_previous,
    drop_unfinished,
    finish_replacement,
    note_replaced,
    open_unfinished,
)
from vicinal.solution.handover import require_whole, require_writable
from vicinal.solution.progress import show_progress
from vicinal.solution.reindex import NewGeneration, begin_pinned, learn_state, require_indexed
from vicinal.solution.writable import WritableSolution
from vicinal.stores.writer_lock import ReindexLock, WriterLock
from vicinal.types import IngestReport

__all__ = ["ReindexableSolution"]


class ReindexableSolution(WritableSolution):
    """The part of a solution that ``Solution`` documents as replacing it."""

    def reindex(
        self,
        *,
        gate: Gate | None = None,
        keep: bool = False,
        from_stored: bool = False,
        drop_failed: bool = False,
        progress: bool = False,
    ) -> IngestReport:
        """Index the source anew beside what is searched, and put that in its place in one step.

        The YAML file is read again: another encoder, or other fields, may stand in it. An encoder that learns does so
        anew. Items that ``add`` indexed are indexed anew, too. Searches are answered all the time, each from the old or
        from the new generation, and items are added and removed meanwhile: the new one has them, too. A run that does
        not end leaves the old one as it is, and the next run continues.

        Args:
            gate: judges the new one before it replaces the old one; ``build_gate`` makes one.
            keep: whether the old one is kept for ``rollback`` until the next reindex, in place of being removed.
            from_stored: whether to index what is stored of the items, in place of what the source has now.
            drop_failed: whether to remove the new one where it does not pass the gate, in place of keeping it for
                ``open_new`` and for the next run.
            progress: show a progress bar, below the cell of a notebook or on the terminal's stderr.

        Raises:
            GateFailedError: the new one did not pass the gate.
            NothingIndexedError: there is nothing to replace.
            VicinalError: not all could be read that is indexed now, or nothing can be learnt from it.
            StoreBusyError, TooManyFailuresError, KeyboardInterrupt: as ``ingest`` does.
        """
        started = time.perf_counter()
        shown = show_progress(self.manager) if progress else nullcontext()
        with shown, self._report_failure(), ReindexLock(self.metadata) as lock:
            try:
                report = self._build_and_replace(lock, gate, keep=keep, from_stored=from_stored)
            except GateFailedError:
                if drop_failed:
                    with WriterLock(self.metadata, brief=True):
                        drop_unfinished(self.vectors, self.metadata)
                raise
            finally:
                self._active_run = None
            report.took(time.perf_counter() - started)
            self.manager.observers.ingest_finished(solution=self.name, report=report)
        return report

    def rollback(self) -> dict[str, Any]:
        """Put back, in one step, what a reindex with ``keep`` has replaced; that is kept then in its turn.

        What was added or removed since is so there, too; what an ingest has changed since, the next ingest changes.
        Where the YAML says something else by now than it did then, processes that are running search as they did then,
        and new ones say that the YAML has to be put back.

        Returns:
            ``{"solution", "generation", "items", "previous", "warnings"}``.

        Raises:
            VicinalError: nothing is kept.
            StoreMismatchError: the config by which it was built is not known.
            StoreBusyError: another process writes, or reindexes.
        """
        with ReindexLock(self.metadata) as lock:
            with WriterLock(self.metadata, brief=True):
                self.follow()
                require_writable(self.metadata.state(), self.name)
                finish_replacement(self.vectors, self.metadata)
            old = self._open_previous()
            old.vectors.load_collection()
            self._replace_generation(old, CatchUp(self.metadata, old, lock), lock, keep=True)
        warnings = [] if self._is_described_by_yaml() else [
            f"the YAML does not describe what is searched now, built by {self.encoder.fitted_signature!r}: put it back,"
            " or every new process refuses it"
        ]  # fmt: skip
        return {
            "solution": self.name,
            "generation": self.metadata.generation,
            "items": int(self.metadata.state().get("items", 0)),
            "previous": describe_previous(self.metadata),
            "warnings": warnings,
        }

    def drop_old(self) -> bool:
        """Remove what a reindex with ``keep`` has replaced; returns whether there was anything."""
        return self._drop_generation(describe_previous, drop_previous)

    def drop_new(self) -> bool:
        """Remove what a reindex has left that did not end or pass its gate; returns whether there was anything."""
        return self._drop_generation(describe_unfinished, drop_unfinished)

    def open_new(self) -> Self:
        """The solution as a reindex that did not end, or pass its gate, has left it: to be searched, not closed.

        Raises:
            VicinalError: there is none.
        """
        self.open().follow()
        metadata = open_unfinished(self.metadata)
        if (new := self._find_described(metadata) if metadata.state() else None) is None:
            raise VicinalError(f"no reindex of {self.name!r} has left anything that can be searched here")
        return new

    def open_live(self) -> Self:
        """The solution as it is searched, though the YAML may say something else by now: to be searched, not closed.

        Raises:
            StoreMismatchError: the config by which it was built is not known.
        """
        self.open().follow()
        live = self._find_described(self.metadata)
        if live is None:
            signature = self.metadata.state().get("signature")
            raise StoreMismatchError(
                f"{self.name!r} was built with encoder {signature!r}, and no config here describes it, so that nothing"
                " can be compared with it",
                hint="compare with a number in place of `live`, as `vicinal evaluate` measured it",
            )
        return live

    def _build_and_replace(
        self, lock: ReindexLock, gate: Gate | None, *, keep: bool, from_stored: bool
    ) -> IngestReport:
        if gate is not None:
            gate.prepare(self)
        new, generation = self._begin_generation(from_stored=from_stored)
        run = new._new_run(source=generation.source, lock=lock)
        report = self._execute_run(run, generation.source.count())
        self._active_run = run  # so that `interrupt` still ends this
        _raise_if_interrupted(run)
        generation.remove_leftovers(run)
        catch_up = CatchUp(self.metadata, new, lock, lambda: run.interrupted)
        catch_up.run()
        catch_up.written += report.seen
        with self.manager.observers.time_stage(self.name, "index", report.new + report.updated):
            report.rows = catch_up.make_searchable()
        if gate is not None:
            report.gate = _require_passed(gate.judge(self, new))
        _raise_if_interrupted(run)
        report.rows = self._replace_generation(new, catch_up, lock, generation.source.added, keep=keep)
        note = new.encoder.fit_note if new.encoder.learns else ""
        self._add_warnings(report, note, int(self.metadata.state()["rows"]))
        return report

    def _begin_generation(self, *, from_stored: bool) -> tuple[Self, NewGeneration]:
        """Begin a generation; nobody is locked out while its encoder learns, which may take long."""
        with WriterLock(self.metadata, brief=True):
            self.follow()
            require_indexed(self)
            if from_stored:
                require_whole(self.metadata.state(), self.name)
            finish_replacement(self.vectors, self.metadata)
        new = begin_pinned(self)
        learnt = learn_state(new, self, from_stored=from_stored)
        with WriterLock(self.metadata, brief=True):
            return new, NewGeneration.begin(self, learnt, new, from_stored=from_stored)

    def _replace_generation(
        self,
        new: WritableSolution,
        catch_up: CatchUp,
        lock: ReindexLock,
        added: Collection[int] = (),
        *,
        keep: bool,
    ) -> int:
        """Have everybody search another generation, once it has all that was written; returns its number of rows."""
        catch_up.run()
        with catch_up.lock_writers() as writer:
            catch_up.run(locked=True)
            catch_up.require_added(added)
            rows = catch_up.make_searchable()
            note_replaced(new.metadata, self.metadata, keep=keep)
            with self._open_lock, self._pause_searches():
                lock.check()
                writer.check()
                new.metadata.make_live()
                self._adopt_generation(new)
            finish_replacement(self.vectors, self.metadata)
        return rows

    def _drop_generation(self, describe: Callable[[Any], Any], drop: Callable[[Any, Any], None]) -> bool:
        with ReindexLock(self.metadata), WriterLock(self.metadata, brief=True):
            self.follow()
            finish_replacement(self.vectors, self.metadata)
            found = describe(self.metadata) is not None
            drop(self.vectors, self.metadata)
        return found

    def _open_previous(self) -> Self:
        previous = self.metadata.state().get("previous")
        if previous is None:
            raise VicinalError(
                f"nothing is kept that {self.name!r} could be rolled back to",
                hint="`vicinal reindex --keep` keeps what it replaces, until the next reindex",
            )
        old = self._find_described(self.metadata.of_generation(previous["generation"], is_live=False))
        if old is None:
            raise StoreMismatchError(
                f"what was replaced was built with encoder {previous['signature']!r}, and no config here describes it",
                hint="put the YAML back as it was then, then roll back",
            )
        old._collection.require_searchable(old.metadata.state())
        return old

    def _is_described_by_yaml(self) -> bool:
        try:
            config, _ = self._read_yaml()
        except VicinalError:
            return False
        return (config.encoder, config.fields, config.hybrid) == (
            self.config.encoder,
            self.config.fields,
            self.config.hybrid,
        )


def _require_passed(result: GateResult) -> dict[str, Any]:
    """What a report says of a gate that was passed.

    Raises:
        GateFailedError: it was not.
    """
    if not result.passed:
        raise GateFailedError(
            f"nothing was replaced: {result.description}",
            hint="`vicinal reindex` without a gate puts the new one in place; `vicinal reindex --drop-new` removes it",
        )
    return result.to_dict()


def _raise_if_interrupted(run: IngestRun) -> None:
    if run.interrupted:
        raise KeyboardInterrupt
