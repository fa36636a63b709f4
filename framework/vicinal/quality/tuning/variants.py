"""Which indexes are tried: each type that the engine builds, then those with more or fewer cells or edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from vicinal.config.indexes import INDEXES
from vicinal.config.models import IndexConfig
from vicinal.errors import UnsupportedByEngineError, VicinalError
from vicinal.solution.solution import Solution
from vicinal.stores.milvus_engine import Index, choose_index

__all__ = ["exact_index", "list_neighbors", "list_variants", "reorder_more", "require_types"]

_REFINED: Mapping[str, Any] = {"refine": True, "refine_type": "SQ8"}
_BUILD: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "IVF_RABITQ": (_REFINED,),
    "HNSW_PQ": (_REFINED,),
    "HNSW_PRQ": (_REFINED,),
}
"""Build parameters that are tried in place of the defaults: codes of a few bits a number need a second look."""
_REORDERED = {"IVF_RABITQ": "refine_k", "HNSW_PQ": "refine_k", "HNSW_PRQ": "refine_k", "SCANN": "reorder_k"}
_REORDER_FACTOR, _MAX_REORDER_FACTOR = 4, 64
"""How many candidates are looked at again for each neighbour that is wanted; where that is too few, four times more."""
_RANGES = {"nlist": (4, 65_536), "M": (4, 64)}
"""The build parameter that makes the cells or the edges, and what is tried of it."""


def exact_index(solution: Solution, rows: int) -> Index:
    """The index that compares with every vector."""
    return _make_index(solution, "FLAT" if solution.encoder.space.kind == "float" else "BIN_FLAT", rows, {}, {})


def require_types(solution: Solution, types: Sequence[str]) -> None:
    """
    Raises:
        VicinalError: the engine does not build one of these types, for these vectors.
    """
    known = _list_types(solution)
    if unknown := [name for name in types if name not in known]:
        raise VicinalError(
            f"{solution.vectors.engine} builds no index {unknown[0]!r} that can be tuned for these vectors",
            hint=f"it builds {', '.join(known) or 'none but the exact one'}",
        )


def list_variants(solution: Solution, rows: int, limit: int, types: Sequence[str]) -> Iterator[Index]:
    """One index of each type, or of some of them, with the build parameters that it has by default."""
    for name in _list_types(solution):
        if types and name not in types:
            continue
        search = {}
        if reorder := _REORDERED.get(name):
            search = {reorder: _REORDER_FACTOR * (limit if reorder == "reorder_k" else 1)}
        for params in _BUILD.get(name, ({},)):
            try:
                index = _make_index(solution, name, rows, params, search)
            except UnsupportedByEngineError:  # the dimension does not fit it
                continue
            if not index.is_exact:
                yield index


def reorder_more(index: Index, limit: int) -> Index | None:
    """The same index, of which four times as many candidates are looked at again; None where it has no such parameter.

    It is None, too, for more than 64 candidates a neighbour.
    """
    name = _REORDERED.get(index.type)
    if name is None:
        return None
    value = _REORDER_FACTOR * index.search[name]
    most = _MAX_REORDER_FACTOR * (limit if name == "reorder_k" else 1)
    return replace(index, search={**index.search, name: value}) if value <= most else None


def list_neighbors(index: Index, largest: Mapping[str, Any]) -> list[Index]:
    """The same index with half and with twice as many cells or edges, up to the largest that the engine has taken."""
    found = []
    for name, (least, most) in _RANGES.items():
        if (value := index.params.get(name)) is not None:
            others = (value // 2, value * 2)
            most = min(most, largest.get(name, most))
            found += [_with_param(index, name, other) for other in others if least <= other <= most]
    return found


def _with_param(index: Index, name: str, value: int) -> Index:
    params = {**index.params, name: value}
    return Index(index.type, index.metric, index.engine_type, index.engine_metric, params, index.search)


def _list_types(solution: Solution) -> list[str]:
    """What the engine builds, but for exact ones, and for what the engine chooses itself."""
    kind = solution.encoder.space.kind
    built = solution.vectors.engine.index_types(kind)
    return [name for name, index in INDEXES.items() if name in built and index.search_effort]


def _make_index(
    solution: Solution, name: str, rows: int, params: Mapping[str, Any], search: Mapping[str, Any]
) -> Index:
    config = IndexConfig(type=name, metric=solution.metric, params=dict(params), search=dict(search))
    return choose_index(config, solution.encoder.space, solution.vectors.engine, rows)
