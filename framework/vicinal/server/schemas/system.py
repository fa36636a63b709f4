"""Solutions, their state, and errors."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from vicinal.server.schemas.fields import DisplayKind, RequestBody, ResponseBody

__all__ = [
    "EncoderInfo",
    "Error",
    "FieldInfo",
    "ItemFilterInfo",
    "ModalityInfo",
    "PromotionInfo",
    "QueryInfo",
    "Readiness",
    "SessionRequest",
    "SolutionInfo",
    "SolutionList",
    "SolutionReadiness",
    "Stats",
]


class SessionRequest(RequestBody):
    key: str


class Error(ResponseBody):
    """The body of every response that is not a success."""

    ok: Literal[False]
    error: str
    errors: list[str]
    hint: str
    status: int
    type: str | None = None
    """The class of vicinal's error, as ``FilterError``, where it is one."""


class SolutionReadiness(ResponseBody):
    ready: bool
    reason: str


class Readiness(ResponseBody):
    ready: bool
    solutions: dict[str, SolutionReadiness]


class EncoderInfo(ResponseBody):
    type: str
    summary: str


class ModalityInfo(ResponseBody):
    name: str
    input: Literal["text", "file"]
    label: str
    placeholder: str
    example: str
    renders: DisplayKind


class ItemFilterInfo(ResponseBody):
    name: str
    summary: str
    """What it leaves, as "molecules that contain a SMARTS"."""


class QueryInfo(ResponseBody):
    modalities: list[ModalityInfo]
    renders: DisplayKind
    text: bool
    file: bool
    accept: list[str]
    placeholder: str
    suggests: bool
    """Whether `/suggestions` has queries to choose from."""
    item_filters: list[ItemFilterInfo]


class FieldInfo(ResponseBody):
    name: str
    type: str


class SolutionInfo(ResponseBody):
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


class SolutionList(ResponseBody):
    solutions: list[SolutionInfo]


class ReplicaInfo(ResponseBody):
    resource_group: str
    query_nodes: list[int]


class Replicas(ResponseBody):
    wanted: int | None
    """`index.replicas` of the configuration."""
    resource_groups: list[str]
    loaded: list[ReplicaInfo]
    """What Milvus has loaded; empty for an embedded Milvus."""


class PromotionInfo(ResponseBody):
    state: Literal["incomplete", "moved", "begun", "copied"]
    """`incomplete`: not all is here yet of what the other stores have; `moved`: those take the writes now; `begun`:
    not all is there yet; `copied`: those had the same items."""
    milvus: str
    """The other stores."""
    redis: str
    written_since: bool | None
    """Of `copied`: whether something was written here afterwards."""


class Stats(ResponseBody):
    model_config = ConfigDict(extra="allow")

    solution: str
    items: int
    rows: int
    failures: int
    replicas: Replicas
    promotion: PromotionInfo | None
    """By `vicinal promote`, to or from other stores."""
    restoring: str | None
    """The backup of which `vicinal restore` has not put back all."""
