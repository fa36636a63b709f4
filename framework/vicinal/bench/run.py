"""A benchmark's run: the rows are written once, each index of the matrix is built over them, and searched.

Each part that is done is a record in a file, by a key that says what was measured of what, so that a run that was
killed goes on after its last record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vicinal.bench.bulk import write_files
from vicinal.bench.collection import BenchCollection
from vicinal.bench.config import BenchConfig
from vicinal.bench.matrix import Case, Matrix, choose_cases
from vicinal.bench.measure import measure_latency, measure_recall
from vicinal.bench.records import Records
from vicinal.bench.throughput import LoadMeasurement
from vicinal.bench.truth import Truth, find_truth, measure_agreement
from vicinal.bench.usage import EngineProcess
from vicinal.bench.vectors import open_vector_set
from vicinal.stores.milvus_engine import Index

__all__ = ["BenchRun"]

Say = Callable[[str], None]
_TIES = 10
"""So many more neighbours are known than are searched for: those that are as near as the last one count, too."""
_MIN_AGREEMENT = 0.98


class BenchRun:
    """A run over the first ``rows`` vectors, by default all. ``say`` is told of each part that is done.

    Raises:
        UnsupportedByEngineError: the engine can build none of the indexes.
    """

    def __init__(self, config: BenchConfig, folder: Path, records: Records, say: Say, rows: int | None = None) -> None:
        self.config, self._folder, self._say = config, folder, say
        self.vectors = open_vector_set(config.files)
        self.rows = self.vectors.rows if rows is None else min(rows, self.vectors.rows)
        name, stores = f"{config.name}_{self.rows}", config.stores
        self.engine = EngineProcess.find(stores.milvus)
        self.collection = BenchCollection(
            name, self.vectors.dimension, stores.milvus, token=stores.token, timeout=stores.timeout
        )
        try:
            self._records = records
            self.matrix = self.matrix_at(self.rows)
        except BaseException:
            self.collection.close()
            raise
        self.warnings = list(self.matrix.warnings)
        if self.engine.unknown:
            self.warnings.append(f"memory and disk of the engine are unknown: {self.engine.unknown}")

    def __enter__(self) -> BenchRun:
        return self

    def __exit__(self, *_: object) -> None:
        self.collection.close()

    def matrix_at(self, rows: int) -> Matrix:
        """The matrix over so many rows, with the records that there are of it."""
        engine, vectors = self.collection.engine, self.vectors
        cases, warnings = choose_cases(self.config, engine, vectors.dimension, rows)
        prefix = f"{vectors.fingerprint}/{rows}/{self.config.data.metric}/{engine}"
        return Matrix(self.config, self._records, prefix, cases, warnings)

    @property
    def is_done(self) -> bool:
        """Whether every part is recorded."""
        return all(self.matrix.is_done(case, searches=True) for case in self.matrix.cases)

    def run(self, *, keep: bool = False, searches: bool = True) -> list[dict[str, Any]]:
        """Do what is not done yet, and return the records.

        Args:
            keep: whether the collection stays in the engine.
            searches: whether the indexes are searched, too; else they are only built.
        """
        missing = [case for case in self.matrix.cases if not self.matrix.is_done(case, searches=searches)]
        if missing:
            truth = self._find_truth() if searches else None
            self._write_rows()
            for case in missing:
                self._build_unless_done(case)
                if truth is not None:
                    self._measure_case(case, truth)
        if not keep:
            self.collection.drop()
        return self.matrix.read_records()

    def _find_truth(self) -> Truth:
        config = self.config
        limit = min(max(config.limits) + _TIES, self.rows)
        truth = find_truth(self.vectors, self.rows, config, limit, self._folder, _report_quarters(self._say))
        given = self.vectors.read_neighbors(len(truth.queries)) if self.rows == self.vectors.rows else None
        if given is not None and (share := measure_agreement(truth, given)) < _MIN_AGREEMENT:
            self.warnings.append(f"{share:.1%} of the data's own neighbours are the nearest ones: is `metric` right?")
        return truth

    def _write_rows(self) -> None:
        matrix, collection = self.matrix, self.collection
        if matrix.get(matrix.insert_key) is not None and collection.count_rows() == self.rows:
            return
        collection.recreate()
        disk = self.engine.read_disk()
        with self.engine.watch_memory() as peak:
            seconds = self._import_rows() if self.config.bulk_folder else self._insert_rows()
            seconds += _time_work(collection.flush)
            merged = _time_work(lambda: collection.merge_segments(self.config.data.metric))
        record = {
            "kind": "insert",
            "rows": self.rows,
            "dimension": self.vectors.dimension,
            "metric": self.config.data.metric,
            "engine": str(collection.engine),
            "insert_duration": round(seconds, 3),
            "insert_rate": round(self.rows / seconds, 1),
            "merge_duration": round(merged, 3),
            "memory_peak": peak.bytes,
            "disk": _subtract(self.engine.read_disk(), disk),
        }
        matrix.records.add(matrix.insert_key, record)
        self._say(f"{self.rows:,} rows written: {record['insert_rate']:,.0f} rows/s")

    def _insert_rows(self) -> float:
        """Send the rows; returns the seconds of the requests alone."""
        seconds, report = 0.0, _report_quarters(self._say)
        for first, vectors in self.vectors.iter_blocks(self.rows):
            seconds += self.collection.insert(first, vectors, self.config.insert_rows)
            report("rows written", first + len(vectors), self.rows)
        return seconds

    def _import_rows(self) -> float:
        """Write files and let the server import them; returns the seconds of the imports alone."""
        seconds, report, config = 0.0, _report_quarters(self._say), self.config
        folder = (config.bulk_folder or self._folder) / self.collection.name
        blocks = self.vectors.iter_blocks(self.rows)
        for done, paths in write_files(blocks, folder, self.vectors.dimension, config.bulk_rows, self.rows):
            seconds += self.collection.import_files(paths)
            report("rows imported", done, self.rows)
        folder.rmdir()
        return seconds

    def _build_unless_done(self, case: Case) -> None:
        """Build an index, also again where its record is there and it is not: for the searches that are not done."""
        key, index = self.matrix.build_key(case.index), case.index
        is_recorded = self.matrix.get(key) is not None
        if is_recorded and self.collection.is_built(index):
            return
        record = self._build_index(index)
        if not is_recorded:
            self.matrix.records.add(key, record)
        times = f"built in {record['build_duration']:.1f} s, loaded in {record['load_collection_duration']:.1f} s"
        self._say(f"{index.type} {_format_values(index.params)}: {times}")

    def _build_index(self, index: Index) -> dict[str, Any]:
        self.collection.release()
        disk, memory = self.engine.read_disk(), self.engine.read_memory()
        with self.engine.watch_memory() as peak:
            built = _time_work(lambda: self.collection.build_index(index))
            indexed = self.collection.count_indexed()
            loaded = _time_work(self.collection.load)
        self.collection.wait_for_memory()
        written = self.matrix.get(self.matrix.insert_key) or {}
        return {
            "kind": "build",
            **_describe_setting(index, {}),
            "rows": self.rows,
            "rows_indexed": indexed,
            "build_duration": round(built, 3),
            "load_collection_duration": round(loaded, 3),
            "optimize_duration": round(built + loaded, 3),
            "load_duration": round(written["insert_duration"] + built + loaded, 3),
            "memory_before": memory,
            "memory_peak": peak.bytes,
            "memory": self.engine.read_memory(),
            "disk": _subtract(self.engine.read_disk(), disk),
        }

    def _measure_case(self, case: Case, truth: Truth) -> None:
        """Recall and latency at every setting, the rest at those that the target chooses."""
        matrix, index = self.matrix, case.index
        for setting in case.settings:
            key = matrix.search_key(index, setting, "search")
            if matrix.get(key) is None:
                limits = self._measure_limits(self._make_index(case, setting), setting, truth)
                record = {"kind": "search", **_describe_setting(index, setting), "queries": len(truth.queries)}
                matrix.records.add(key, {**record, "limits": limits})
        load = LoadMeasurement(self.collection, self.config, truth, self.rows, self._say)
        for setting in matrix.loaded_settings(case):
            for part in matrix.loaded_parts:
                key = matrix.search_key(index, setting, part)
                if matrix.get(key) is None:
                    figures = getattr(load, part)(self._make_index(case, setting))
                    matrix.records.add(key, {"kind": part, **_describe_setting(index, setting), **figures})

    def _make_index(self, case: Case, setting: Mapping[str, Any]) -> Index:
        return case.make_index(setting, self.collection.engine, self.vectors.dimension, self.rows)

    def _measure_limits(self, index: Index, setting: Mapping[str, Any], truth: Truth) -> dict[str, Any]:
        limits = {}
        for limit in self.config.limits:
            recall = measure_recall(self.collection, index, truth, limit, self.rows)
            latency = measure_latency(self.collection, index, truth.queries, limit, self.config.seconds)
            limits[str(limit)] = {"recall": recall, "latency_ms": latency}
        main = limits[str(self.config.limit)]
        recall, latency = main["recall"]["value"], main["latency_ms"]
        self._say(
            f"{index.type} {_format_values(setting)}: recall@{self.config.limit} {recall:.4f},"
            f" p50 {latency['p50']:.2f} ms, p99 {latency['p99']:.2f} ms"
        )
        return limits


def _describe_setting(index: Index, setting: Mapping[str, Any]) -> dict[str, Any]:
    return {"index": index.type, "params": dict(index.params), "search": dict(setting)}


def _format_values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _time_work(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _subtract(value: int | None, other: int | None) -> int | None:
    return None if value is None or other is None else value - other


def _report_quarters(say: Say) -> Callable[[str, int, int], None]:
    """Report the progress of work whenever another quarter of it is done."""
    reported = [0]

    def report(what: str, done: int, total: int) -> None:
        if (quarter := 4 * done // total) > reported[0] and done < total:
            reported[0] = quarter
            say(f"{what}: {done:,} of {total:,}")

    return report
