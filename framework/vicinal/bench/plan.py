"""``vicinal plan``: what a solution's full ingest takes, from a sample of its own source. Nothing is written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from vicinal.bench.costs import CostModel
from vicinal.bench.lines import Forecast
from vicinal.bench.plan_sample import ItemSample, Timing, sample_items, time_sample
from vicinal.errors import SourceError, StoreUnreachableError
from vicinal.plugin.encoder_calls import require_space
from vicinal.solution.components import Components
from vicinal.stores.milvus_connection import MilvusConnection
from vicinal.stores.milvus_engine import MilvusEngine, choose_index
from vicinal.types import Space

__all__ = ["Plan", "make_plan"]

_ASSUMED_ENGINE = "v2.6.0"
_ROWS_PER_SECOND = (4_000.0, 20_000.0)
"""What a run writes at least and at most, ledger and metadata included."""
_REDIS_BYTES = (60.0, 160.0)
"""What Redis adds to an item's record and its entry in the ledger."""
_ENTRY_BYTES = 24 + 8
_NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True)
class Plan:
    """What a full ingest is expected to take: counts, seconds and bytes, with 95% intervals where they are not known.

    ``seconds`` is None where the encoder learns from the items first. ``failures`` are items of the sample that cannot
    be indexed, and why.
    """

    solution: str
    items: Forecast
    is_counted: bool
    rows: Forecast
    seconds: Forecast | None
    vectors: Forecast
    """The vectors themselves, in bytes."""
    index: Mapping[str, Any]
    engine: str
    memory: Forecast
    disk: Forecast
    redis: Forecast
    sampled: int
    failures: Mapping[str, str]
    notes: Sequence[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        forecasts = ("items", "rows", "seconds", "vectors", "memory", "disk", "redis")
        figures = {name: one and one.to_dict() for name, one in ((name, getattr(self, name)) for name in forecasts)}
        return {
            "solution": self.solution,
            "is_counted": self.is_counted,
            **figures,
            "index": dict(self.index),
            "engine": self.engine,
            "sampled": self.sampled,
            "failures": dict(self.failures),
            "notes": list(self.notes),
        }


def make_plan(solution: Components, sample: int = 200, seed: int = 0) -> Plan:
    """Read, decode and encode a sample of the source, and tell what all of it takes.

    Raises:
        SourceError: the source cannot be read, or has no items.
        PluginError: the encoder is at fault, or a model is missing.
    """
    drawn = sample_items(solution.source, sample, seed)
    if not drawn.items:
        raise SourceError("the source has no items that could be read", hint="see `source` in the YAML")
    encoder, notes = solution.create_encoder(), list[str]()
    timing = Timing()
    if encoder.learns:
        notes.append("the encoder learns from all items first, so its time is unknown")
    else:
        timing = time_sample(encoder, drawn.items)
    items = _count_items(drawn, notes)
    rows = _count_rows(items, timing)
    space, engine = require_space(encoder), _find_engine(solution, notes)
    index = choose_index(solution.config.index, space, engine, round(rows.value))
    raw = space.dimension * 4 if space.kind == "float" else space.dimension / 8
    costs = _predict_costs(space, index.type, index.params, rows)
    low, high = (drawn.record_bytes + _ENTRY_BYTES + extra for extra in _REDIS_BYTES)
    return Plan(
        solution.name,
        items,
        drawn.is_complete,
        rows,
        None if encoder.learns else _predict_seconds(items, rows, timing),
        Forecast(rows.value * raw, rows.low * raw, rows.high * raw),
        index.to_dict(),
        str(engine),
        costs[0],
        costs[1],
        Forecast(items.value * (low + high) / 2, items.low * low, items.high * high),
        len(drawn.items),
        timing.failures,
        notes,
    )


def _count_items(drawn: ItemSample, notes: list[str]) -> Forecast:
    """The number of items: counted, or what the source says, or at least what was seen in the time."""
    if drawn.is_complete:
        return Forecast(drawn.seen, drawn.seen, drawn.seen)
    if drawn.count is not None:
        return Forecast(max(drawn.count, drawn.seen), drawn.seen, 1.2 * max(drawn.count, drawn.seen))
    notes.append(f"the source does not tell how many items it has; all figures are for the first {drawn.seen:,} alone")
    return Forecast(drawn.seen, drawn.seen, drawn.seen)


def _count_rows(items: Forecast, timing: Timing) -> Forecast:
    """The rows of all items, by the segments of those of the sample that could be decoded, and by their share."""
    segments = timing.segments or [1]
    mean, margin = _estimate_mean(segments)
    share, share_margin = _estimate_mean([1.0] * len(segments) + [0.0] * len(timing.failures))
    low = max(min(segments), mean - margin) * max(0.0, share - share_margin)
    return Forecast(
        items.value * mean * share, items.low * low, items.high * (mean + margin) * min(1.0, share + share_margin)
    )


def _predict_seconds(items: Forecast, rows: Forecast, timing: Timing) -> Forecast:
    """Reading and encoding go on at once, on the same cores: together they take from the longer of both to their sum.

    Writing goes on beside them.
    """
    (decode, decode_margin), (encode, encode_margin) = _estimate_mean(timing.decode), _estimate_mean(timing.encode)
    least, most = (rows.low / _ROWS_PER_SECOND[1], rows.high / _ROWS_PER_SECOND[0])
    longer = max(decode, encode)
    low = max(items.low * max(decode - decode_margin, encode - encode_margin, 0.0), least)
    high = items.high * (decode + decode_margin + encode + encode_margin) + most
    value = max(items.value * (longer + decode + encode) / 2, least)
    start = timing.start_seconds
    return Forecast(start + min(max(value, low), high), low, start + high)


def _predict_costs(space: Space, type_: str, params: Mapping[str, Any], rows: Forecast) -> tuple[Forecast, Forecast]:
    """Memory and disk of the engine, by the model's assumptions, between those of the fewest and the most rows."""
    if space.kind == "binary" and not type_.startswith("BIN"):
        type_ = "BIN_FLAT"
    model = CostModel(space.dimension, None, {})
    least, value, most = (
        model.predict_index("", type_, params, max(1, round(count))) for count in (rows.low, rows.value, rows.high)
    )
    memory = Forecast(value.memory.value, least.memory.low, most.memory.high)
    return memory, Forecast(value.disk.value, least.disk.low, most.disk.high)


def _find_engine(solution: Components, notes: list[str]) -> MilvusEngine:
    """The engine of the solution's stores; the file of an embedded one is not opened, another process may hold it."""
    stores = solution.config.stores
    if "://" not in stores.milvus:
        notes.append("Milvus Lite runs within vicinal's own process: its memory is that process'")
        return MilvusEngine.parse(f"milvus_lite-{version('milvus-lite')}")
    try:
        with MilvusConnection(stores.milvus, token=stores.token, timeout=stores.timeout) as connection:
            return connection.engine
    except StoreUnreachableError as error:
        notes.append(f"{error}; the index is that of Milvus {_ASSUMED_ENGINE.removeprefix('v')}")
        return MilvusEngine.parse(_ASSUMED_ENGINE)


def _estimate_mean(values: Sequence[float]) -> tuple[float, float]:
    """The mean and the margin of its 95% interval; a single value has none."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, 0.0
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, _NORMAL_95 * math.sqrt(variance / len(values))
