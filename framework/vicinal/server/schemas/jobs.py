"""Runs in the background, and what they could not index."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from vicinal.server.schemas.fields import MAX_SAFE_INTEGER, Key, QueryText, RequestBody, ResponseBody, to_int

__all__ = [
    "Failure",
    "FailurePage",
    "GateRequest",
    "IngestRequest",
    "Job",
    "JudgedGate",
    "JudgedQuery",
    "LabelGate",
    "ReindexRequest",
]

_NUMBER = r"[0-9]{1,9}(\.[0-9]{1,9})?"
_CONDITION = rf"^(P|recall|mAP|MRR|nDCG)@([1-9][0-9]{{0,2}}|1000) ?>=? ?(live( ?[+-] ?{_NUMBER})?|{_NUMBER})$"


class IngestRequest(RequestBody):
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
    limit: Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER), BeforeValidator(to_int)] | None = None
    """Read only this many items of the source; excludes ``prune``, since such a run does not see every item."""
    force: bool = False
    """Index unchanged items again, too."""


class JudgedQuery(RequestBody):
    query: QueryText
    """A text, or ``@key`` of an indexed item."""
    relevant: Annotated[
        dict[Key, Annotated[int, Field(ge=1, le=1_000_000), BeforeValidator(to_int)]], Field(min_length=1)
    ]
    """The relevance of items to the query, by their keys."""


class GateRequest(RequestBody):
    conditions: Annotated[
        list[Annotated[str, Field(pattern=_CONDITION, json_schema_extra={"examples": ["mAP@10>=live", "P@1>=0.9"]})]],
        Field(min_length=1, max_length=20),
    ]
    """A measure, ``>=`` or ``>``, and a number, ``live``, or ``live`` and a number more or less; all have to hold."""
    sample: Annotated[int, Field(ge=2, le=MAX_SAFE_INTEGER), BeforeValidator(to_int)] | None = None
    """The most queries that are asked, drawn at random; by default 2,000, and all of ``judgments``."""
    drop_failed: bool = False
    """Remove the new items if they do not pass."""


class LabelGate(GateRequest):
    """Indexed items are searched with, and those of the same label are relevant."""

    labels: Annotated[str, Field(min_length=1, max_length=200)]
    """A metadata field that similar items share."""


class JudgedGate(GateRequest):
    """Queries are searched with of which it is known what is relevant to them."""

    judgments: Annotated[list[JudgedQuery], Field(min_length=1, max_length=100_000)]


class ReindexRequest(RequestBody):
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


class Job(ResponseBody):
    """A background ingest that is running or has ended."""

    id: str
    kind: Literal["ingest", "retry", "reindex", "promote"]
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
    promotion: dict[str, Any] | None
    """What was copied to other stores, and the proof that both are the same, as ``vicinal promote --json`` prints it;
    null until that is done, and for other runs."""


class Failure(ResponseBody):
    key: str
    stage: str
    message: str
    uri: str
    at: str


class FailurePage(ResponseBody):
    failures: list[Failure]
    next: str | None
    total: int
