"""The generations of a solution beside the live one: one that a reindex builds, one that was replaced and is kept.

The state of the live generation says what is to become of the one that it replaced (``replaces``, until that is done by
whoever writes next) and which one is kept (``previous``). At most one is kept: what that had kept itself is removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from vicinal.stores.milvus import VectorStore
from vicinal.stores.redis import MetadataStore
from vicinal.types import Failure

__all__ = [
    "choose_physical",
    "describe_previous",
    "describe_unfinished",
    "drop_others",
    "drop_previous",
    "drop_unfinished",
    "finish_replacement",
    "iter_new_failures",
    "note_replaced",
    "note_writes",
    "open_unfinished",
]


def open_unfinished(metadata: MetadataStore) -> MetadataStore:
    """The generation that a reindex builds, or would build, beside the live one."""
    state = metadata.state()
    others = [ref["generation"] for name in ("replaces", "previous") if (ref := state.get(name))]
    return metadata.of_generation(max([metadata.generation, *others]) + 1, is_live=False)


def iter_new_failures(metadata: MetadataStore) -> Iterator[Failure]:
    """The failures of a reindex that goes on, or that has not ended."""
    return open_unfinished(metadata).iter_failures()


def describe_unfinished(metadata: MetadataStore) -> dict[str, Any] | None:
    """How far a reindex is that goes on, or that has not ended; None where there is none."""
    state = open_unfinished(metadata).state()
    return {name: state.get(name) for name in ("items", "rows", "signature", "created")} if state else None


def describe_previous(metadata: MetadataStore) -> dict[str, Any] | None:
    """What the live generation has replaced and is kept; None where nothing is."""
    previous = metadata.state().get("previous")
    return {name: value for name, value in previous.items() if name != "physical"} if previous else None


def note_writes(metadata: MetadataStore, ids: Sequence[int]) -> None:
    """Note, for every generation beside the live one, that these items of that are written next."""
    unfinished = open_unfinished(metadata)
    if unfinished.state():
        unfinished.write_log.note(ids)
    if previous := metadata.state().get("previous"):
        metadata.of_generation(previous["generation"], is_live=False).write_log.note(ids)


def note_replaced(new: MetadataStore, live: MetadataStore, *, keep: bool) -> None:
    """Note what becomes of the live generation once the new one is live, for whoever finishes that."""
    state = live.state()
    described = {name: state.get(name) for name in ("physical", "items", "signature")}
    replaced = datetime.now(UTC).isoformat(timespec="seconds")
    new.set_state(replaces={"generation": live.generation, **described, "replaced": replaced, "keep": keep})


def finish_replacement(vectors: VectorStore, metadata: MetadataStore) -> None:
    """Remove the generation that the live one has replaced, or have it kept, unless that is done."""
    state = metadata.state()
    if (replaced := state.get("replaces")) is None:
        return
    vectors.set_alias(state["physical"])
    metadata.write_log.clear()
    old = metadata.of_generation(replaced["generation"], is_live=False)
    if (older := old.state().get("previous")) and older["generation"] != metadata.generation:
        _drop_generation(vectors, metadata, older)
    if replaced.get("keep"):
        old.set_state(previous=None)
        vectors.of_collection(replaced["physical"]).release_collection()
        previous = {name: value for name, value in replaced.items() if name != "keep"}
        metadata.set_state(previous=previous, replaces=None)
    else:
        _drop_generation(vectors, metadata, replaced)
        metadata.set_state(previous=None, replaces=None)


def drop_previous(vectors: VectorStore, metadata: MetadataStore) -> None:
    """Remove the generation that was replaced and is kept, if there is one."""
    if previous := metadata.state().get("previous"):
        _drop_generation(vectors, metadata, previous)
        metadata.set_state(previous=None)


def drop_unfinished(vectors: VectorStore, metadata: MetadataStore) -> None:
    """Remove what a reindex that has not ended has left."""
    unfinished = open_unfinished(metadata)
    if state := unfinished.state():
        vectors.drop_physical_collection(state["physical"])
    unfinished.drop()


def drop_others(vectors: VectorStore, metadata: MetadataStore) -> None:
    """Remove every generation but the live one, of which the alias may be no more."""
    drop_unfinished(vectors, metadata)
    drop_previous(vectors, metadata)
    if replaced := metadata.state().get("replaces"):
        older = metadata.of_generation(replaced["generation"], is_live=False).state().get("previous")
        for generation in filter(None, (older, replaced)):
            _drop_generation(vectors, metadata, generation)
        metadata.set_state(replaces=None)


def choose_physical(vectors: VectorStore, state: dict[str, Any]) -> str:
    """The name of a collection that does not exist yet."""
    number = int(state["physical"].rpartition("_v")[2])
    while vectors.find_collection(name := f"{vectors.alias}_v{(number := number + 1)}") is not None:
        pass
    return name


def _drop_generation(vectors: VectorStore, metadata: MetadataStore, generation: dict[str, Any]) -> None:
    vectors.drop_physical_collection(generation["physical"])
    metadata.of_generation(generation["generation"], is_live=False).drop()
