"""Fitting an encoder that learns: once for a solution, kept in Redis, and restored by whoever opens the solution."""

from __future__ import annotations

from collections.abc import Iterator

from vicinal.errors import ItemError, VicinalError
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.foreign_calls import attribute_errors, name_encoder
from vicinal.plugin.source import Source
from vicinal.plugin.state import pack_state, unpack_state
from vicinal.stores.redis import MetadataStore
from vicinal.types import Item

__all__ = ["SourceItems", "adopt_state", "fit_encoder", "keep_state", "learn_from_source", "restore_state"]


class SourceItems:
    """The items of a source without its failures; they can be read more than once, and ``count`` tells how many."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.count = 0

    def __iter__(self) -> Iterator[Item]:
        self.count = 0
        for entry in self._source:
            if isinstance(entry, Item):
                self.count += 1
                yield entry


def fit_encoder(encoder: Encoder, source: Source, metadata: MetadataStore) -> int:
    """Have an encoder learn from a source's items, and keep what it learnt; returns how many items it read.

    Raises:
        VicinalError, PluginError: as ``learn_from_source`` does.
    """
    data, count = learn_from_source(encoder, source)
    keep_state(encoder, data, metadata)
    return count


def keep_state(encoder: Encoder, data: bytes, metadata: MetadataStore) -> None:
    """Keep what an encoder has learnt."""
    metadata.fitted_state.save(data, encoder.state_hash)


def learn_from_source(encoder: Encoder, source: Source) -> tuple[bytes, int]:
    """Have an encoder learn from a source's items; returns what it learnt, packed, and how many items it read.

    Raises:
        VicinalError: nothing can be learnt from them.
        PluginError: what ``fit`` returned is no state.
    """
    items = SourceItems(source)
    try:
        with attribute_errors(name_encoder(encoder), "fit"):
            state = encoder.fit(items)
    except ItemError as error:
        raise VicinalError(f"the encoder cannot learn from this source: {error}", error.hint) from error
    data = pack_state(state)
    encoder.restore(state)
    return data, items.count


def adopt_state(encoder: Encoder, data: bytes, metadata: MetadataStore) -> None:
    """Keep what an encoder learnt elsewhere, if it learnt anything."""
    if data:
        encoder.restore(unpack_state(data))
        metadata.fitted_state.save(data, encoder.state_hash)


def restore_state(encoder: Encoder, metadata: MetadataStore) -> bool:
    """Give an encoder that learns what its solution's encoder learnt, if it has not; False where none has yet."""
    if not encoder.learns:
        return True
    kept = metadata.fitted_state.read_hash()
    if kept is None:
        return False
    if encoder.state_hash != kept:
        encoder.restore(unpack_state(metadata.fitted_state.load()))
    return True
