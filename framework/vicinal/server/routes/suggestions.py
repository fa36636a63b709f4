"""The route that suggests what to search with while a user types."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from vicinal.server import schemas
from vicinal.server.parameters import PageLimit, refuse_unknown_parameters, require_page_limit
from vicinal.server.responses import json_response
from vicinal.server.state import get_service

__all__ = ["router"]

_PREFIX = "How the queries begin, with what stands before a name: `user:1` for `user:17`."

router = APIRouter(prefix="/api/{name}", tags=["search"], dependencies=[Depends(refuse_unknown_parameters)])


@router.get(
    "/suggestions",
    summary="Suggest queries that begin with a text, where the encoder has some",
    responses={200: {"model": schemas.Suggestions}},
)
async def suggest_queries(
    request: Request,
    name: str,
    prefix: Annotated[str, Query(max_length=1024, description=_PREFIX)] = "",
    limit: PageLimit = 10,
) -> Response:
    service = get_service(request, name)
    require_page_limit(limit, service.settings)
    return json_response({"queries": await service.run_blocking(service.solution.suggest_queries, prefix, limit)})
