"""The parameters of Milvus' vector indexes: a model for building each, and one for searching it.

Ranges are those that Milvus itself checks (knowhere's configs and the tests of Milvus 2.6). A field is named as Milvus'
documentation names the parameter; one that is None is left to Milvus, or to the table's defaults.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from vicinal.plugin.params import Params

_Count = Annotated[int, Field(ge=1, le=2**31 - 1)]


class NoParameters(Params):
    """An index without parameters."""


class IvfBuild(Params):
    """An inverted file: vectors are clustered into cells."""

    nlist: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Number of cells; default: 4 * sqrt(rows)."""


class IvfSearch(Params):
    """A search of an inverted file."""

    nprobe: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Number of cells to search; more raise recall and take longer."""


class HnswBuild(Params):
    """A graph of neighbours."""

    M: Annotated[int, Field(ge=2, le=2048)] | None = None
    """Edges of a node; more raise recall and take more memory. Default: 16."""
    efConstruction: _Count | None = None  # noqa: N815 - Milvus' name
    """Candidates for a node's edges; more raise recall and slow the build. Default: 200."""


class HnswSearch(Params):
    """A search of a graph."""

    ef: _Count | None = None
    """Candidates of a search, at least its limit; more raise recall and take longer. Default: 64."""


class RefineBuild(Params):
    """A second, more precise copy of quantized vectors."""

    refine: bool | None = None
    """Whether a more precise copy of the vectors is stored, with which a search reorders its candidates."""
    refine_type: Literal["SQ6", "SQ8", "FP16", "BF16", "FP32"] | None = None
    """The precision of that copy; needs `refine: true`."""

    @model_validator(mode="after")
    def _check_refine(self) -> Self:
        if self.refine_type is not None and not self.refine:
            raise ValueError("refine_type has no effect without refine: true")
        return self


class RefineSearch(Params):
    """A search that reorders its candidates by the more precise copy."""

    refine_k: Annotated[float, Field(ge=1)] | None = None
    """Candidates to reorder for each hit that is wanted; an index built with `refine: true` has them. Default: 1."""


class PqBuild(Params):
    """Product quantization: a vector is split into parts, each stored as the number of its nearest centroid."""

    m: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Number of parts; divides the dimension. Default: a quarter of the dimension, or the next smaller divisor."""
    nbits: Annotated[int, Field(ge=1, le=24)] | None = None
    """Bits of a centroid's number. Default: 8."""


class IvfPqBuild(PqBuild, IvfBuild):
    """An inverted file of product-quantized vectors."""


class RabitqBuild(RefineBuild, IvfBuild):
    """An inverted file of binary codes."""


class RabitqSearch(RefineSearch, IvfSearch):
    """A search of an inverted file of binary codes."""

    # the name of Milvus' documentation; Milvus 2.6 itself reads another, and ignores this one
    rbq_query_bits: Annotated[int, Field(ge=0, le=8)] | None = Field(None, serialization_alias="rbq_bits_query")
    """Bits to which the query is quantized; 0 leaves it as it is. Default: 0."""


class ScannBuild(IvfBuild):
    """An inverted file of vectors quantized for inner products."""

    with_raw_data: bool | None = None
    """Whether the vectors themselves are stored, with which a search reorders its candidates. Default: true."""


class ScannSearch(IvfSearch):
    """A search that reorders its candidates by the vectors themselves."""

    reorder_k: _Count | None = None
    """Candidates to reorder, at least the search's limit; default: as many."""


class HnswSqBuild(RefineBuild, HnswBuild):
    """A graph of scalar-quantized vectors."""

    sq_type: Literal["SQ6", "SQ8", "FP16", "BF16"] | None = None
    """How a number is stored. Default: SQ8."""


class HnswPqBuild(RefineBuild, PqBuild, HnswBuild):
    """A graph of product-quantized vectors."""


class HnswPrqBuild(HnswPqBuild):
    """A graph of product-residual-quantized vectors."""

    nrq: Annotated[int, Field(ge=1, le=16)] | None = None
    """Number of residual quantizers. Default: 2."""


class HnswRefineSearch(RefineSearch, HnswSearch):
    """A search of a graph of quantized vectors."""


class DiskannBuild(Params):
    """A graph on disk."""

    max_degree: Annotated[int, Field(ge=1, le=512)] | None = None
    """Edges of a node. Default: 56."""
    search_list_size: _Count | None = None
    """Candidates for a node's edges, at least max_degree. Default: 100."""
    pq_code_budget_gb_ratio: Annotated[float, Field(gt=0, le=0.25)] | None = None
    """Size of the compressed vectors in memory, as a share of the vectors. Default: 0.125."""
    search_cache_budget_gb_ratio: Annotated[float, Field(ge=0, lt=0.3)] | None = None
    """Size of the cached part of the graph, as a share of the vectors. Default: 0.1."""


class DiskannSearch(Params):
    """A search of a graph on disk."""

    search_list: _Count | None = None
    """Candidates of a search, at least its limit; more raise recall and take longer."""


class AutoindexSearch(HnswSearch):
    """A search of whatever index the engine chose: Milvus and Milvus Lite choose HNSW."""

    level: Annotated[int, Field(ge=1, le=10)] | None = None
    """Zilliz Cloud alone: 1 is fastest, 10 most precise."""


class AutoBuild(IvfBuild, HnswBuild):
    """Parameters of the indexes that ``auto`` chooses; those that the chosen one does not have are left out."""


class AutoSearch(IvfSearch, HnswSearch):
    """Parameters of searching the indexes that ``auto`` chooses."""
