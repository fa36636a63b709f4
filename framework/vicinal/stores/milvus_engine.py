"""What a Milvus engine can do, by the version that it reports, and which index suits a collection on it."""

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

    def index_types(self, kind: str) -> set[str]:
        """The index types that it can build for vectors of this kind."""
        if kind == "binary":
            return _BINARY
        if self.embedded:
            return _LITE
        known = _SERVER | (_SERVER_2_5 if self.version >= (2, 5) else set())
        return known if self.has_disk_index else known - {"DISKANN"}


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
        return self.engine_type in ("FLAT", "BIN_FLAT", "SPARSE_INVERTED_INDEX")

    def search_params(self, limit: int) -> dict[str, Any]:
        """The parameters of one search; ``ef`` is at least ``limit``, as HNSW requires."""
        params = dict(self.search)
        if self.engine_type.startswith("HNSW"):
            params["ef"] = max(int(params.get("ef", 64)), limit)
        return {"metric_type": self.engine_metric, "params": params}


def choose_index(config: IndexConfig, space: Space, engine: MilvusEngine, rows: int) -> Index:
    """The index to build: the configured one, or for ``auto`` one that suits the engine and the number of rows.

    Raises:
        UnsupportedByEngineError: the engine cannot build the index, or the metric does not fit the vectors.
    """
    metric = config.metric or space.metric
    if (metric == "JACCARD") != (space.kind == "binary"):
        raise UnsupportedByEngineError(
            f"index.metric {metric} does not fit {space.kind} vectors",
            hint="JACCARD is for binary vectors, COSINE, IP and L2 are for float vectors",
        )
    supported = engine.index_types(space.kind)
    if config.type != "auto" and config.type not in supported:
        raise UnsupportedByEngineError(
            f"{engine} cannot build index {config.type!r} for {space.kind} vectors",
            hint=f"it can build: {', '.join(sorted(supported))}; or write index: auto",
        )
    auto = _choose_automatically(space, rows, engine)
    name = auto[0] if config.type == "auto" else config.type
    params, search = (auto[1], auto[2]) if config.type == "auto" else ({}, {})
    if space.kind == "binary" and not engine.has_binary_vectors:
        return Index(name, metric, "SPARSE_INVERTED_INDEX", "IP")
    return Index(
        name,
        metric,
        name,
        metric,
        {**_defaults(name, rows, space.dimension), **params, **config.params},
        {**search, **config.search},
    )


def _choose_automatically(space: Space, rows: int, engine: MilvusEngine) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The type, build and search parameters: exact while that is fast, then a graph, then IVF, which saves memory.

    A graph has the best recall for its time. On an embedded engine it is one of bytes (HNSW_SQ): a quarter of the
    memory, which the engine shares with the user's process.
    """
    if space.kind == "binary":
        if rows <= 2_000_000:
            return "BIN_FLAT", {}, {}
        nlist = _recommended_nlist(rows)
        return "BIN_IVF_FLAT", {"nlist": nlist}, {"nprobe": max(32, nlist // 16)}
    if rows <= 5_000:
        return "FLAT", {}, {}
    if engine.embedded:
        return "HNSW_SQ", {"M": 16, "efConstruction": 100}, {"ef": 128}
    if rows <= 2_000_000:
        return "HNSW", {"M": 16, "efConstruction": 200}, {"ef": 128}
    nlist = _recommended_nlist(rows)
    return "IVF_SQ8", {"nlist": nlist}, {"nprobe": max(32, nlist // 32)}


def _defaults(name: str, rows: int, dimension: int) -> dict[str, Any]:
    """Build parameters that Milvus requires, for those that the config leaves out."""
    if name.startswith("HNSW"):
        return {"M": 16, "efConstruction": 200}
    if name == "IVF_PQ":  # m must divide the dimension; about one byte for 4 floats
        return {
            "nlist": _recommended_nlist(rows),
            "m": max(m for m in range(1, max(2, dimension // 4 + 1)) if dimension % m == 0),
        }
    if "IVF" in name or name == "SCANN":
        return {"nlist": _recommended_nlist(rows)}
    return {}


def _recommended_nlist(rows: int) -> int:
    """4 * sqrt(rows), as the Milvus documentation recommends, within the range that it accepts."""
    return min(65536, max(16, 4 * math.isqrt(max(rows, 1))))
