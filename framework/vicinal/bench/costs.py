"""The cost of a benchmark, or of any collection: time, memory and disk, from what smaller sizes took.

A build takes ``a + b * work``, with the work that ``compute_work`` knows of each type. The engine's memory is
``base + factor * size`` with one base and factor for all indexes, since each of them alone is small beside the noise of
a server's memory at the sizes that are quick to measure; so is the disk. Without measurements memory and disk are taken
from factors that are assumed, and times are unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vicinal.bench.lines import Forecast, Line, fit_lines
from vicinal.config.index_size import (
    SEGMENT_BYTES,
    compute_disk_bytes,
    compute_index_bytes,
    compute_raw_bytes,
    compute_work,
)
from vicinal.config.indexes import INDEXES

__all__ = ["CostModel", "IndexCost", "fit_costs"]

Record = Mapping[str, Any]

_ASSUMED_MEMORY = Line(400e6, 1.3, 0.15)
_ASSUMED_PEAK = Line(400e6, 1.3, 0.2)
_EXPECTED_FACTOR = (1.3, 0.3)
"""Of an engine's memory to the size of its indexes, and how far from it that may be: at 100,000 rows the noise of a
server's memory is as large as the index, so that measurements alone would say little."""
_MIN_BUILD_SECONDS = 1.0
_ASSUMED_DISK = Line(0.0, 1.5, 0.2)


@dataclass(frozen=True, slots=True)
class IndexCost:
    """What an index is expected to take; None where nothing tells. Seconds and bytes."""

    index: str
    params: Mapping[str, Any]
    build: Forecast | None
    memory: Forecast
    memory_peak: Forecast
    disk: Forecast

    def to_dict(self) -> dict[str, Any]:
        names = ("build", "memory", "memory_peak", "disk")
        figures = {name: one and one.to_dict() for name, one in ((name, getattr(self, name)) for name in names)}
        return {"index": self.index, "params": dict(self.params), **figures}


@dataclass(frozen=True, slots=True)
class CostModel:
    """Lines through what was measured; ``builds`` are those of each index, by its name and given parameters."""

    dimension: int
    insert: Line | None
    builds: Mapping[str, Line]
    memory: Line = _ASSUMED_MEMORY
    memory_peak: Line = _ASSUMED_PEAK
    disk: Line = _ASSUMED_DISK

    @property
    def is_measured(self) -> bool:
        return self.insert is not None

    def predict_insert(self, rows: int) -> Forecast | None:
        """The seconds of writing so many rows."""
        return None if self.insert is None else self.insert.predict(rows)

    def predict_index(self, name: str, type_: str, params: Mapping[str, Any], rows: int) -> IndexCost:
        """What an index over so many rows takes; ``name`` is that of its line among the builds."""
        build = self.builds.get(name)
        return IndexCost(
            type_,
            params,
            None if build is None else build.predict(compute_work(type_, params, self.dimension, rows)),
            self.memory.predict(compute_index_bytes(type_, params, self.dimension, rows)),
            self.memory_peak.predict(_compute_peak_bytes(type_, params, self.dimension, rows)),
            self.disk.predict(_compute_folder_bytes(type_, params, self.dimension, rows)),
        )


def fit_costs(dimension: int, sizes: Sequence[Sequence[Record]], names: Sequence[str]) -> CostModel:
    """The model of what was measured.

    Args:
        sizes: the records of each size: that of the insert, and those of the builds.
        names: the builds' names, in their order.
    """
    inserts = [record for records in sizes for record in records if record["kind"] == "insert"]
    by_size = [[record for record in records if record["kind"] == "build"] for records in sizes]
    builds = [record for records in by_size for record in records]
    if len(inserts) < 2 or not builds:
        return CostModel(dimension, None, {})
    written = {record["rows"]: record for record in inserts}
    built = [record for record in builds if _is_built(record)]
    return CostModel(
        dimension,
        fit_lines([([record["rows"] for record in inserts], [one["insert_duration"] for one in inserts])])[0],
        _fit_builds(by_size, names, dimension),
        _fit_sizes(builds, "memory", dimension, compute_index_bytes, _ASSUMED_MEMORY),
        _fit_sizes(built, "memory_peak", dimension, _compute_peak_bytes, _ASSUMED_PEAK),
        _fit_disk(builds, written, dimension),
    )


def _is_built(record: Record) -> bool:
    """Whether an index took time to build; else it is the vectors themselves, and time and peak are what was before."""
    return float(record["build_duration"]) >= _MIN_BUILD_SECONDS


def _fit_builds(by_size: Sequence[Sequence[Record]], names: Sequence[str], dimension: int) -> dict[str, Line]:
    """The line of each index; those that took no time share no error with the others."""
    groups = {name: [records[number] for records in by_size] for number, name in enumerate(names)}
    lines: dict[str, Line] = {}
    for is_built in (True, False):
        alike = [name for name in names if any(map(_is_built, groups[name])) == is_built]
        lines |= zip(alike, fit_lines([_to_work_points(groups[name], dimension) for name in alike]), strict=True)
    return lines


def _to_work_points(builds: Sequence[Record], dimension: int) -> tuple[list[float], list[float]]:
    work = [compute_work(record["index"], record["params"], dimension, record["rows"]) for record in builds]
    return work, [max(record["build_duration"], 0.1) for record in builds]


def _fit_sizes(builds: Sequence[Record], key: str, dimension: int, size: Any, assumed: Line) -> Line:
    known = [record for record in builds if record.get(key)]
    if len(known) < 2:
        return assumed
    points = [size(record["index"], record["params"], dimension, record["rows"]) for record in known]
    return fit_lines([(points, [record[key] for record in known])], expected=_EXPECTED_FACTOR)[0]


def _fit_disk(builds: Sequence[Record], written: Mapping[int, Record], dimension: int) -> Line:
    """The disk of rows and index together; what the engine's folder had before is not counted."""
    points, sizes = [], []
    for record in builds:
        disk = (written[record["rows"]].get("disk") or 0) + (record.get("disk") or 0)
        if disk > 0:
            points.append(_compute_folder_bytes(record["index"], record["params"], dimension, record["rows"]))
            sizes.append(disk)
    return fit_lines([(points, sizes)], with_base=False)[0] if len(points) > 1 else _ASSUMED_DISK


def _compute_peak_bytes(type_: str, params: Mapping[str, Any], dimension: int, rows: int) -> int:
    """A build holds the vectors of a segment beside the indexes that are loaded; of exact ones nothing is built."""
    segment = min(SEGMENT_BYTES, compute_raw_bytes(dimension, rows)) if INDEXES[type_].search_effort else 0
    return segment + compute_index_bytes(type_, params, dimension, rows)


def _compute_folder_bytes(type_: str, params: Mapping[str, Any], dimension: int, rows: int) -> int:
    return compute_raw_bytes(dimension, rows) + compute_disk_bytes(type_, params, dimension, rows)
