"""The routes by which a command of this machine has the server copy an embedded solution to other stores.

No client of the API may ask for it: it would have the server send all that it has to an address of the client's choice.
Who asks proves to be able to read the embedded files anyway, by a secret that lies beside them; see ``LockHolder``.
"""

from __future__ import annotations

import hmac

from fastapi import APIRouter, Depends, Request, Response

from vicinal.server import schemas
from vicinal.server.api_errors import ApiError
from vicinal.server.parameters import refuse_unknown_parameters
from vicinal.server.paths import job_path
from vicinal.server.request_body import parse_json
from vicinal.server.responses import json_response
from vicinal.server.service import SolutionService
from vicinal.server.state import get_service

__all__ = ["router"]

router = APIRouter(
    prefix="/api/{name}", include_in_schema=False, dependencies=[Depends(refuse_unknown_parameters)], tags=["ingest"]
)


@router.post("/promotion", status_code=202)
async def start_promotion(request: Request, name: str) -> Response:
    service = get_service(request, name)
    body = await parse_json(request, schemas.PromotionRequest)
    await service.run_blocking(_require_secret, service, body.secret)
    job = service.jobs.start("promote", **body.model_dump(exclude={"secret"}))
    return json_response(job.to_dict(), 202, {"Location": job_path(request, name, job.id)})


@router.post("/promotion/release")
async def release(request: Request, name: str) -> Response:
    service = get_service(request, name)
    body = await parse_json(request, schemas.ReleaseRequest)
    await service.run_blocking(_require_secret, service, body.secret)
    return json_response({"released": await service.run_blocking(service.solution.release)})


def _require_secret(service: SolutionService, secret: str) -> None:
    """
    Raises:
        ApiError: 403, it is not the one that lies beside the embedded Milvus.
    """
    published = service.solution.vectors.published_secret
    if not published or not hmac.compare_digest(published.encode(), secret.encode()):
        raise ApiError(
            403,
            "only a command of this machine may promote a solution that a server holds",
            hint=f"run `vicinal promote` there, in the folder of {service.name!r}",
        )
