"""The route of a solution's latest reports."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from vicinal.server import schemas
from vicinal.server.evaluations import read_evaluation
from vicinal.server.parameters import refuse_unknown_parameters
from vicinal.server.responses import json_response
from vicinal.server.state import get_service

__all__ = ["router"]

router = APIRouter(prefix="/api/{name}", tags=["search"], dependencies=[Depends(refuse_unknown_parameters)])


@router.get(
    "/evaluation",
    summary="Get the latest evaluation, self test and tuning: how good the answers are, and the worst queries",
    responses={200: {"model": schemas.LatestReports}},
)
async def get_evaluation(request: Request, name: str) -> Response:
    """What `vicinal evaluate`, `evaluate --self` and `vicinal tune` found last; each is null where it has not run."""
    service = get_service(request, name)
    return json_response(await service.run_blocking(read_evaluation, request, service))
