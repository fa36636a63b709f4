"""The route of the map of a solution's items."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from vicinal.server import schemas
from vicinal.server.parameters import refuse_unknown_parameters
from vicinal.server.responses import json_response
from vicinal.server.state import get_service

__all__ = ["router"]

router = APIRouter(prefix="/api/{name}", tags=["items"], dependencies=[Depends(refuse_unknown_parameters)])

_RETRY_AFTER_SECONDS = 1


@router.get(
    "/map",
    summary="Get the items as points on a plane, near to those that they are similar to",
    responses={200: {"model": schemas.ItemMap}, 202: {"model": schemas.PendingMap}},
)
async def get_map(request: Request, name: str) -> Response:
    """A random sample of 2,000 items at most. It is computed in the background: 202 until the first one is there."""
    service = get_service(request, name)
    found = await service.run_blocking(service.maps.get)
    if found is None:
        headers = {"Retry-After": str(_RETRY_AFTER_SECONDS)}
        return json_response({"solution": name, "state": "computing"}, 202, headers)
    return json_response(found)
