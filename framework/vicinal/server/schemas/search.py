"""Searches and what they find."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from vicinal.server.schemas.fields import (
    BOUNDS,
    DisplayKind,
    Diversity,
    Examples,
    Filter,
    Limit,
    Pattern,
    Query,
    QueryText,
    RequestBody,
    ResponseBody,
    Similarity,
)

__all__ = [
    "ExampleSearchRequest",
    "Hit",
    "MultiSearchRequest",
    "MultiSearchResponse",
    "QueryResult",
    "RenderRequest",
    "SearchOptions",
    "SearchRequest",
    "SearchResponse",
    "Segment",
    "Suggestions",
]


class SearchOptions(RequestBody):
    """What requests for a search have in common."""

    limit: Limit = 10
    """The number of hits for each query."""
    filter: Filter = ""
    """A Milvus expression over the declared fields: ``year > 2000 and label == "cat"``."""
    item_filters: Annotated[dict[str, Pattern], Field(max_length=16)] = Field(default_factory=dict)
    """Patterns that hits must have, by the name of an item filter of the solution: ``{"substructure": "c1ccccc1"}``."""
    like: Examples = Field(default_factory=list)
    """Examples of what is searched for, each as ``query``; a query beside them counts as one."""
    unlike: Examples = Field(default_factory=list)
    """Examples of what is not searched for, each as ``query``."""
    min_similarity: Similarity | None = None
    """Hits of a lower similarity are left out; its range is that of the solution's metric."""
    diversity: Diversity = 0.0
    """How much hits shall differ from each other, 0 (not considered) to 1 (nothing else is)."""


class SearchRequest(SearchOptions):
    """One query."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"query": "how do I choose nprobe", "limit": 3},
                {"query": "@17", "limit": 5, "filter": 'topic == "index"'},
            ]
        }
    )

    query: Query
    """What a typed modality of the solution reads, or ``@key`` of an indexed item; begin a text with ``\\@`` for @. A
    solution of embeddings that exist already takes a vector, too."""


class MultiSearchRequest(SearchOptions):
    """Several queries in one call."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"queries": ["CCO", "c1ccccc1O"], "limit": 3}]})

    queries: Annotated[list[Query], Field(json_schema_extra={"minItems": 1, BOUNDS: {"maxItems": "max_queries"}})]
    """Each as ``query`` of a request with one."""


class ExampleSearchRequest(SearchOptions):
    """Examples without a query."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"like": ["@17", "@30"], "unlike": ["@42"], "limit": 5, "diversity": 0.3}],
        }
    )

    like: Annotated[list[Query], Field(json_schema_extra={"minItems": 1, BOUNDS: {"maxItems": "max_queries"}})]
    """One or more examples of what is searched for, each as ``query``."""


class RenderRequest(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"query": "CCO"}]})

    query: QueryText
    color: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{6}$")] | None = None
    """The color of bonds, as ``e6e6e6``; by default that of the surrounding text."""


class Segment(ResponseBody):
    """The part of an item that was nearest: with its times, or of a labelled one with its label and excerpt."""

    number: int
    start: float | None = None
    """In seconds."""
    end: float | None = None
    """In seconds."""
    label: str | None = None
    excerpt: str | None = None


class Hit(ResponseBody):
    key: str
    rank: int
    distance: float
    similarity: float
    uri: str
    metadata: dict[str, Any]
    content: str | None
    """A beginning of 2,000 characters at most, or the segment's excerpt, unless the whole is asked for."""
    segment: Segment | None
    score: float | None
    """What a reranker gives it; higher is more relevant."""
    note: str | None
    """What a reranker says of it."""
    title: str | None
    """As that of an item."""
    kind: DisplayKind
    content_label: str
    """What people call the content of the solution's items, as `SMILES`, `text` or `image`: a label for ``content``."""
    content_url: str


class QueryResult(ResponseBody):
    hits: list[Hit]
    timings_ms: dict[str, float]


class SearchResponse(QueryResult):
    """The response to ``query``."""

    solution: str


class MultiSearchResponse(ResponseBody):
    """The responses to ``queries``, in their order."""

    solution: str
    results: list[QueryResult]


class Suggestions(ResponseBody):
    queries: list[str]
    """Each can be searched with as it is; none where the encoder suggests nothing."""
