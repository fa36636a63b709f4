"""The index table: every vector index of Milvus that a solution may name, with its parameters and the engines it needs.

One entry describes an index. The types that ``index`` accepts, the check of its parameters, their defaults, what an
engine can build, the JSON Schema and the documentation derive from it.

Milvus ignores a parameter that it does not know, so a typing error would otherwise stay unnoticed.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from vicinal.config import index_parameters as parameters
from vicinal.plugin.params import Params
from vicinal.types import Metric

__all__ = [
    "INDEXES",
    "METRICS",
    "IndexDescription",
    "IndexType",
    "VectorKind",
    "check_parameters",
    "parameters_of",
    "recommended_nlist",
]

VectorKind = Literal["float", "binary"]

METRICS: Mapping[VectorKind, tuple[Metric, ...]] = {"float": ("COSINE", "IP", "L2"), "binary": ("JACCARD",)}
"""The metrics of each kind of vectors."""


# --- defaults


def recommended_nlist(rows: int) -> int:
    """4 * sqrt(rows), as the Milvus documentation recommends, within the range that it accepts."""
    return min(65536, max(16, 4 * math.isqrt(max(rows, 1))))


def _ivf_defaults(rows: int, dimension: int) -> dict[str, Any]:
    return {"nlist": recommended_nlist(rows)}


def _hnsw_defaults(rows: int, dimension: int) -> dict[str, Any]:
    return {"M": 16, "efConstruction": 200}


def _pq_defaults(rows: int, dimension: int) -> dict[str, Any]:
    """About one byte for 4 floats; m must divide the dimension."""
    return {"m": max(m for m in range(1, max(2, dimension // 4 + 1)) if dimension % m == 0)}


def _ivf_pq_defaults(rows: int, dimension: int) -> dict[str, Any]:
    return _ivf_defaults(rows, dimension) | _pq_defaults(rows, dimension)


def _hnsw_pq_defaults(rows: int, dimension: int) -> dict[str, Any]:
    return _hnsw_defaults(rows, dimension) | _pq_defaults(rows, dimension)


def _no_defaults(rows: int, dimension: int) -> dict[str, Any]:
    return {}


# --- the table


@dataclass(frozen=True, slots=True)
class IndexDescription:
    """An index of Milvus: its parameters, and the engines that build it."""

    name: str
    summary: str
    build: type[Params] = parameters.NoParameters
    search: type[Params] = parameters.NoParameters
    vectors: VectorKind = "float"
    since: tuple[int, ...] = (2, 3)
    """The first version of a Milvus server that builds it."""
    in_lite: bool = False
    """Whether Milvus Lite builds it."""
    needs_disk: bool = False
    """Whether a server must have its disk index enabled."""
    is_exact: bool = False
    """Whether a search compares the query with every vector."""
    defaults: Callable[[int, int], dict[str, Any]] = _no_defaults
    """Build parameters that Milvus requires, for (rows, dimension)."""
    at_least_limit: Mapping[str, int | None] = field(default_factory=dict)
    """Search parameters that must not be below a search's limit, each with its default, or None to leave it out."""
    search_effort: str = ""
    """The search parameter that raises recall and takes longer; empty where there is none."""
    divisor: str | int = 1
    """What must divide the dimension: a number, or a build parameter's value."""
    server_only: frozenset[str] = frozenset()
    """Parameters that Milvus Lite ignores."""


_REFINE = frozenset({"refine", "refine_type", "refine_k"})
_EF = {"ef": 64}

INDEXES: Mapping[str, IndexDescription] = {
    index.name: index
    for index in (
        IndexDescription(
            "AUTOINDEX",
            "what the engine chooses: HNSW on Milvus and Milvus Lite",
            search=parameters.AutoindexSearch,
            in_lite=True,
            at_least_limit={"ef": None},
        ),
        IndexDescription("FLAT", "compares with every vector; exact", in_lite=True, is_exact=True),
        IndexDescription(
            "IVF_FLAT",
            "cells of vectors",
            parameters.IvfBuild,
            parameters.IvfSearch,
            in_lite=True,
            search_effort="nprobe",
            defaults=_ivf_defaults,
        ),
        IndexDescription(
            "IVF_SQ8",
            "cells of vectors of bytes",
            parameters.IvfBuild,
            parameters.IvfSearch,
            in_lite=True,
            search_effort="nprobe",
            defaults=_ivf_defaults,
        ),
        IndexDescription(
            "IVF_PQ",
            "cells of product-quantized vectors",
            parameters.IvfPqBuild,
            parameters.IvfSearch,
            search_effort="nprobe",
            defaults=_ivf_pq_defaults,
            divisor="m",
        ),
        IndexDescription(
            "IVF_RABITQ",
            "cells of binary codes, a bit for a float",
            parameters.RabitqBuild,
            parameters.RabitqSearch,
            since=(2, 6),
            search_effort="nprobe",
            defaults=_ivf_defaults,
        ),
        IndexDescription(
            "HNSW",
            "a graph of vectors",
            parameters.HnswBuild,
            parameters.HnswSearch,
            in_lite=True,
            defaults=_hnsw_defaults,
            search_effort="ef",
            at_least_limit=_EF,
        ),
        IndexDescription(
            "HNSW_SQ",
            "a graph of vectors of bytes or half-precision floats",
            parameters.HnswSqBuild,
            parameters.HnswRefineSearch,
            since=(2, 5),
            in_lite=True,
            defaults=_hnsw_defaults,
            search_effort="ef",
            at_least_limit=_EF,
            server_only=_REFINE | {"sq_type"},
        ),
        IndexDescription(
            "HNSW_PQ",
            "a graph of product-quantized vectors",
            parameters.HnswPqBuild,
            parameters.HnswRefineSearch,
            since=(2, 5),
            defaults=_hnsw_pq_defaults,
            search_effort="ef",
            at_least_limit=_EF,
            divisor="m",
        ),
        IndexDescription(
            "HNSW_PRQ",
            "a graph of product-residual-quantized vectors",
            parameters.HnswPrqBuild,
            parameters.HnswRefineSearch,
            since=(2, 5),
            defaults=_hnsw_pq_defaults,
            search_effort="ef",
            at_least_limit=_EF,
            divisor="m",
        ),
        IndexDescription(
            "SCANN",
            "cells of vectors quantized for inner products, reordered by the vectors",
            parameters.ScannBuild,
            parameters.ScannSearch,
            defaults=_ivf_defaults,
            search_effort="nprobe",
            at_least_limit={"reorder_k": None},
            divisor=2,
        ),
        IndexDescription(
            "DISKANN",
            "a graph on disk",
            parameters.DiskannBuild,
            parameters.DiskannSearch,
            needs_disk=True,
            search_effort="search_list",
            at_least_limit={"search_list": None},
        ),
        IndexDescription(
            "BIN_FLAT", "compares with every vector; exact", vectors="binary", in_lite=True, is_exact=True
        ),
        IndexDescription(
            "BIN_IVF_FLAT",
            "cells of vectors; on Milvus Lite exact",
            parameters.IvfBuild,
            parameters.IvfSearch,
            vectors="binary",
            in_lite=True,
            search_effort="nprobe",
            defaults=_ivf_defaults,
        ),
    )
}

if TYPE_CHECKING:
    IndexType = str
else:
    IndexType = Literal["auto", *INDEXES]


# --- checking parameters


def parameters_of(type_: str, key: str) -> type[Params]:
    """The model of an index type's ``params`` or ``search``."""
    if type_ == "auto":
        return parameters.AutoBuild if key == "params" else parameters.AutoSearch
    return INDEXES[type_].build if key == "params" else INDEXES[type_].search


def check_parameters(type_: str, key: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Check the ``params`` or the ``search`` of an index type; returns those that are set.

    Raises:
        ValidationError: some are unknown, of another type or out of their range; each is located by its name.
    """
    try:
        return parameters_of(type_, key).model_validate(dict(values), strict=True).model_dump(exclude_none=True)
    except ValidationError as error:
        details = [_explain_error(detail, type_, key) for detail in error.errors(include_url=False)]
        raise ValidationError.from_exception_data(error.title, details) from None


def _explain_error(detail: Any, type_: str, key: str) -> InitErrorDetails:
    """An error of pydantic's; that of an unknown parameter says what the index has."""
    kind: Any = detail["type"]
    if kind == "extra_forbidden":
        kind = PydanticCustomError("value_error", "{reason}", {"reason": _unknown_reason(detail["loc"][0], type_, key)})
    return InitErrorDetails(type=kind, loc=detail["loc"], input=detail["input"], ctx=detail.get("ctx", {}))


def _unknown_reason(name: str, type_: str, key: str) -> str:
    known = list(parameters_of(type_, key).model_fields)
    other = "search" if key == "params" else "params"
    if name in parameters_of(type_, other).model_fields:
        return f"belongs under index.{other}"
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"unknown parameter of {type_}, did you mean {near[0]!r}?"
    return f"unknown parameter of {type_}, which has {', '.join(known) if known else 'none'}"
