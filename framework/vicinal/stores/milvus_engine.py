"""What each Milvus engine can do, read from the engine, and which index suits a collection on it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vicinal.config.models import IndexConfig
from vicinal.errors import UnsupportedByEngineError
from vicinal.types import Metric, Space

__all__ = ["Index", "MilvusEngine", "choose_index"]

_LITE = {"FLAT", "IVF_FLAT", "IVF_SQ8", "HNSW", "HNSW_SQ", "AUTOINDEX"}
_SERVER = {"FLAT", "IVF_FLAT", "IVF_SQ8", "IVF_PQ", "HNSW", "SCANN", "DISKANN", "AUTOINDEX"}
_SERVER_2_5 = {"HNSW_SQ", "HNSW_PQ", "HNSW_PRQ"}
_BINARY = {"BIN_FLAT", "BIN_IVF_FLAT"}


@dataclass(frozen=True, slots=True)
class MilvusEngine:
    """A Milvus engine and what it can do."""

    name: str
    version: tuple[int, ...]
    disk_index: bool = True
    """Whether it has DISKANN; the server that PyPI's package ``milvus`` brings would try to build one for ever."""

    @classmethod
    def parse(cls, text: str) -> MilvusEngine:
        """From what ``get_server_version`` answers: ``milvus_lite-3.2.2``, ``v2.3.5-lite`` (a server), ``v2.6.4``."""
        lite = text.startswith("milvus_lite")
        version = tuple(int(part) for part in re.findall(r"\d+", text)[:3])
        return cls("Milvus Lite" if lite else "Milvus", version, not text.endswith("-lite"))

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.version))}"

    @property
    def embedded(self) -> bool:
        return self.name == "Milvus Lite"

    @property
    def binary_vectors(self) -> bool:
        return not self.embedded

    @property
    def full_text(self) -> bool:
        """Whether it indexes words (BM25) and joins several searches."""
        return self.embedded or self.version >= (2, 5)

    def indexes(self, kind: str) -> set[str]:
        """The names of vector indexes that it can build for vectors of this kind."""
        if kind == "binary":
            return _BINARY
        if self.embedded:
            return _LITE
        known = _SERVER | (_SERVER_2_5 if self.version >= (2, 5) else set())
        return known if self.disk_index else known - {"DISKANN"}


@dataclass(frozen=True, slots=True)
class Index:
    """An index as Milvus builds it. ``metric`` is the user's; ``engine_metric`` is what the engine is told."""

    type: str
    metric: Metric
    engine_type: str
    engine_metric: str
    params: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {"type": self.type, "metric": self.metric, "params": dict(self.params), "search": dict(self.search)}

    @property
    def exact(self) -> bool:
        """Whether it compares the query with every vector."""
        return self.engine_type in ("FLAT", "BIN_FLAT", "SPARSE_INVERTED_INDEX")

    def search_params(self, limit: int) -> dict[str, Any]:
        """The parameters of one search; ``ef`` is never below the number of hits wanted, as HNSW demands."""
        params = dict(self.search)
        if self.engine_type.startswith("HNSW"):
            params["ef"] = max(int(params.get("ef", 64)), limit)
        return {"metric_type": self.engine_metric, "params": params}


def choose_index(config: IndexConfig, space: Space, engine: MilvusEngine, rows: int) -> Index:
    """The index to build: the configured one, or for ``auto`` one that suits the engine and the number of rows.

    Raises:
        UnsupportedByEngineError: the engine cannot build the index, or the vectors have no such metric.
    """
    metric = config.metric or space.metric
    if (metric == "JACCARD") != (space.kind == "binary"):
        raise UnsupportedByEngineError(
            f"index.metric {metric} does not fit {space.kind} vectors",
            hint="JACCARD is for binary vectors, COSINE, IP and L2 are for float vectors",
        )
    known = engine.indexes(space.kind)
    if config.type != "auto" and config.type not in known:
        raise UnsupportedByEngineError(
            f"{engine} cannot build index {config.type!r} for {space.kind} vectors",
            hint=f"it can build: {', '.join(sorted(known))}; or write index: auto",
        )
    auto = _auto(space, rows, engine)
    name = auto[0] if config.type == "auto" else config.type
    params, search = (auto[1], auto[2]) if config.type == "auto" else ({}, {})
    if space.kind == "binary" and not engine.binary_vectors:
        return Index(name, metric, "SPARSE_INVERTED_INDEX", "IP")
    return Index(
        name,
        metric,
        name,
        metric,
        {**_defaults(name, rows, space.dimension), **params, **config.params},
        {**search, **config.search},
    )


def _auto(space: Space, rows: int, engine: MilvusEngine) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Exact while that is quick; then a graph, which has the best recall for its time; then one that saves memory.

    An embedded engine has a graph of bytes in place of floats: a quarter of the memory, which it shares with its user.
    """
    if space.kind == "binary":
        if rows <= 2_000_000:
            return "BIN_FLAT", {}, {}
        nlist = _nlist(rows)
        return "BIN_IVF_FLAT", {"nlist": nlist}, {"nprobe": max(32, nlist // 16)}
    if rows <= 5_000:
        return "FLAT", {}, {}
    if engine.embedded:
        return "HNSW_SQ", {"M": 16, "efConstruction": 100}, {"ef": 128}
    if rows <= 2_000_000:
        return "HNSW", {"M": 16, "efConstruction": 200}, {"ef": 128}
    nlist = _nlist(rows)
    return "IVF_SQ8", {"nlist": nlist}, {"nprobe": max(32, nlist // 32)}


def _defaults(name: str, rows: int, dimension: int) -> dict[str, Any]:
    """Parameters that Milvus insists on where the config gives none."""
    if name.startswith("HNSW"):
        return {"M": 16, "efConstruction": 200}
    if name == "IVF_PQ":  # m parts of a vector, which its dimension must be a multiple of; about a byte for 4 floats
        return {"nlist": _nlist(rows), "m": max(m for m in range(1, max(2, dimension // 4 + 1)) if dimension % m == 0)}
    if "IVF" in name or name == "SCANN":
        return {"nlist": _nlist(rows)}
    return {}


def _nlist(rows: int) -> int:
    """Four times the square root of the rows, as the Milvus documentation advises, within what it accepts."""
    return min(65536, max(16, 4 * math.isqrt(max(rows, 1))))
