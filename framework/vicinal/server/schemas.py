"""What goes over the wire, as OpenAPI describes it. Answers are written straight to JSON; tests hold them to this."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vicinal.types import Modality

__all__ = [
    "Added",
    "Error",
    "Failures",
    "Hit",
    "IngestRequest",
    "ItemBody",
    "Items",
    "Job",
    "Keys",
    "ManyAnswers",
    "NewItem",
    "OneAnswer",
    "Readiness",
    "Removed",
    "RenderRequest",
    "SearchRequest",
    "Session",
    "Solutions",
    "Stats",
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class SearchRequest(_Body):
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
    """A text, a SMILES, or ``@key`` of an indexed item; a text that begins with @ is written ``\\@…``."""
    queries: list[str] | None = None
    """Several of them."""
    limit: Annotated[int, Field(ge=1)] = 10
    """How many hits for each."""
    filter: str = ""
    """A Milvus expression over the declared fields: ``year > 2000 and label == "cat"``."""

    @model_validator(mode="after")
    def _check(self) -> SearchRequest:
        if (self.query is None) == (self.queries is None):
            raise ValueError("write either query or queries")
        return self


class NewItem(_Body):
    """An item that is a text or a SMILES; files are sent as multipart/form-data."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"key": "301", "content": "What is a ledger?", "metadata": {"topic": "basics"}}]
        }
    )

    key: str
    content: str
    metadata: dict[str, Any] = Field(default_factory=dict)


class Keys(_Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"keys": ["301", "302"]}]})

    keys: Annotated[list[str], Field(min_length=1, max_length=10_000)]


class RenderRequest(_Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"query": "CCO"}]})

    query: str
    color: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{6}$")] | None = None
    """Of bonds, as ``e6e6e6``; without it, that of the text around the picture."""


class IngestRequest(_Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"prune": False}]})

    prune: bool = False
    """Remove items that the source has no more; those that were added over HTTP stay."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Read only this many items of the source."""


class Session(_Body):
    key: str


class Error(BaseModel):
    """The body of every answer that is not a success."""

    ok: Literal[False]
    error: str
    errors: list[str]
    hint: str
    status: int


class Segment(BaseModel):
    number: int
    start: float | None
    end: float | None


Kind = Literal["text", "svg", "image", "audio", "video"]


class Hit(BaseModel):
    key: str
    rank: int
    distance: float
    similarity: float
    uri: str
    metadata: dict[str, Any]
    content: str | None
    segment: Segment | None
    kind: Kind
    content_url: str


class _Timed(BaseModel):
    hits: list[Hit]
    timings_ms: dict[str, float]


class OneAnswer(_Timed):
    """The answer to ``query``."""

    solution: str


class ManyAnswers(BaseModel):
    """The answers to ``queries``, in their order."""

    solution: str
    results: list[_Timed]


class ItemBody(BaseModel):
    key: str
    uri: str
    content: str | None
    metadata: dict[str, Any]
    kind: Kind
    content_url: str
    added: bool
    """Whether it was added over HTTP, and not by the source."""


class Items(BaseModel):
    items: list[ItemBody]
    next: str | None
    total: int


class Added(BaseModel):
    key: str
    status: Literal["new", "updated", "unchanged"]


class Removed(BaseModel):
    removed: int


class Job(BaseModel):
    """An ingest that runs in the background, or ran."""

    id: str
    kind: Literal["ingest", "retry"]
    state: Literal["running", "cancelling", "done", "failed", "cancelled"]
    seen: int
    new: int
    updated: int
    unchanged: int
    removed: int
    failed: int
    total: int | None
    items_per_second: float
    eta_seconds: float | None
    seconds: float
    started: str
    ended: str | None
    error: str | None
    hint: str
    warnings: list[str]


class Failure(BaseModel):
    key: str
    stage: str
    message: str
    uri: str
    at: str


class Failures(BaseModel):
    failures: list[Failure]
    next: str | None
    total: int


class Ready(BaseModel):
    ready: bool
    reason: str


class Readiness(BaseModel):
    ready: bool
    solutions: dict[str, Ready]


class _Encoder(BaseModel):
    type: str
    summary: str


class _Query(BaseModel):
    kind: Modality
    kinds: list[Modality]
    text: bool
    file: bool
    accept: list[str]
    placeholder: str


class _Field(BaseModel):
    name: str
    type: str


class SolutionBody(BaseModel):
    name: str
    title: str
    encoder: _Encoder
    items: int
    rows: int
    failures: int
    query: _Query
    fields: list[_Field]
    segmented: bool
    ready: bool
    reason: str
    run: str | None
    """The id of the run that goes on, or else of the last one."""


class Solutions(BaseModel):
    solutions: list[SolutionBody]


class Stats(BaseModel):
    model_config = ConfigDict(extra="allow")

    solution: str
    items: int
    rows: int
    failures: int
