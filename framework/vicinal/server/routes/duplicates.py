"""The route of the groups of near-equal items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from vicinal.errors import VicinalError
from vicinal.quality.duplicates.choice import Keep
from vicinal.quality.duplicates.report import DuplicateGroup, DuplicateReport
from vicinal.server import schemas
from vicinal.server.api_errors import unsuitable_value
from vicinal.server.duplicates import DuplicateQuestion
from vicinal.server.item_pages import item_to_json
from vicinal.server.parameters import refuse_unknown_parameters
from vicinal.server.responses import json_response
from vicinal.server.service import SolutionService
from vicinal.server.state import get_service
from vicinal.stores.records import Record
from vicinal.types import item_id

__all__ = ["router"]

router = APIRouter(prefix="/api/{name}", tags=["items"], dependencies=[Depends(refuse_unknown_parameters)])

_RETRY_AFTER_SECONDS = 1
_MAX_GROUP_ITEMS = 50


@router.get(
    "/duplicates",
    summary="Get groups of near-equal items, and which of each to keep",
    responses={200: {"model": schemas.DuplicatePage}, 202: {"model": schemas.PendingDuplicates}},
)
async def get_duplicates(
    request: Request,
    name: str,
    similarity: Annotated[float, Query(gt=0, le=1, description="From which on two items are near-equal.")] = 0.95,
    keep: Annotated[Keep, Query(description="Which item of near-equal ones to keep.")] = "largest",
    by: Annotated[str, Query(max_length=200, description="The metadata field that it is chosen by.")] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> Response:
    """The groups are computed in the background: 202 until the first report is there. Nothing is removed."""
    service = get_service(request, name)
    question = DuplicateQuestion(similarity, keep, by)
    try:
        report, share = await service.run_blocking(service.duplicates.get, question)
    except VicinalError as error:
        raise (unsuitable_value("by", str(error), error.hint) if error.argument == "by" else error) from error
    if report is None:
        headers = {"Retry-After": str(_RETRY_AFTER_SECONDS)}
        return json_response({"solution": name, "state": "computing", "done": round(share, 3)}, 202, headers)
    page = await service.run_blocking(_read_page, request, service, report, limit, offset)
    return json_response({**page, "is_current": share == 1.0})


def _read_page(
    request: Request, service: SolutionService, report: DuplicateReport, limit: int, offset: int
) -> dict[str, Any]:
    groups = list(islice(report.groups, offset, offset + limit))
    keys = [item.key for group in groups for item in group.items[:_MAX_GROUP_ITEMS]]
    ids = [item_id(key) for key in keys]
    store = service.solution.metadata
    found = zip(keys, store.records(ids), store.are_manual(ids), strict=True)
    records = {key: (record, added) for key, record, added in found if record is not None and record.key == key}
    return {
        **report.summarize(),
        "groups": [
            {"count": len(group.items), "items": list(_iter_items(request, service, group, records))}
            for group in groups
        ],
        "next": offset + limit if offset + limit < len(report.groups) else None,
    }


def _iter_items(
    request: Request, service: SolutionService, group: DuplicateGroup, records: dict[str, tuple[Record, bool]]
) -> Iterator[dict[str, Any]]:
    """The items that have not been removed since; those to keep each before its duplicates."""
    shown: Sequence[Any] = group.items[:_MAX_GROUP_ITEMS]
    for item in shown:
        if item.key in records:
            record, added = records[item.key]
            yield {**item_to_json(request, service, record, added, whole=False), **item.to_dict()}
