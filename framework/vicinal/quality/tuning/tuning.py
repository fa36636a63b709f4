"""Finds the quickest index that reaches a recall, by measuring on the solution's own vectors."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from vicinal.errors import NothingIndexedError, VicinalError
from vicinal.quality.kept_reports import keep_report, read_version
from vicinal.quality.sample import require_seed
from vicinal.quality.tuning.candidate import CandidateMeter
from vicinal.quality.tuning.queries import QuerySet, choose_queries
from vicinal.quality.tuning.report import FrontierPoint, TuneReport
from vicinal.quality.tuning.shadow import ShadowCollection
from vicinal.quality.tuning.truth import Truth, list_ids, read_truth
from vicinal.quality.tuning.variants import exact_index, list_neighbors, list_variants, require_types
from vicinal.solution.solution import Solution
from vicinal.stores.milvus_engine import Index
from vicinal.stores.writer_lock import TuneLock

__all__ = ["tune"]

_MAX_LIMIT = 1_000
_MAX_CLIENTS = 64
_MIN_ROWS = 20
_MIN_EXACT_RECALL = 0.999
_ALIKE = 1.05
"""Of those that are so near to the quickest, the one that takes the least memory is chosen."""
_WORTH_CLIMBING = 1.5
"""Types whose latency is so near to the quickest are tried with other build parameters."""
_NEAR_LEAST = 1.1
"""A search that takes hardly longer than one with the least effort is not made quicker by other build parameters."""
_MIN_STEP_GAIN = 0.97
_MAX_STEPS = 4
_FINALISTS = 3
_NEAR_FINAL = 1.3
"""So many of those that are so near to the quickest are timed once more, one soon after the other."""
_FEW_QUERIES = 500

OnStep = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class _Measured:
    """An index that was tried, the point that stands for it, and what a search takes there with the least effort."""

    index: Index
    point: FrontierPoint
    least_milliseconds: float

    @property
    def milliseconds(self) -> float:
        return self.point.latency.p50


def tune(
    solution: Solution,
    recall: float = 0.95,
    *,
    limit: int = 10,
    filters: Sequence[str] = (),
    queries: str | Path | None = None,
    types: Sequence[str] = (),
    defaults_only: bool = False,
    clients: int = 0,
    seed: int = 0,
    on_step: OnStep = bool,
) -> TuneReport:
    """Find the index that is quickest among those whose recall is at least this, with 95% certainty.

    The stored vectors are copied into a collection of its own, which is dropped at the end; indexes are built there.
    What is searched stays as it is: write the choice with ``TuneReport.write_yaml``, then build it. The report is kept
    for the solution's page.

    Args:
        recall: the share of the nearest neighbours that a search has to find, above 0 and below 1.
        limit: how many neighbours, 1 to 1,000.
        filters: filters under each of which the recall has to be reached, too.
        queries: a file of queries, one a line, or a .csv or .tsv whose last column they are; by default items are
            held out and asked, or, of fewer than 5,000 rows, the stored items themselves.
        types: the types of index to try; by default all that the engine builds.
        defaults_only: whether to try each type with its default build parameters alone; that takes a half or a third
            of the time.
        clients: how many clients search at once, beside one alone; 0 for none.
        seed: of the sample of queries.
        on_step: called with a line for each index that was measured.

    Raises:
        NothingIndexedError: fewer than 20 rows are indexed.
        FilterError: a filter cannot be read.
        StoreBusyError: another process tunes this solution.
        VicinalError: an argument is out of range, a filter lets nothing through, or the queries cannot be read.
    """
    _require_arguments(recall, limit, clients)
    require_seed(seed)
    started = time.perf_counter()
    solution.open()
    solution.fetch_rows([])  # says what is wrong where nothing can be searched
    require_types(solution, types)
    version = read_version(solution.metadata.state())
    ids = list_ids(solution)
    if len(ids) < _MIN_ROWS:
        raise NothingIndexedError(
            f"{solution.name!r} has {len(ids)} rows, too few to measure an index",
            hint="index more with `vicinal ingest`",
        )
    passing = {"": None, **{filter: list_ids(solution, filter) for filter in dict.fromkeys(filters)}}
    asked = choose_queries(solution, ids, Path(queries) if queries is not None else None, seed, may_hold_out=True)
    with TuneLock(solution.metadata), ShadowCollection(solution) as shadow:
        truths, data = read_truth(solution, asked, limit, passing, shadow.add_rows)
        shadow.seal_rows(exact_index(solution, shadow.rows))
        _require_neighbors(truths)
        meter = CandidateMeter(shadow, solution.encoder.space, truths, recall, limit, clients)
        points = _measure_indexes(solution, meter, types, on_step, defaults_only=defaults_only)
    chosen = _choose_point(points)
    report = TuneReport(
        solution=solution.name,
        engine=str(solution.vectors.engine),
        metric=solution.metric,
        target=recall,
        limit=limit,
        filters=[filter for filter in passing if filter],
        kind=asked.kind,
        queries=len(asked),
        rows=len(ids),
        data=data,
        date=datetime.now(UTC).date().isoformat(),
        chosen=chosen,
        frontier=points,
        clients=clients,
        seconds=time.perf_counter() - started,
    )
    report.warnings += _list_warnings(asked, points)
    content = {
        "summary": f"{report.rows:,} rows on {report.engine}, {report.metric}.",
        "findings": [f"{chosen.describe()} was chosen: {report.reason}."],
        "report": report.to_dict(),
    }
    report.warnings += keep_report(solution, "tuning", content, version)
    return report


def _require_arguments(recall: float, limit: int, clients: int) -> None:
    if not 0 < recall < 1:
        raise VicinalError(f"recall is {recall:g}", hint="it lies between 0 and 1, as 0.95; FLAT alone has 1")
    if not 1 <= limit <= _MAX_LIMIT:
        raise VicinalError(f"limit is {limit}", hint=f"it is a whole number from 1 to {_MAX_LIMIT:,}")
    if not 0 <= clients <= _MAX_CLIENTS:
        raise VicinalError(f"clients is {clients}", hint=f"it is a whole number up to {_MAX_CLIENTS}")


def _require_neighbors(truths: dict[str, Truth]) -> None:
    for filter, truth in truths.items():
        if not truth.rows:
            raise VicinalError(
                f"the filter {filter!r} lets no row through" if filter else "there is no row to search",
                hint="a filter under which nothing is found needs no index",
            )


def _measure_indexes(
    solution: Solution, meter: CandidateMeter, types: Sequence[str], on_step: OnStep, *, defaults_only: bool
) -> list[FrontierPoint]:
    """Each type with the build parameters that it has by default, then the quickest ones with others."""
    rows = meter.shadow.rows
    exact = meter.measure_exact(exact_index(solution, rows))
    on_step(f"{exact.describe()}: {exact.latency.p50:.1f} ms, compares with every vector")
    if exact.recall.value < _MIN_EXACT_RECALL:
        raise VicinalError(
            f"an exact search finds {exact.recall.value:.1%} of the nearest vectors; what was measured cannot be true",
            hint="look at Milvus' log; `vicinal check` compares its rows with the ledger",
        )
    points = [exact]
    best: dict[str, _Measured] = {}
    seen: set[str] = set()

    def try_index(index: Index) -> _Measured:
        found = meter.measure(index, exact)
        points.extend(found)
        seen.add(_identify_point(found[-1]))
        on_step(_describe_step(found[-1]))
        return _Measured(index, found[-1], found[0].latency.p50)

    for index in list_variants(solution, rows, meter.limit, types):
        measured = try_index(index)
        if measured.point.status == "confirmed":
            best[index.type] = measured
    quickest = min((measured.milliseconds for measured in best.values()), default=0.0)
    for measured in list(best.values()):
        if not defaults_only and measured.milliseconds <= _WORTH_CLIMBING * quickest:
            _climb_parameter(measured, try_index, seen)
    _time_finalists(meter, points)
    return points


def _time_finalists(meter: CandidateMeter, points: Sequence[FrontierPoint]) -> None:
    ranked = sorted((point for point in points if point.is_acceptable), key=lambda point: point.latency.p50)
    finalists = [point for point in ranked if point.latency.p50 <= _NEAR_FINAL * ranked[0].latency.p50][:_FINALISTS]
    if len(finalists) > 1:
        for point in finalists:
            meter.time_again(point)


def _climb_parameter(measured: _Measured, try_index: Callable[[Index], _Measured], seen: set[str]) -> None:
    """Try half and twice as many cells or edges, and go on in the direction that is quicker."""
    index, point = measured.index, measured.point
    largest = {name: value for name, value in point.params.items() if value != index.params.get(name)}
    index = replace(index, params=point.params, search=point.search)
    for _ in range(_MAX_STEPS):
        if measured.milliseconds <= _NEAR_LEAST * measured.least_milliseconds:
            return
        for other in list_neighbors(index, largest):
            if _identify_build(other.type, other.params) in seen:
                continue
            seen.add(_identify_build(other.type, other.params))
            tried = try_index(other)
            if tried.point.status == "confirmed" and tried.milliseconds < _MIN_STEP_GAIN * measured.milliseconds:
                index, measured = other, tried
                break
        else:
            return


def _identify_point(point: FrontierPoint) -> str:
    return _identify_build(point.type, point.params)


def _identify_build(type_: str, params: object) -> str:
    return f"{type_} {params}"


def _choose_point(points: Sequence[FrontierPoint]) -> FrontierPoint:
    """The exact one if it is quickest; else the smallest of those that are nearly as quick as the quickest."""
    acceptable = [point for point in points if point.is_acceptable]
    quickest = min(acceptable, key=lambda point: point.latency.p50)
    if quickest.status == "exact":
        return quickest
    near = [point for point in acceptable if point.latency.p50 <= _ALIKE * quickest.latency.p50]
    return min(near, key=lambda point: (point.memory_bytes, point.latency.p50))


def _describe_step(point: FrontierPoint) -> str:
    if point.status == "confirmed":
        return f"{point.describe()}: {point.latency.p50:.1f} ms, recall {point.recall.value:.3f}"
    return f"{point.describe()}: {point.reason}"


def _list_warnings(queries: QuerySet, points: Sequence[FrontierPoint]) -> list[str]:
    found = []
    if len(queries) < _FEW_QUERIES:
        found.append(f"{len(queries)} queries tell little: an interval of recall is as wide as its means are uncertain")
    if queries.kind == "stored":
        found.append("the queries are indexed items, which an index finds more easily than what it has never seen")
    if unproven := list(dict.fromkeys(point.type for point in points if point.status == "unproven")):
        found.append(f"left out, since nothing proves that the index was used: {', '.join(unproven)}")
    return found
