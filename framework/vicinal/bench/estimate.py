"""What a benchmark will take, told before it runs; one that cannot fit in this machine is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vicinal.bench.config import BenchConfig
from vicinal.bench.costs import CostModel, IndexCost, fit_costs
from vicinal.bench.lines import Forecast
from vicinal.bench.records import Records
from vicinal.bench.run import BenchRun
from vicinal.bench.usage import EngineProcess
from vicinal.config.indexes import INDEXES
from vicinal.errors import VicinalError

__all__ = ["Estimate", "describe_estimate", "estimate_costs", "measure_sizes", "require_fit"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """The costs of a benchmark's indexes and of its whole run, and what the machine has, if the engine is on it."""

    rows: int
    sizes: Sequence[int]
    """What was measured; nothing if memory and disk are assumed and times unknown."""
    insert: Forecast | None
    indexes: Sequence[IndexCost]
    total_seconds: Forecast | None
    machine_memory: int | None
    machine_disk: int | None

    def to_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "sizes": list(self.sizes),
            "insert": self.insert and self.insert.to_dict(),
            "indexes": [cost.to_dict() for cost in self.indexes],
            "total_seconds": self.total_seconds and self.total_seconds.to_dict(),
            "machine": {"memory": self.machine_memory, "disk": self.machine_disk},
        }


def measure_sizes(config: BenchConfig, folder: Any, records: Records, say: Callable[[str], None]) -> None:
    """Write and index the smaller numbers of rows that the YAML names, where that is not done yet."""
    for rows in config.sizes:
        with BenchRun(config, folder, records, say, rows) as run:
            run.run(searches=False)


def estimate_costs(run: BenchRun) -> Estimate:
    """The estimate of a run, from what was measured at smaller sizes, if all of that is there."""
    config, rows = run.config, run.rows
    matrices = [run.matrix_at(size) for size in config.sizes]
    done = [matrix for matrix in matrices if all(matrix.is_done(case, searches=False) for case in matrix.cases)]
    names = [str(number) for number, _ in enumerate(run.matrix.cases)]
    model = fit_costs(run.vectors.dimension, [matrix.read_records() for matrix in done], names)
    costs = list(_predict_costs(config, run, model))
    insert = model.predict_insert(rows)
    times = [cost.build for cost in costs]
    total = None
    if insert is not None and all(time is not None for time in times):
        total = sum((time for time in times if time is not None), insert + _predict_search_seconds(config))
    memory, disk = _read_limits(run.engine)
    return Estimate(rows, config.sizes if model.is_measured else (), insert, costs, total, memory, disk)


def require_fit(estimate: Estimate) -> None:
    """Refuse what cannot fit in this machine: an index whose memory or disk is too much even at the interval's low end.

    Raises:
        VicinalError: it says what would fit, and which machine would do.
    """
    if reasons := list(_find_reasons(estimate)):
        memory = max(cost.memory_peak.high for cost in estimate.indexes)
        disk = max(cost.disk.high for cost in estimate.indexes)
        fitting = [cost.index for cost in estimate.indexes if not list(_list_reasons(cost, estimate))]
        parts = [
            f"a machine with {_format_gigabytes(memory)} of memory and {_format_gigabytes(disk)} of disk free would do"
        ]
        parts += [f"here {', '.join(fitting)} would"] if fitting else []
        parts += [f"or about {_find_max_rows(estimate):,} rows of all of them"]
        raise VicinalError("; ".join(reasons), hint="; ".join(parts))


def describe_estimate(estimate: Estimate) -> Iterator[str]:
    """A line for each index, and one for the whole."""
    basis = f"measured at {', '.join(f'{size:,}' for size in estimate.sizes)}" if estimate.sizes else "assumed"
    yield f"expected of {estimate.rows:,} rows ({basis}):"
    for cost in estimate.indexes:
        build = "unknown time" if cost.build is None else _format_forecast(cost.build, 1, "s")
        memory, disk = _format_forecast(cost.memory_peak, 1e9, "GB"), _format_forecast(cost.disk, 1e9, "GB")
        yield f"  {cost.index}: build {build}, memory at most {memory}, disk {disk}"
    if estimate.insert is not None:
        yield f"  writing: {_format_forecast(estimate.insert, 1, 's')}"
    if estimate.total_seconds is not None:
        yield f"  in all: {_format_forecast(estimate.total_seconds, 60, 'min')}"


def _format_forecast(forecast: Forecast, unit: float, name: str) -> str:
    value, low, high = (f"{one / unit:,.1f}" for one in (forecast.value, forecast.low, forecast.high))
    return f"{value} {name} ({low} to {high})"


def _predict_costs(config: BenchConfig, run: BenchRun, model: CostModel) -> Iterator[IndexCost]:
    """The costs of every index, also of those that this engine cannot build: another may."""
    names = {(case.index.type, str(case.settings)): str(number) for number, case in enumerate(run.matrix.cases)}
    for matrix in config.indexes:
        params = {**INDEXES[matrix.type].defaults(run.rows, run.vectors.dimension), **matrix.params}
        name = names.get((matrix.type, str(matrix.settings)), "")
        yield model.predict_index(name, matrix.type, params, run.rows)


def _predict_search_seconds(config: BenchConfig) -> Forecast:
    """The seconds of all searches, whose length the YAML limits: they take between a third and all of it."""
    settings = sum(len(matrix.settings) for matrix in config.indexes)
    loaded = len(config.indexes) if config.target_recall is not None else settings
    parts = len(config.clients) + len(config.batches) + 2 * len(config.filters)
    most = config.seconds * (2 * settings * len(config.limits) + loaded * parts)
    return Forecast(most / 2, most / 3, most)


def _read_limits(engine: EngineProcess) -> tuple[int | None, int | None]:
    """The memory that the engine may have, with what it has already, and the disk that is free in its folder."""
    if engine.process is None:
        return None, None
    import psutil

    memory = psutil.virtual_memory().available + (engine.read_memory() or 0)
    folder = engine.folder
    while folder is not None and not folder.exists():
        folder = folder.parent
    return memory, None if folder is None else psutil.disk_usage(str(folder)).free


def _find_reasons(estimate: Estimate) -> Iterator[str]:
    for cost in estimate.indexes:
        yield from _list_reasons(cost, estimate)


def _list_reasons(cost: IndexCost, estimate: Estimate) -> Iterator[str]:
    for what, forecast, have in (
        ("memory", cost.memory_peak, estimate.machine_memory),
        ("disk", cost.disk, estimate.machine_disk),
    ):
        if have is not None and forecast.low > have:
            yield (
                f"{cost.index} of {estimate.rows:,} rows needs {_format_gigabytes(forecast.value)} of {what}"
                f" ({_format_gigabytes(forecast.low)} to {_format_gigabytes(forecast.high)}),"
                f" and {_format_gigabytes(have)} are free"
            )


def _find_max_rows(estimate: Estimate) -> int:
    """About how many rows fit, in two digits: costs are as good as proportional to rows where they are large."""
    shares = [1.0]
    for cost in estimate.indexes:
        shares += [estimate.machine_memory / cost.memory_peak.high] if estimate.machine_memory else []
        shares += [estimate.machine_disk / cost.disk.high] if estimate.machine_disk else []
    rows = int(estimate.rows * min(shares))
    digits = int(10 ** max(0, len(str(rows)) - 2))
    return rows // digits * digits


def _format_gigabytes(count: float) -> str:
    return f"{count / 1e9:,.1f} GB"
