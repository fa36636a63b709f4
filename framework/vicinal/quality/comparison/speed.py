"""How quickly compared solutions answer and encode, measured in turns, so that other work on the machine meets all."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vicinal.errors import ItemError
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.encoder_calls import decode_items, encode_samples
from vicinal.quality.comparison.turns import SolutionTurns
from vicinal.solution.solution import Solution
from vicinal.types import Item, SearchRequest, item_id, path_from_file_uri

__all__ = ["Speed", "measure_speed"]

_MAX_QUERIES = 100
_MAX_ITEMS = 256
_WARM_UP_QUERIES = 3
_FIRST_BATCH = 2
_MAX_SECONDS = 10.0
"""For the queries of each solution, and again for its items; at least one block of each is measured."""
_TURNS = 4


@dataclass(frozen=True, slots=True)
class Speed:
    """How long one search takes, one at a time, and how many items are encoded in a second.

    ``search_ms`` (median and 95th percentile) is what a search takes beside decoding and encoding its query: in Milvus,
    in Redis and, where there is one, in the reranker. ``encode_ms`` is the median of decoding and encoding; None where
    queries are indexed items, whose vectors are stored. ``items_per_second`` is of decoding and encoding in batches, on
    one thread, in the quickest of the largest batches, which other work on the machine disturbed least; None where the
    items' contents cannot be had. ``items`` is how many those batches held.
    """

    queries: int
    search_ms: float
    search_ms_p95: float
    encode_ms: float | None = None
    items: int = 0
    items_per_second: float | None = None

    def to_dict(self) -> dict[str, Any]:
        rounded = {"search_ms": self.search_ms, "search_ms_p95": self.search_ms_p95, "encode_ms": self.encode_ms}
        rate = self.items_per_second
        return {
            "queries": self.queries,
            **{name: None if value is None else round(value, 3) for name, value in rounded.items()},
            "items": self.items,
            "items_per_second": None if rate is None else round(rate, 1),
        }


def measure_speed(turns: SolutionTurns, requests: Sequence[str], keys: Sequence[str], limit: int) -> list[Speed]:
    """Search with up to 100 of the queries, and encode up to 256 of the items, in each solution in turn.

    A query that is ``@key`` is searched for by the item's content, as a user would, where that can be had and read.

    Args:
        requests: queries, which each solution can answer.
        keys: those of items.
    """
    searches = _time_searches(turns, requests[:_MAX_QUERIES], limit)
    encoding = _time_encoding(turns, keys[:_MAX_ITEMS])
    return [_to_speed(*one) for one in zip(searches, encoding, strict=True)]


def _to_speed(searches: _Searches, encoding: _Batches) -> Speed:
    import numpy as np

    median, p95 = np.percentile(searches.search_ms, [50, 95]).tolist()
    encode_ms = float(np.median(searches.encode_ms)) if searches.encode_ms else None
    return Speed(len(searches.search_ms), median, p95, encode_ms, encoding.items, encoding.best_rate or None)


# --- searches


@dataclass(slots=True)
class _Searches:
    """The queries that one solution is searched with, and how long each took."""

    requests: Sequence[str | Path]
    search_ms: list[float] = field(default_factory=list)
    encode_ms: list[float] = field(default_factory=list)

    def time(self, solution: Solution, part: slice, limit: int) -> None:
        for request in self.requests[part]:
            result = solution.search_many([SearchRequest(request, limit)], notify=False)[0]
            if isinstance(result, ItemError):  # a file that is gone, or broken
                continue
            if isinstance(result, Exception):
                raise result
            timings = result.timings_ms
            encode_ms = timings["decode"] + timings["encode"]
            self.search_ms.append(timings["total"] - encode_ms)
            if not _is_key(request):
                self.encode_ms.append(encode_ms)


def _time_searches(turns: SolutionTurns, requests: Sequence[str], limit: int) -> list[_Searches]:
    """One query after the other in each solution; in a few turns where they cannot be open at the same time."""
    size = -(-len(requests) // _TURNS) if turns.take_turns else 1
    work = [_Searches(_choose_requests(turns.open(number), requests, limit)) for number in range(len(turns.solutions))]
    deadline = time.perf_counter() + _MAX_SECONDS * len(work)
    for turn, start in enumerate(range(0, len(requests), size)):
        if turn and time.perf_counter() > deadline:
            break
        for number in _rotate_order(len(work), turn):
            solution = turns.open(number)
            if turns.take_turns:
                _warm_up(solution, work[number].requests, limit)
            work[number].time(solution, slice(start, start + size), limit)
    return work


def _choose_requests(solution: Solution, requests: Sequence[str], limit: int) -> Sequence[str | Path]:
    """The queries; items by their contents where all have one and the first can be read. It loads the model, too."""
    contents = [_read_content(solution, request[1:]) if _is_key(request) else request for request in requests]
    usable = [content for content in contents if content is not None]
    if len(usable) == len(requests) and _warm_up(solution, usable, limit):
        return usable
    _warm_up(solution, requests, limit)
    return requests


def _warm_up(solution: Solution, requests: Sequence[str | Path], limit: int) -> bool:
    """Whether the first few of them can be answered."""
    wanted = [SearchRequest(request, limit) for request in requests[:_WARM_UP_QUERIES]]
    results = [solution.search_many([request], notify=False)[0] for request in wanted]
    return not any(isinstance(result, Exception) for result in results)


def _read_content(solution: Solution, key: str) -> str | Path | None:
    """What an item is searched for by: its text or its file; None where neither is stored."""
    record = solution.metadata.records([item_id(key)])[0]
    if record is None or record.content is None:
        return path_from_file_uri(record.uri) if record else None
    return "\\" + record.content if record.content.startswith("@") else record.content


def _is_key(request: str | Path) -> bool:
    return isinstance(request, str) and request.startswith("@")


# --- encoding


class _Batches:
    """Some items that one encoder encodes, in batches that double up to its own size; the largest are what counts."""

    def __init__(self, encoder: Encoder, items: Sequence[Item]) -> None:
        self.items = 0
        self.best_rate = 0.0
        self._encoder, self._left = encoder, list(items)
        self._size, self._largest = _FIRST_BATCH, 0
        self._encode_items(self._take_batch())  # loads the model

    @property
    def has_more(self) -> bool:
        return bool(self._left)

    def encode_next(self) -> None:
        """Encode one more batch; a smaller one than those before, the last, does not count."""
        batch = self._take_batch()
        started = time.perf_counter()
        encoded = self._encode_items(batch)
        seconds = time.perf_counter() - started
        if len(batch) > self._largest:
            self._largest, self.items, self.best_rate = len(batch), 0, 0.0
        if len(batch) == self._largest and encoded:
            self.items += encoded
            self.best_rate = max(self.best_rate, encoded / seconds)

    def _take_batch(self) -> list[Item]:
        batch, self._left = self._left[: self._size], self._left[self._size :]
        self._size = max(1, min(2 * self._size, self._encoder.encode_batch_size))
        return batch

    def _encode_items(self, items: Sequence[Item]) -> int:
        """How many items were encoded; none, and no more are tried, where the encoder fails."""
        try:
            decoded = [one for one in decode_items(self._encoder, items) if not isinstance(one, ItemError)]
            if samples := [segment.sample for segments in decoded for segment in segments]:
                encode_samples(self._encoder, samples)
        except Exception:  # a plugin may fail in any way, and the other figures are still worth having
            self._left = []
            return 0
        return len(decoded)


def _time_encoding(turns: SolutionTurns, keys: Sequence[str]) -> list[_Batches]:
    """A batch of items in each encoder after the other."""
    work = [_Batches(solution.encoder, _read_items(solution, keys)) for solution in turns.solutions]
    deadline, turn = time.perf_counter() + _MAX_SECONDS * len(work), 0
    while any(batches.has_more for batches in work) and (not turn or time.perf_counter() < deadline):
        for number in _rotate_order(len(work), turn):
            if work[number].has_more:
                work[number].encode_next()
        turn += 1
    return work


def _read_items(solution: Solution, keys: Sequence[str]) -> list[Item]:
    """The items whose contents can be had."""
    found = []
    for record in filter(None, solution.metadata.records([item_id(key) for key in keys])):
        content = path_from_file_uri(record.uri) if record.content is None else record.content
        if content is not None:
            found.append(Item(record.key, content, record.uri, record.metadata))
    return found


def _rotate_order(count: int, turn: int) -> Iterator[int]:
    """The numbers of the solutions, another one first in each turn."""
    return ((number + turn) % count for number in range(count))
