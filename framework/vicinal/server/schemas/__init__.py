"""The bodies of requests and responses, as OpenAPI describes them.

Requests are parsed by these models. Responses are written straight to JSON, and tests hold them to the models.
"""

from __future__ import annotations

from vicinal.server.schemas.duplicates import DuplicatePage, PendingDuplicates
from vicinal.server.schemas.evaluation import LatestReports
from vicinal.server.schemas.fields import BOUNDS, MAX_KEY_CHARS, MAX_SIMILARITY, Query
from vicinal.server.schemas.items import AddRequest, AddResponse, DeleteRequest, DeleteResponse, Item, ItemPage
from vicinal.server.schemas.jobs import FailurePage, IngestRequest, Job, JudgedGate, LabelGate, ReindexRequest
from vicinal.server.schemas.map import ItemMap, PendingMap
from vicinal.server.schemas.promotion import PromotionRequest, ReleaseRequest
from vicinal.server.schemas.rows import Row, RowPage, RowRequest
from vicinal.server.schemas.search import (
    ExampleSearchRequest,
    MultiSearchRequest,
    MultiSearchResponse,
    RenderRequest,
    SearchOptions,
    SearchRequest,
    SearchResponse,
    Suggestions,
)
from vicinal.server.schemas.system import Error, Readiness, SessionRequest, SolutionList, Stats

__all__ = [
    "BOUNDS",
    "MAX_KEY_CHARS",
    "MAX_SIMILARITY",
    "AddRequest",
    "AddResponse",
    "DeleteRequest",
    "DeleteResponse",
    "DuplicatePage",
    "Error",
    "ExampleSearchRequest",
    "FailurePage",
    "IngestRequest",
    "Item",
    "ItemMap",
    "ItemPage",
    "Job",
    "JudgedGate",
    "LabelGate",
    "LatestReports",
    "MultiSearchRequest",
    "MultiSearchResponse",
    "PendingDuplicates",
    "PendingMap",
    "PromotionRequest",
    "Query",
    "Readiness",
    "ReindexRequest",
    "ReleaseRequest",
    "RenderRequest",
    "Row",
    "RowPage",
    "RowRequest",
    "SearchOptions",
    "SearchRequest",
    "SearchResponse",
    "SessionRequest",
    "SolutionList",
    "Stats",
    "Suggestions",
]
