"""Reads interactions with their times, as an evaluation splits them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vicinal import VicinalError
from vicinal_recommend.evaluation.splits import Log
from vicinal_recommend.histories import to_float32
from vicinal_recommend.ids import find_written
from vicinal_recommend.interactions import Ids, InteractionChunk, InteractionReader, InteractionTable

__all__ = ["read_log"]


def read_log(table: InteractionTable, keys: Sequence[str]) -> tuple[Log, list[str]]:
    """The interactions with these items that ``fit`` would learn from, and the ids of the users, by number.

    An item's number is the place of its key. With 25 million interactions it takes 20 bytes for each.

    Raises:
        SourceError: the file cannot be read.
        VicinalError: there is no interaction.
    """
    items = {key: number for number, key in enumerate(keys)}
    users: dict[str, int] = {}
    parts = [
        _select_interactions(chunk, table.min_weight, users, items)
        for chunk in InteractionReader(table, with_times=True)
    ]
    if not any(len(part.users) for part in parts):
        raise VicinalError(f"{table.file} has no interaction with an item of the source", "compare the ids of both")
    times = None if parts[0].times is None else np.concatenate([part.times for part in parts if part.times is not None])
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in ("users", "items", "weights")]
    return Log(columns[0], columns[1], columns[2], times), list(users)


def _select_interactions(
    chunk: InteractionChunk, min_weight: float | None, users: dict[str, int], items: dict[str, int]
) -> Log:
    """A chunk's interactions that name a user and a known item, and have a weight and, where there are any, a time."""
    numbers = _to_numbers(
        chunk.users, [-1 if id_ is None else users.setdefault(id_, len(users)) for id_ in chunk.users.values]
    )
    places = _to_numbers(chunk.items, [-1 if id_ is None else find_written(items, id_) for id_ in chunk.items.values])
    weights = np.ones(len(numbers), np.float32) if chunk.weights is None else to_float32(chunk.weights)
    kept = (numbers >= 0) & (places >= 0) & np.isfinite(weights) & (weights > 0)
    if min_weight is not None:
        kept &= weights >= min_weight
    if chunk.times is not None:
        kept &= np.isfinite(chunk.times)
    times = None if chunk.times is None else chunk.times[kept]
    return Log(numbers[kept], places[kept], weights[kept], times)


def _to_numbers(ids: Ids, numbers: Sequence[int]) -> np.ndarray:
    found: np.ndarray = np.array([*numbers, -1], np.int32)[ids.codes]
    return found
