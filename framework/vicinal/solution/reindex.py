"""Builds another generation of a solution beside the live one, of which nobody reads until it is put in its place.

A generation has a collection and keys of its own. Nobody reads the new one until the record in Redis names it, see
``stores.live_generation``. What a killed run left is continued by the next one, or built anew where it does not fit.

While it is built, clients go on adding and removing items of the live one. A generation that is begun has a log
(``stores.write_log``); who writes notes the item there first, under the writer's lock, which the reindex holds only at
two moments: when it begins the generation, and so its log, and when it replaces the live one. Before that it catches up
with the log, again and again, and under the lock with the rest of it; see ``catch_up``. So a write is either in what
the source and the live generation had when the log began, or in the log, whoever is killed at whatever moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from vicinal.errors import NothingIndexedError, VicinalError
from vicinal.ingest.run import IngestRun
from vicinal.plugin.source import Source
from vicinal.solution import removal
from vicinal.solution.generations import choose_physical, drop_unfinished, open_unfinished
from vicinal.solution.handover import require_writable
from vicinal.solution.learning import keep_state, learn_from_source
from vicinal.solution.stored_items import SourceWithAdded, StoredItems
from vicinal.solution.writable import WritableSolution

__all__ = ["NewGeneration", "begin_pinned", "learn_state", "require_indexed"]

S = TypeVar("S", bound=WritableSolution)


def require_indexed(live: WritableSolution) -> None:
    """See that there is something to replace, and that this solution may.

    Raises:
        NothingIndexedError: nothing is indexed.
        StoreMismatchError: the collection belongs to another solution, or other stores take the writes.
    """
    live._collection.require_droppable(state := live.metadata.state())
    if not state:
        raise NothingIndexedError(f"nothing is indexed in {live.name!r} yet", hint="run `vicinal ingest` first")
    require_writable(state, live.name)


@dataclass(slots=True)
class NewGeneration:
    """The generation that a reindex builds: ``solution`` is pinned at it."""

    solution: WritableSolution
    live: WritableSolution
    source: SourceWithAdded | StoredItems
    is_resumed: bool
    """Whether a run before has begun it."""

    @classmethod
    def begin(cls, live: WritableSolution, learnt: bytes, new: WritableSolution, *, from_stored: bool) -> NewGeneration:
        """Take up what a run before has left, or begin anew; the locks of a reindex and of a writer are held.

        Args:
            learnt: the state of the encoder of ``new``, where it learns.
        """
        state = new.metadata.state()
        identity = new._collection.describe_identity()
        is_resumed = (
            bool(state)
            and {name: state.get(name) for name in identity} == identity
            and live.vectors.find_collection(state["physical"]) is not None
        )
        if not is_resumed:
            drop_unfinished(live.vectors, live.metadata)
            live_state = live.metadata.state()
            new._collection.create_state(choose_physical(live.vectors, live_state), live_state.get("owner", ""))
        if new.encoder.learns:
            keep_state(new.encoder, learnt, new.metadata)
        new._collection.ensure()
        source = StoredItems(live.metadata) if from_stored else SourceWithAdded(new.source, live.metadata)
        return cls(new, live, source, is_resumed)

    def remove_leftovers(self, run: IngestRun) -> None:
        """Remove what a run before has indexed and the source no longer has.

        Raises:
            VicinalError: not all that is live could be read or, by what is stored of it, indexed anew.
        """
        if isinstance(self.source, StoredItems):
            self._require_all_stored(run)
        elif run.hidden_behind or (run.report.seen == 0 and self.live.metadata.state().get("items")):
            reason = f"could not read {run.hidden_behind!r}" if run.hidden_behind else "yields no item at all"
            raise VicinalError(
                f"nothing was replaced: the source {reason}, and what is indexed of it would be lost",
                hint="`vicinal failures` says what is wrong with it; repair or exclude it, then reindex again"
                if run.hidden_behind
                else "`vicinal reindex --from stored` needs no source; `vicinal drop` removes everything",
            )
        vectors, metadata = self.solution.vectors, self.solution.metadata
        if run.skipped_entries:
            removal.remove_items(vectors, metadata, run.skipped_entries)
        if self.is_resumed:
            removal.prune_items(vectors, metadata, run.seen)

    def _require_all_stored(self, run: IngestRun) -> None:
        if failed := run.report.failed:
            raise VicinalError(
                f"nothing was replaced: {failed:,} items cannot be indexed anew by what is stored of them",
                hint="`vicinal failures` says why; `vicinal remove` them, or reindex from the source",
            )


def learn_state(new: WritableSolution, live: WritableSolution, *, from_stored: bool) -> bytes:
    """Have the encoder of a new generation learn, where it does, from what will be indexed; returns what it learnt."""
    if not new.encoder.learns:
        return b""
    source: Source = StoredItems(live.metadata) if from_stored else new.source
    return learn_from_source(new.encoder, source)[0]


def begin_pinned(live: S) -> S:
    """The solution by what its YAML says now, pinned at the generation that a reindex builds."""
    config, yaml = live._read_yaml()
    new = live._pin_generation(open_unfinished(live.metadata), config, yaml)
    new.__dict__["encoder"] = new.create_encoder()
    _ = new._collection
    return new
