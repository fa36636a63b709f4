"""The matrix of a benchmark: which parts it has, by which key each is recorded, and which are not done yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from vicinal.bench.config import BenchConfig, FloatMetric, IndexMatrix
from vicinal.bench.records import Records
from vicinal.config.models import IndexConfig
from vicinal.errors import UnsupportedByEngineError
from vicinal.stores.milvus_engine import Index, MilvusEngine, choose_index
from vicinal.types import Space

__all__ = ["Case", "Matrix", "choose_cases"]


@dataclass(frozen=True, slots=True)
class Case:
    """An index as it is built, and the search settings to measure it with, the smallest first."""

    index: Index
    settings: Sequence[dict[str, Any]]

    def make_index(self, setting: Mapping[str, Any], engine: MilvusEngine, dimension: int, rows: int) -> Index:
        """The index with the parameters of a search setting."""
        index = self.index
        config = IndexConfig(type=index.type, metric=index.metric, params=dict(index.params), search=dict(setting))
        return choose_index(config, Space(dimension, "float", index.metric), engine, rows)


def choose_cases(config: BenchConfig, engine: MilvusEngine, dimension: int, rows: int) -> tuple[list[Case], list[str]]:
    """The indexes that the engine can build, and warnings that name the others.

    Raises:
        UnsupportedByEngineError: it can build none of them.
    """
    space = Space(dimension, "float", config.data.metric)
    cases, warnings, error = list[Case](), list[str](), None
    for matrix in config.indexes:
        try:
            cases.append(_choose_case(matrix, config.data.metric, space, engine, rows))
        except UnsupportedByEngineError as reason:
            error = reason
            warnings.append(f"{matrix.type} is left out: {reason}")
    if error is not None and not cases:
        raise error
    return cases, warnings


def _choose_case(matrix: IndexMatrix, metric: FloatMetric, space: Space, engine: MilvusEngine, rows: int) -> Case:
    for setting in matrix.settings:  # each may be refused
        index = choose_index(matrix.to_index_config(metric, setting), space, engine, rows)
    return Case(index, matrix.settings)


@dataclass(frozen=True, slots=True)
class Matrix:
    """The parts of a benchmark and their records. ``prefix`` says of which data on which engine they are."""

    config: BenchConfig
    records: Records
    prefix: str
    cases: Sequence[Case]
    warnings: Sequence[str] = ()
    """Which indexes the engine cannot build."""

    @property
    def insert_key(self) -> str:
        return self._make_key("insert")

    def build_key(self, index: Index) -> str:
        return self._make_key("build", index.type, dict(index.params))

    def search_key(self, index: Index, setting: Mapping[str, Any], part: str) -> str:
        """The key of ``search``, ``clients``, ``batches`` or ``filters`` at a setting."""
        config = self.config
        options = {
            "search": [config.queries, config.limits],
            "clients": [config.clients, config.limit, config.seconds],
            "batches": [config.batches, config.limit, config.seconds],
            "filters": [config.filters, config.limit, config.queries],
        }
        return self._make_key(part, index.type, [dict(index.params), dict(setting), options[part]])

    def get(self, key: str) -> dict[str, Any] | None:
        return self.records.get(key)

    @property
    def loaded_parts(self) -> list[str]:
        """What is measured beside recall and latency."""
        return [part for part in ("clients", "batches", "filters") if getattr(self.config, part)]

    def loaded_settings(self, case: Case) -> Sequence[dict[str, Any]]:
        """The first setting with the target's recall, else the last one; all of them where there is no target."""
        target, limit = self.config.target_recall, str(self.config.limit)
        if target is None:
            return case.settings
        for setting in case.settings:
            record = self.get(self.search_key(case.index, setting, "search"))
            if record is not None and record["limits"][limit]["recall"]["value"] >= target:
                return [setting]
        return case.settings[-1:]

    def is_done(self, case: Case, *, searches: bool) -> bool:
        """Whether all parts of an index are recorded; without ``searches`` its build alone."""
        if self.get(self.build_key(case.index)) is None:
            return False
        return not searches or (
            all(self.get(self.search_key(case.index, setting, "search")) for setting in case.settings)
            and all(
                self.get(self.search_key(case.index, setting, part))
                for setting in self.loaded_settings(case)
                for part in self.loaded_parts
            )
        )

    def read_records(self) -> list[dict[str, Any]]:
        """The records that there are, in the matrix' order."""
        return [record for key in self._iter_keys() if (record := self.get(key)) is not None]

    def _iter_keys(self) -> Iterator[str]:
        yield self.insert_key
        for case in self.cases:
            yield self.build_key(case.index)
            for setting in case.settings:
                for part in ("search", "clients", "batches", "filters"):
                    yield self.search_key(case.index, setting, part)

    def _make_key(self, part: str, name: str = "", options: Any = None) -> str:
        digest = blake2b(orjson.dumps(options, option=orjson.OPT_SORT_KEYS), digest_size=6).hexdigest()
        return "/".join([self.prefix, part, *([name, digest] if name else [])])
