"""Builds another generation of a solution beside the live one, and puts it in the place of that in one step.

A generation has a collection and keys of its own. Nobody reads the new one until the record in Redis names it, see
``stores.live_generation``. What a killed run left is continued by the next one, or built anew where it does not fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from vicinal.errors import VicinalError
from vicinal.ingest.run import IngestRun
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.foreign_calls import count_items
from vicinal.plugin.source import Source
from vicinal.solution import removal
from vicinal.solution.collection import CollectionManager
from vicinal.solution.components import Components
from vicinal.solution.learning import keep_state, learn_from_source
from vicinal.stores.milvus import VectorStore
from vicinal.stores.redis import MetadataStore
from vicinal.types import Failure, Item, item_id, path_from_file_uri

__all__ = [
    "NewGeneration",
    "SourceWithAdded",
    "describe_unfinished",
    "drop_replaced",
    "drop_unfinished",
    "finish_replacement",
    "iter_new_failures",
]

_BATCH = 1_000


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
        for start in range(0, len(ids), _BATCH):
            for record in self._metadata.records(ids[start : start + _BATCH]):
                if record is not None:
                    content: Any = record.content if record.content is not None else path_from_file_uri(record.uri)
                    yield Item(record.key, content or "", record.uri, record.metadata)


@dataclass(slots=True)
class NewGeneration:
    """The generation that a reindex builds, while the writer's lock is held."""

    live: Components
    encoder: Encoder
    vectors: VectorStore
    metadata: MetadataStore
    collection: CollectionManager
    is_resumed: bool
    """Whether a run before has begun it."""
    note: str = field(default="")
    """What the encoder says of how it was fitted."""

    @classmethod
    def open(cls, live: Components) -> NewGeneration:
        """Fit the encoder, where it learns, and take up what a run before has left, or begin anew."""
        metadata = _unfinished(live.metadata)
        encoder = live.create_encoder()
        learnt = learn_from_source(encoder, live.source)[0] if encoder.learns else b""
        state = metadata.state()
        collection = CollectionManager(live.config, encoder, live.vectors, metadata)
        identity = collection.describe_identity()
        is_resumed = (
            bool(state)
            and {name: state.get(name) for name in identity} == identity
            and live.vectors.find_collection(state["physical"]) is not None
        )
        if not is_resumed:
            drop_unfinished(live.vectors, live.metadata)
            live_state = live.metadata.state()
            physical = _choose_physical(live.vectors, live_state)
            state = collection.create_state(physical, live_state.get("owner", ""))
        if encoder.learns:
            keep_state(encoder, learnt, metadata)
        vectors = live.vectors.of_collection(state["physical"])
        collection = CollectionManager(live.config, encoder, vectors, metadata)
        collection.ensure()
        return cls(live, encoder, vectors, metadata, collection, is_resumed, encoder.fit_note if encoder.learns else "")

    def tidy(self, run: IngestRun, source: SourceWithAdded) -> None:
        """Remove what a run before has indexed and the source no longer has, and mark what was added by hand.

        Raises:
            VicinalError: the source was not read whole, so that what is live may have more than this.
        """
        if run.hidden_behind or (run.report.seen == 0 and self.live.metadata.state().get("items")):
            reason = f"could not read {run.hidden_behind!r}" if run.hidden_behind else "yields no item at all"
            raise VicinalError(
                f"nothing was replaced: the source {reason}, and what is indexed of it would be lost",
                hint="`vicinal failures` says what is wrong with it; repair or exclude it, then reindex again"
                if run.hidden_behind
                else "`vicinal drop` removes everything",
            )
        if run.skipped_entries:
            removal.remove(self.vectors, self.metadata, run.skipped_entries)
        if self.is_resumed:
            removal.prune(self.vectors, self.metadata, run.seen)
        self._mark_added(sorted(source.added))

    def _mark_added(self, ids: list[int]) -> None:
        """Mark what was added by hand; nobody else has it.

        Raises:
            VicinalError: one could not be indexed anew, and would be lost.
        """
        entries = self.metadata.ledger_entries(ids)
        if lost := [id_ for id_, entry in zip(ids, entries, strict=True) if entry is None or not entry.is_committed]:
            records = self.live.metadata.records(lost[:5])
            keys = ", ".join(record.key for record in records if record is not None)
            raise VicinalError(
                f"nothing was replaced: {len(lost):,} items that were added by hand cannot be indexed anew: {keys}",
                hint="`vicinal failures` says why; `vicinal remove` them, or add them otherwise, then reindex again",
            )
        self.metadata.mark_manual(ids)

    def note_replaced(self) -> None:
        """Note what has to be removed once this generation is live, for whoever finishes that."""
        physical = self.live.metadata.state()["physical"]
        self.metadata.set_state(replaces={"generation": self.live.metadata.generation, "physical": physical})


def finish_replacement(vectors: VectorStore, metadata: MetadataStore) -> None:
    """Remove the generation that the live one has replaced, unless that is done."""
    state = metadata.state()
    if state.get("replaces") is None:
        return
    vectors.set_alias(state["physical"])
    drop_replaced(vectors, metadata)


def drop_replaced(vectors: VectorStore, metadata: MetadataStore) -> None:
    """Remove the generation that the live one has replaced, of which the alias is no more."""
    if replaced := metadata.state().get("replaces"):
        vectors.drop_physical_collection(replaced["physical"])
        metadata.of_generation(replaced["generation"], is_live=False).drop()
        metadata.set_state(replaces=None)


def iter_new_failures(metadata: MetadataStore) -> Iterator[Failure]:
    """The failures of a reindex that goes on, or that has not ended."""
    return _unfinished(metadata).iter_failures()


def describe_unfinished(metadata: MetadataStore) -> dict[str, Any] | None:
    """How far a reindex is that goes on, or that has not ended; None where there is none."""
    state = _unfinished(metadata).state()
    return {name: state.get(name) for name in ("items", "rows", "signature", "created")} if state else None


def drop_unfinished(vectors: VectorStore, metadata: MetadataStore) -> None:
    """Remove what a reindex that has not ended has left."""
    unfinished = _unfinished(metadata)
    if state := unfinished.state():
        vectors.drop_physical_collection(state["physical"])
    unfinished.drop()


def _unfinished(metadata: MetadataStore) -> MetadataStore:
    return metadata.of_generation(metadata.generation + 1, is_live=False)


def _choose_physical(vectors: VectorStore, state: dict[str, Any]) -> str:
    """The name of a collection that does not exist yet."""
    number = int(state["physical"].rpartition("_v")[2])
    while vectors.find_collection(name := f"{vectors.alias}_v{(number := number + 1)}") is not None:
        pass
    return name
