"""What a Milvus engine can do, by the version that it reports, and which index suits a collection on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vicinal.config.indexes import INDEXES, METRICS, IndexDescription, VectorKind, recommended_nlist
from vicinal.config.models import IndexConfig
from vicinal.errors import UnsupportedByEngineError
from vicinal.plugin.params import Params
from vicinal.types import Metric, Space

__all__ = ["Index", "MilvusEngine", "choose_index"]

_SPARSE_INDEX = "SPARSE_INVERTED_INDEX"
"""What an engine without binary vectors builds in place of a binary index; exact."""


@dataclass(frozen=True, slots=True)
class MilvusEngine:
    """A Milvus engine and what it can do."""

    name: str
    version: tuple[int, ...]
    has_disk_index: bool = True
    """Whether it can build DISKANN. The server in PyPI's package ``milvus`` cannot, and would retry for ever."""

    @classmethod
    def parse(cls, text: str) -> MilvusEngine:
        """Parse ``get_server_version``: ``milvus_lite-3.2.2``, ``v2.3.5-lite`` (a server), ``v2.6.4``."""
        lite = text.startswith("milvus_lite")
        version = tuple(int(part) for part in re.findall(r"\d+", text)[:3])
        return cls("Milvus Lite" if lite else "Milvus", version, not text.endswith("-lite"))

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.version))}"

    @property
    def embedded(self) -> bool:
        return self.name == "Milvus Lite"

    @property
    def has_binary_vectors(self) -> bool:
        return not self.embedded

    @property
    def has_full_text(self) -> bool:
        """Whether it has full-text search (BM25) and hybrid search."""
        return self.embedded or self.version >= (2, 5)

    def index_types(self, kind: VectorKind) -> set[str]:
        """The index types that it can build for vectors of this kind."""
        return {index.name for index in INDEXES.values() if index.vectors == kind and self._can_build(index)}

    def _can_build(self, index: IndexDescription) -> bool:
        if self.embedded:
            return index.in_lite
        return self.version >= index.since and (self.has_disk_index or not index.needs_disk)


@dataclass(frozen=True, slots=True)
class Index:
    """An index as Milvus builds it.

    ``type`` and ``metric`` are the user's, ``engine_type`` and ``engine_metric`` the engine's; they differ where an
    engine stores binary vectors as sparse ones.
    """

    type: str
    metric: Metric
    engine_type: str
    engine_metric: str
    params: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {"type": self.type, "metric": self.metric, "params": dict(self.params), "search": dict(self.search)}

    @property
    def is_exact(self) -> bool:
        """Whether a search compares the query with every vector."""
        return self.engine_type == _SPARSE_INDEX or INDEXES[self.type].is_exact

    def search_params(self, limit: int) -> dict[str, Any]:
        """The parameters of one search, by Milvus' names; ``ef`` and its like are at least ``limit``."""
        index = INDEXES[self.type]
        params = _only_known(self.search, index.search)
        for name, default in index.at_least_limit.items():
            value = params.get(name, default)
            if value is not None:
                params[name] = max(value, limit)
        aliases = {name: field.serialization_alias or name for name, field in index.search.model_fields.items()}
        return {"metric_type": self.engine_metric, "params": {aliases[name]: value for name, value in params.items()}}


def choose_index(config: IndexConfig, space: Space, engine: MilvusEngine, rows: int) -> Index:
    """The index to build: the configured one, or for ``auto`` one that suits the engine and the number of rows.

    Raises:
        UnsupportedByEngineError: the engine cannot build the index or would ignore a parameter, the metric does not
            fit the vectors, or a parameter does not fit their dimension.
    """
    metric = config.metric or space.metric
    _require_metric(metric, space)
    automatic = _choose_automatically(space, rows, engine)
    name, params, search = automatic if config.type == "auto" else (config.type, {}, {})
    _require_index_type(name, space, engine)
    if space.kind == "binary" and not engine.has_binary_vectors:
        return Index(name, metric, _SPARSE_INDEX, "IP")
    index = INDEXES[name]
    params = {**index.defaults(rows, space.dimension), **params, **_only_known(config.params, index.build)}
    search = {**search, **_only_known(config.search, index.search)}
    _require_dimension(index, params, space.dimension)
    _require_effect(index, {*params, *search}, engine)
    return Index(name, metric, name, metric, params, search)


def _only_known(values: Mapping[str, Any], model: type[Params]) -> dict[str, Any]:
    """The values that the model has: those given for ``auto`` are for any index that it may choose."""
    return {name: value for name, value in values.items() if name in model.model_fields}


def _require_metric(metric: Metric, space: Space) -> None:
    if metric not in METRICS[space.kind]:
        raise UnsupportedByEngineError(
            f"index.metric {metric} does not fit {space.kind} vectors",
            hint="JACCARD is for binary vectors, COSINE, IP and L2 are for float vectors",
        )


def _require_index_type(name: str, space: Space, engine: MilvusEngine) -> None:
    supported = engine.index_types(space.kind)
    if name not in supported:
        raise UnsupportedByEngineError(
            f"{engine} cannot build index {name!r} for {space.kind} vectors",
            hint=f"it can build: {', '.join(sorted(supported))}; or write index: auto",
        )


def _require_dimension(index: IndexDescription, params: Mapping[str, Any], dimension: int) -> None:
    """See that the dimension is a multiple of what the index divides it by; Milvus says so only when it builds."""
    named = isinstance(index.divisor, str)
    divisor = params[index.divisor] if isinstance(index.divisor, str) else index.divisor
    if dimension % divisor:
        what = f"index.params.{index.divisor}, which is {divisor}" if named else divisor
        raise UnsupportedByEngineError(
            f"index {index.name} needs vectors whose dimension is a multiple of {what}; the encoder's have {dimension}",
            hint=f"set another {index.divisor}" if named else "set another `index: {type: …}`",
        )


def _require_effect(index: IndexDescription, names: set[str], engine: MilvusEngine) -> None:
    if engine.embedded and (ignored := sorted(index.server_only & names)):
        raise UnsupportedByEngineError(
            f"{engine} ignores {', '.join(ignored)} of index {index.name}",
            hint="leave it out, or set MILVUS_URI to a server",
        )


def _choose_automatically(space: Space, rows: int, engine: MilvusEngine) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The type, build and search parameters: exact while that is fast, then a graph, then IVF, which saves memory.

    A graph has the best recall for its time. On an embedded engine it is one of bytes (HNSW_SQ): a quarter of the
    memory, which the engine shares with the user's process.
    """
    if space.kind == "binary":
        if rows <= 2_000_000:
            return "BIN_FLAT", {}, {}
        nlist = recommended_nlist(rows)
        return "BIN_IVF_FLAT", {"nlist": nlist}, {"nprobe": max(32, nlist // 16)}
    if rows <= 5_000:
        return "FLAT", {}, {}
    if engine.embedded:
        return "HNSW_SQ", {"M": 16, "efConstruction": 100}, {"ef": 128}
    if rows <= 2_000_000:
        return "HNSW", {"M": 16, "efConstruction": 200}, {"ef": 128}
    nlist = recommended_nlist(rows)
    return "IVF_SQ8", {"nlist": nlist}, {"nprobe": max(32, nlist // 32)}
