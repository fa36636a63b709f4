"""A sample of a solution's own items, read and encoded as a run does it, and how long that takes."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from vicinal.errors import ItemError
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.encoder_calls import decode_items, encode_samples
from vicinal.plugin.source import Source
from vicinal.stores.records import Record
from vicinal.toolkit.slices import iter_slices
from vicinal.types import Item

__all__ = ["ItemSample", "Timing", "sample_items", "time_sample"]

_SECONDS = 10.0
_MIN_CHUNKS = 8
_SECONDS_OF_PARTS = 30.0


@dataclass(slots=True)
class ItemSample:
    """Random items of a source; of one that is long, of those that could be read in ten seconds."""

    items: list[Item] = field(default_factory=list)
    seen: int = 0
    is_complete: bool = True
    """Whether the whole source was read, so that ``seen`` is its number of items."""
    count: int | None = None
    """What the source itself says about its number of items, if it was not read to its end."""

    @property
    def record_bytes(self) -> float:
        """The mean size of what Redis stores of an item."""
        sizes = [
            len(Record(item.key, item.uri or "", _to_text(item.content), item.metadata).pack()) + len(item.key)
            for item in self.items
        ]
        return sum(sizes) / max(1, len(sizes))


def sample_items(source: Source, limit: int, seed: int = 0, seconds: float = _SECONDS) -> ItemSample:
    """Draw items at random from all that the source yields within the time.

    Raises:
        SourceError: the source as a whole cannot be read.
    """
    rng, sample, started = random.Random(seed), ItemSample(), time.perf_counter()
    for item in source:
        sample.seen += 1
        if isinstance(item, Item):
            if len(sample.items) < limit:
                sample.items.append(item)
            elif (place := rng.randrange(sample.seen)) < limit:
                sample.items[place] = item
        if time.perf_counter() - started > seconds:
            sample.is_complete = False
            sample.count = source.count()
            break
    return sample


@dataclass(slots=True)
class Timing:
    """Seconds of an item in each of several parts of the sample; segments of an item; and what went wrong."""

    start_seconds: float = 0.0
    """Loading the model, and the first items."""
    decode: list[float] = field(default_factory=list)
    encode: list[float] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


def time_sample(encoder: Encoder, items: Sequence[Item]) -> Timing:
    """Decode the items by as many threads as there are cores, then encode their samples in batches of a run's size.

    The first part is told apart: it loads the model. After half a minute no further part begins.

    Raises:
        PluginError: the encoder is at fault, or a model is missing.
    """
    timing = Timing()
    first, *parts = iter_slices(items, max(1, len(items) // (_MIN_CHUNKS + 1)))
    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        started = time.perf_counter()
        _encode_samples(encoder, _decode_items(encoder, first, pool, timing))
        timing.start_seconds = time.perf_counter() - started
        for part in parts or [first]:
            before = time.perf_counter()
            samples = _decode_items(encoder, part, pool, timing)
            decoded = time.perf_counter()
            _encode_samples(encoder, samples)
            now = time.perf_counter()
            timing.decode.append((decoded - before) / len(part))
            timing.encode.append((now - decoded) / len(part))
            if now - started > timing.start_seconds + _SECONDS_OF_PARTS:
                break
    return timing


def _decode_items(encoder: Encoder, items: Sequence[Item], pool: ThreadPoolExecutor, timing: Timing) -> list[Any]:
    """The samples of the items; an item that cannot be decoded is a failure."""
    samples: list[Any] = []
    parts = list(iter_slices(items, encoder.decode_batch_size))
    for part, results in zip(parts, pool.map(lambda part: decode_items(encoder, part), parts), strict=True):
        for item, segments in zip(part, results, strict=True):
            if isinstance(segments, ItemError):
                timing.failures[item.key] = str(segments)
                continue
            timing.segments.append(len(segments))
            samples += [segment.sample for segment in segments]
    return samples


def _encode_samples(encoder: Encoder, samples: Sequence[Any]) -> None:
    for part in iter_slices(samples, encoder.encode_batch_size):
        encode_samples(encoder, part)


def _to_text(content: Any) -> str | None:
    return content if isinstance(content, str) else None
