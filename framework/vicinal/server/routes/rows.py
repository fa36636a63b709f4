"""The route for the rows of Milvus: by it a backup reads the vectors that an embedded Milvus keeps to this process."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import numpy as np
from fastapi import APIRouter, Depends, Request, Response

from vicinal.server import schemas
from vicinal.server.openapi import describe_body
from vicinal.server.parameters import refuse_unknown_parameters
from vicinal.server.request_body import parse_json
from vicinal.server.responses import json_response
from vicinal.server.service import SolutionService
from vicinal.server.state import get_service
from vicinal.solution.item_export import to_exported_vector

__all__ = ["router"]

router = APIRouter(prefix="/api/{name}", tags=["items"], dependencies=[Depends(refuse_unknown_parameters)])

_COLUMNS = ("start", "end", "segment_label", "segment_excerpt")


@router.post(
    "/rows",
    summary="Get the vectors of segments by their ids, as `vicinal backup` does",
    responses={200: {"model": schemas.RowPage}},
    openapi_extra=describe_body(schemas.RowRequest),
)
async def get_rows(request: Request, name: str) -> Response:
    service = get_service(request, name)
    ids = (await parse_json(request, schemas.RowRequest)).ids
    return json_response({"rows": await service.run_blocking(_read_rows, service, ids)})


def _read_rows(service: SolutionService, ids: list[int]) -> list[dict[str, Any]]:
    solution = service.solution
    kind = solution.encoder.space.kind

    def to_json(row: dict[str, Any]) -> dict[str, Any]:
        vector = to_exported_vector(row["vector"], solution.encoder)
        data = vector if kind == "binary" else np.asarray(vector, "<f4").tobytes()
        columns = {column: row.get(column) for column in _COLUMNS}
        return {"id": row["id"], **columns, "kind": kind, "vector": b64encode(data).decode()}

    return [to_json(row) for row in solution.read(lambda: solution.fetch_rows(ids))]
