"""The bodies of requests and responses, as OpenAPI describes them.

Requests are parsed by these models. Responses are written straight to JSON, and tests hold them to the models.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "AddRequest",
    "AddResponse",
    "DeleteRequest",
    "DeleteResponse",
    "Error",
    "FailurePage",
    "Hit",
    "IngestRequest",
    "Item",
    "ItemPage",
    "Job",
    "MultiSearchResponse",
    "Readiness",
    "RenderRequest",
    "SearchRequest",
    "SearchResponse",
    "SessionRequest",
    "SolutionList",
    "Stats",
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class SearchRequest(_Request):
    """One query, or several in one call."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"query": "how do I choose nprobe", "limit": 3},
                {"query": "@17", "limit": 5, "filter": 'topic == "index"'},
                {"queries": ["CCO", "c1ccccc1O"], "limit": 3},
            ],
            "oneOf": [{"required": ["query"]}, {"required": ["queries"]}],
        }
    )

    query: str | None = None
    """What a typed modality of the solution reads, or ``@key`` of an indexed item; begin a text with ``\\@`` for @."""
    queries: list[str] | None = None
    """Several queries."""
    limit: Annotated[int, Field(ge=1)] = 10
    """The number of hits for each query."""
    filter: str = ""
    """A Milvus expression over the declared fields: ``year > 2000 and label == "cat"``."""

    whole: bool = False
    """Whether hits have their whole content, however long, rather than the beginning or the segment's excerpt."""

    @model_validator(mode="after")
    def _check(self) -> SearchRequest:
        if (self.query is None) == (self.queries is None):
            raise ValueError("give either query or queries")
        return self


class AddRequest(_Request):
    """An item that is typed; send a file as multipart/form-data."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"key": "301", "content": "What is a ledger?", "metadata": {"topic": "basics"}}]
        }
    )

    key: str
    content: str
    metadata: dict[str, Any] = Field(default_factory=dict)


class DeleteRequest(_Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"keys": ["301", "302"]}]})

    keys: Annotated[list[str], Field(min_length=1, max_length=10_000)]


class RenderRequest(_Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"query": "CCO"}]})

    query: str
    color: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{6}$")] | None = None
    """The color of bonds, as ``e6e6e6``; by default that of the surrounding text."""


class IngestRequest(_Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"prune": False}]})

    prune: bool = False
    """Remove items that are no longer in the source; items that were added over HTTP stay."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Read only this many items of the source."""
    force: bool = False
    """Index unchanged items again, too."""


class SessionRequest(_Request):
    key: str


class Error(BaseModel):
    """The body of every response that is not a success."""

    ok: Literal[False]
    error: str
    errors: list[str]
    hint: str
    status: int
    type: str | None = None
    """The class of vicinal's error, as ``FilterError``, where it is one."""


class Segment(BaseModel):
    number: int
    start: float | None
    end: float | None


DisplayKind = Literal["text", "svg", "image", "audio", "video"]


class Hit(BaseModel):
    key: str
    rank: int
    distance: float
    similarity: float
    uri: str
    metadata: dict[str, Any]
    content: str | None
    segment: Segment | None
    kind: DisplayKind
    content_url: str


class QueryResult(BaseModel):
    hits: list[Hit]
    timings_ms: dict[str, float]


class SearchResponse(QueryResult):
    """The response to ``query``."""

    solution: str


class MultiSearchResponse(BaseModel):
    """The responses to ``queries``, in their order."""

    solution: str
    results: list[QueryResult]


class Item(BaseModel):
    key: str
    uri: str
    content: str | None
    metadata: dict[str, Any]
    kind: DisplayKind
    content_url: str
    added: bool
    """Whether it was added over HTTP, not by the source."""


class ItemPage(BaseModel):
    items: list[Item]
    next: str | None
    total: int


class AddResponse(BaseModel):
    key: str
    status: Literal["new", "updated", "unchanged"]


class DeleteResponse(BaseModel):
    removed: int


class Job(BaseModel):
    """A background ingest that is running or has ended."""

    id: str
    kind: Literal["ingest", "retry"]
    state: Literal["running", "cancelling", "done", "failed", "cancelled"]
    seen: int
    new: int
    updated: int
    unchanged: int
    removed: int
    failed: int
    truncated: int
    """New and updated items that the encoder reads only in part; known when the run is done."""
    rows: int | None
    """The vectors that the collection holds when the run is done."""
    total: int | None
    items_per_second: float
    eta_seconds: float | None
    seconds: float
    started: str
    ended: str | None
    error: str | None
    error_type: str | None
    """The class of vicinal's error, as ``TooManyFailuresError``, where it is one."""
    hint: str
    warnings: list[str]


class Failure(BaseModel):
    key: str
    stage: str
    message: str
    uri: str
    at: str


class FailurePage(BaseModel):
    failures: list[Failure]
    next: str | None
    total: int


class SolutionReadiness(BaseModel):
    ready: bool
    reason: str


class Readiness(BaseModel):
    ready: bool
    solutions: dict[str, SolutionReadiness]


class EncoderInfo(BaseModel):
    type: str
    summary: str


class ModalityInfo(BaseModel):
    name: str
    input: Literal["text", "file"]
    label: str
    placeholder: str
    example: str
    renders: DisplayKind


class QueryInfo(BaseModel):
    modalities: list[ModalityInfo]
    renders: DisplayKind
    text: bool
    file: bool
    accept: list[str]
    placeholder: str


class FieldInfo(BaseModel):
    name: str
    type: str


class SolutionInfo(BaseModel):
    name: str
    title: str
    checksum: str
    """Of the configuration that the solution is served with."""
    encoder: EncoderInfo
    items: int
    rows: int
    failures: int
    query: QueryInfo
    fields: list[FieldInfo]
    segmented: bool
    ready: bool
    reason: str
    run: str | None
    """The id of the active job, or else of the last one."""


class SolutionList(BaseModel):
    solutions: list[SolutionInfo]


class Stats(BaseModel):
    model_config = ConfigDict(extra="allow")

    solution: str
    items: int
    rows: int
    failures: int
