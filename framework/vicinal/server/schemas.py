"""The bodies of requests and responses, as OpenAPI describes them.

Requests are parsed by these models. Responses are written straight to JSON, and tests hold them to the models.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, PlainValidator, TypeAdapter

__all__ = [
    "AddRequest",
    "AddResponse",
    "DeleteRequest",
    "DeleteResponse",
    "Error",
    "ExampleSearchRequest",
    "FailurePage",
    "Hit",
    "IngestRequest",
    "Item",
    "ItemMap",
    "ItemPage",
    "Job",
    "JudgedGate",
    "LabelGate",
    "MultiSearchRequest",
    "MultiSearchResponse",
    "PendingMap",
    "Readiness",
    "ReindexRequest",
    "RenderRequest",
    "SearchOptions",
    "SearchRequest",
    "SearchResponse",
    "SessionRequest",
    "SolutionList",
    "Stats",
    "Suggestions",
]

BOUNDS = "x-bounds"
"""In a schema: the names of the settings that bound the value, as ``{"maximum": "max_limit"}``."""

MAX_KEY_CHARS = 1024
MAX_VECTOR_NUMBERS = 262_144
MAX_SIMILARITY = 1e38
"""About the largest float32, as which Milvus returns inner products."""
_MAX_SAFE_INTEGER = 2**53 - 1
"""The largest that every JSON parser reads exactly."""

_NUMBER = r"[0-9]{1,9}(\.[0-9]{1,9})?"
_CONDITION = rf"^(P|recall|mAP|MRR|nDCG)@([1-9][0-9]{{0,2}}|1000) ?>=? ?(live( ?[+-] ?{_NUMBER})?|{_NUMBER})$"

# The bounds of keys, queries and filters are only in the schema: the routes refuse what is beyond with plainer errors.


def _to_int(value: Any) -> Any:
    """Take 2.0 for 2: JSON Schema counts it among the integers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Limit = Annotated[int, Field(ge=1, json_schema_extra={BOUNDS: {"maximum": "max_limit"}}), BeforeValidator(_to_int)]
Key = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MAX_KEY_CHARS})]
QueryText = Annotated[str, Field(json_schema_extra={"minLength": 1, BOUNDS: {"maxLength": "max_query_chars"}})]
_Vector = Annotated[list[FiniteFloat], Field(min_length=1, max_length=MAX_VECTOR_NUMBERS)]
_TEXT_ADAPTER, _VECTOR_ADAPTER = TypeAdapter(QueryText), TypeAdapter(_Vector)


def _check_query(value: Any) -> Any:
    """Check a query by its kind: an error of a union would speak of both."""
    adapter: TypeAdapter[Any] = _VECTOR_ADAPTER if isinstance(value, list) else _TEXT_ADAPTER
    return adapter.validate_python(value, strict=True)


Query = Annotated[str | list[float], PlainValidator(_check_query, json_schema_input_type=QueryText | _Vector)]
Filter = Annotated[
    str, Field(json_schema_extra={"format": "milvus-expression", BOUNDS: {"maxLength": "max_query_chars"}})
]


Pattern = Annotated[str, Field(json_schema_extra={BOUNDS: {"maxLength": "max_query_chars"}})]


Examples = Annotated[list[Query], Field(json_schema_extra={BOUNDS: {"maxItems": "max_queries"}})]
Similarity = Annotated[FiniteFloat, Field(ge=-MAX_SIMILARITY, le=MAX_SIMILARITY)]
Diversity = Annotated[FiniteFloat, Field(ge=0, le=1)]


class _Response(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class SearchOptions(_Request):
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


class AddRequest(_Request):
    """An item that is typed; send a file as multipart/form-data."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"key": "301", "content": "What is a ledger?", "metadata": {"topic": "basics"}}]
        }
    )

    key: Key
    content: str
    metadata: dict[str, Any] = Field(default_factory=dict)


class DeleteRequest(_Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"keys": ["301", "302"]}]})

    keys: Annotated[list[Key], Field(min_length=1, max_length=1_000)]


class RenderRequest(_Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"query": "CCO"}]})

    query: QueryText
    color: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{6}$")] | None = None
    """The color of bonds, as ``e6e6e6``; by default that of the surrounding text."""


class IngestRequest(_Request):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"prune": False}],
            "not": {
                "properties": {"prune": {"const": True}, "limit": {"type": "integer"}},
                "required": ["prune", "limit"],
            },
        }
    )

    prune: bool = False
    """Remove items that are no longer in the source; items that were added over HTTP stay."""
    limit: Annotated[int, Field(ge=1, le=_MAX_SAFE_INTEGER), BeforeValidator(_to_int)] | None = None
    """Read only this many items of the source; excludes ``prune``, since such a run does not see every item."""
    force: bool = False
    """Index unchanged items again, too."""


class JudgedQuery(_Request):
    query: QueryText
    """A text, or ``@key`` of an indexed item."""
    relevant: Annotated[
        dict[Key, Annotated[int, Field(ge=1, le=1_000_000), BeforeValidator(_to_int)]], Field(min_length=1)
    ]
    """The relevance of items to the query, by their keys."""


class _GateRequest(_Request):
    conditions: Annotated[
        list[Annotated[str, Field(pattern=_CONDITION, json_schema_extra={"examples": ["mAP@10>=live", "P@1>=0.9"]})]],
        Field(min_length=1, max_length=20),
    ]
    """A measure, ``>=`` or ``>``, and a number, ``live``, or ``live`` and a number more or less; all have to hold."""
    sample: Annotated[int, Field(ge=2, le=_MAX_SAFE_INTEGER), BeforeValidator(_to_int)] | None = None
    """The most queries that are asked, drawn at random; by default 2,000, and all of ``judgments``."""
    drop_failed: bool = False
    """Remove the new items if they do not pass."""


class LabelGate(_GateRequest):
    """Indexed items are searched with, and those of the same label are relevant."""

    labels: Annotated[str, Field(min_length=1, max_length=200)]
    """A metadata field that similar items share."""


class JudgedGate(_GateRequest):
    """Queries are searched with of which it is known what is relevant to them."""

    judgments: Annotated[list[JudgedQuery], Field(min_length=1, max_length=100_000)]


class ReindexRequest(_Request):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"keep": True}, {"gate": {"conditions": ["mAP@10>=live"], "labels": "year"}}],
            "not": {
                "properties": {"action": {"enum": ["rollback", "drop_old", "drop_new"]}},
                "required": ["action"],
                "minProperties": 2,
            },
        }
    )

    action: Literal["build", "rollback", "drop_old", "drop_new"] = "build"
    """``build``; or put back what was kept (``rollback``), remove that (``drop_old``), or remove what a reindex has
    left that did not end or pass its gate (``drop_new``): these have no options."""
    gate: LabelGate | JudgedGate | None = None
    """Compare the new items with the old ones first, and replace them only if they pass."""
    keep: bool = False
    """Keep what is replaced for ``rollback``, until the next reindex."""
    from_stored: bool = False
    """Index what is stored of the items in place of what the source has now."""
    checksum: str = ""
    """Refuse unless the YAML file, as it is now, has this ``checksum``, as ``/api/solutions`` shows it."""


class SessionRequest(_Request):
    key: str


class Error(_Response):
    """The body of every response that is not a success."""

    ok: Literal[False]
    error: str
    errors: list[str]
    hint: str
    status: int
    type: str | None = None
    """The class of vicinal's error, as ``FilterError``, where it is one."""


class Segment(_Response):
    """The part of an item that was nearest: with its times, or of a labelled one with its label and excerpt."""

    number: int
    start: float | None = None
    """In seconds."""
    end: float | None = None
    """In seconds."""
    label: str | None = None
    excerpt: str | None = None


DisplayKind = Literal["text", "svg", "image", "audio", "video"]


class Hit(_Response):
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


class QueryResult(_Response):
    hits: list[Hit]
    timings_ms: dict[str, float]


class SearchResponse(QueryResult):
    """The response to ``query``."""

    solution: str


class MultiSearchResponse(_Response):
    """The responses to ``queries``, in their order."""

    solution: str
    results: list[QueryResult]


class Suggestions(_Response):
    queries: list[str]
    """Each can be searched with as it is; none where the encoder suggests nothing."""


class Item(_Response):
    key: str
    uri: str
    title: str | None
    """What the encoder makes of an item for people, where items are texts and that is not their content."""
    content: str | None
    metadata: dict[str, Any]
    kind: DisplayKind
    content_label: str
    """What people call the content of the solution's items, as `SMILES`, `text` or `image`: a label for ``content``."""
    content_url: str
    added: bool
    """Whether it was added over HTTP, not by the source."""


class ValueCount(_Response):
    value: bool | int | float | str | None
    items: int


class ValueCounts(_Response):
    """How many items have each value of a field."""

    field: str
    values: list[ValueCount]
    """The most frequent first, 100 at most; of more than 10,000 different ones, only those met first compete."""
    others: int
    """Items with another value."""


class ItemPage(_Response):
    items: list[Item]
    next: str | None
    total: int
    counts: ValueCounts | None
    """Where they are asked for: of all items whose key has the prefix, not of the page alone."""


class MapPoint(_Response):
    key: str
    label: str
    """How the item begins, where it is a text; else its key."""
    x: float
    """From -1 to 1, as y; both axes have one scale."""
    y: float


class MapField(_Response):
    """A field that points can be told apart by."""

    name: str
    kind: Literal["category", "number"]
    categories: list[str]
    """The most frequent first, twelve at most; then ``others``."""
    values: list[str | float | None]
    """For each point a category or a number; null without one."""


class ItemMap(_Response):
    solution: str
    items: int
    """How many there are points for: all, or a random sample."""
    total: int
    method: Literal["umap", "pca"]
    neighbors: int
    neighbors_kept: float
    """The share of so many nearest points of each that are among its nearest by the vectors."""
    segmented: bool
    """Whether a point is the mean of its item's segments."""
    summary: str
    is_current: bool
    """Whether the collection has not changed since; else a new map is being computed."""
    fields: list[MapField]
    points: list[MapPoint]


class PendingMap(_Response):
    """There is no map yet."""

    solution: str
    state: Literal["computing"]


class DuplicateItem(Item):
    """An item of a group of near-equal ones."""

    keep: bool
    duplicate_of: str | None
    """The key of the item that is kept in its place."""
    similarity: float | None
    """To that item; null for one to keep."""
    bytes: int | None
    length: float | None
    """Seconds of an item whose segments have times, else characters of a text."""
    modified: str | None
    """When its file was last changed."""


class DuplicateGroup(_Response):
    count: int
    items: list[DuplicateItem]
    """The first 50 at most: those to keep, each followed by its duplicates; without any that was removed since."""


class DuplicatePage(_Response):
    """Groups of near-equal items, those with the most items first."""

    solution: str
    similarity: float
    metric: Literal["COSINE", "L2", "JACCARD"]
    method: Literal["exact", "index"]
    """Whether all items were compared with each other, or pairs were found through the index."""
    keep: Literal["largest", "longest", "oldest"]
    field: str | None
    items: int
    rows: int
    group_count: int
    duplicates: int
    """How many items need not be kept."""
    duplicate_bytes: int
    seconds: float
    is_current: bool
    """Whether the collection has not changed since; else a new report is being computed."""
    groups: list[DuplicateGroup]
    next: int | None
    """The `offset` of the next page."""


class PendingDuplicates(_Response):
    """There is no report yet."""

    solution: str
    state: Literal["computing"]
    done: float
    """The share of the comparisons that is done."""


class LabelFigure(_Response):
    """The mean over the queries of one label, with its 95% interval."""

    label: str
    queries: int
    value: float
    low: float
    high: float


class ConfusedPair(_Response):
    """How many of a label's queries find an item of another label first."""

    label: str
    found: str | None
    """Null where the first hit has no label."""
    count: int
    queries: int


class Confusions(_Response):
    """The labels of queries, and those of their first hits."""

    rows: list[str]
    """Labels of queries; of more than 25 those that are confused most."""
    columns: list[str | None]
    counts: list[list[int]]
    queries: list[int]
    """How many each row's label has, those included whose hit is in no column."""
    pairs: list[ConfusedPair]


class JudgedHit(_Response):
    key: str
    similarity: float
    label: str | None
    is_right: bool
    segment: Segment | None


class WorstQuery(_Response):
    query: str
    """A text, the path of a file, or ``@key``."""
    label: str | None
    value: float
    relevant: int
    """How many items are relevant to it in all."""
    hits: list[JudgedHit]
    """The first five."""
    missed: list[str]
    """Keys of items that would have been right, three at most."""


class EvaluationDetails(_Response):
    measure: str
    """What labels and queries are ordered by."""
    distribution: list[int]
    """How many queries have a value in each of so many equal parts of 0 to 1."""
    labels: list[LabelFigure]
    """The lowest first, 100 at most."""
    confusions: Confusions | None
    worst: list[WorstQuery]
    """The worst first, 20 at most."""


class KeptReport(_Response):
    measured: str
    is_current: bool
    """Whether the collection has not changed since."""
    summary: str
    findings: list[str]
    report: dict[str, Any]
    """What the command prints with `--json`."""


class Evaluation(KeptReport):
    details: EvaluationDetails | None
    """Null for the evaluation of a model."""


class LatestReports(_Response):
    solution: str
    evaluation: Evaluation | None
    """Of `vicinal evaluate`."""
    self_test: KeptReport | None
    """Of `vicinal evaluate --self`."""
    tuning: KeptReport | None
    """Of `vicinal tune`."""
    items: dict[str, Item]
    """The items of the worst queries and of near-duplicates by key, as far as they are still indexed."""
    fields: list[str]
    """Metadata that `vicinal evaluate --labels` may take."""


class AddResponse(_Response):
    key: str
    status: Literal["new", "updated", "unchanged"]


class DeleteResponse(_Response):
    removed: int


class Job(_Response):
    """A background ingest that is running or has ended."""

    id: str
    kind: Literal["ingest", "retry", "reindex"]
    state: Literal["running", "cancelling", "done", "failed", "cancelled"]
    seen: int
    new: int
    updated: int
    unchanged: int
    removed: int
    failed: int
    skipped: int
    """Items that the encoder leaves out on purpose, which are no failures; known when the run is done."""
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
    skip_reasons: dict[str, int]
    """How many items are skipped for which reason."""
    gate: dict[str, Any] | None
    """What a reindex was compared by before it replaced what was searched; null where it was not."""


class Failure(_Response):
    key: str
    stage: str
    message: str
    uri: str
    at: str


class FailurePage(_Response):
    failures: list[Failure]
    next: str | None
    total: int


class SolutionReadiness(_Response):
    ready: bool
    reason: str


class Readiness(_Response):
    ready: bool
    solutions: dict[str, SolutionReadiness]


class EncoderInfo(_Response):
    type: str
    summary: str


class ModalityInfo(_Response):
    name: str
    input: Literal["text", "file"]
    label: str
    placeholder: str
    example: str
    renders: DisplayKind


class ItemFilterInfo(_Response):
    name: str
    summary: str
    """What it leaves, as "molecules that contain a SMARTS"."""


class QueryInfo(_Response):
    modalities: list[ModalityInfo]
    renders: DisplayKind
    text: bool
    file: bool
    accept: list[str]
    placeholder: str
    suggests: bool
    """Whether `/suggestions` has queries to choose from."""
    item_filters: list[ItemFilterInfo]


class FieldInfo(_Response):
    name: str
    type: str


class SolutionInfo(_Response):
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
    max_sorted_items: int
    """Up to how many items `/items` sorts by a field, and counts its values."""
    ready: bool
    reason: str
    run: str | None
    """The id of the active job, or else of the last one."""


class SolutionList(_Response):
    solutions: list[SolutionInfo]


class Stats(_Response):
    model_config = ConfigDict(extra="allow")

    solution: str
    items: int
    rows: int
    failures: int
