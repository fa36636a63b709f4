"""The routes for jobs: start one, follow it, cancel it; and the items that could not be indexed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.responses import StreamingResponse

from vicinal.server import schemas
from vicinal.server.api_errors import ApiError, invalid_value
from vicinal.server.jobs import Job
from vicinal.server.openapi import describe_body
from vicinal.server.parameters import PageLimit, refuse_unknown_parameters, require_page_limit
from vicinal.server.paths import job_path
from vicinal.server.reindex_options import to_reindex_options
from vicinal.server.request_body import parse_json
from vicinal.server.responses import json_response
from vicinal.server.service import SolutionService
from vicinal.server.state import AppState, get_service, get_state

__all__ = ["router"]

router = APIRouter(prefix="/api/{name}", tags=["ingest"], dependencies=[Depends(refuse_unknown_parameters)])

_POLL_SECONDS = 0.25
_JOB = {"model": schemas.Job}
_EVENT = {
    "type": "object",
    "properties": {
        "event": {"enum": ["progress", "end"]},
        "data": {"type": "string", "description": "the run as JSON"},
    },
}


@router.post(
    "/ingest",
    status_code=202,
    summary="Start a run that indexes what is new or changed in the source",
    responses={202: _JOB},
    openapi_extra=describe_body(schemas.IngestRequest, required=False),
)
async def start_ingest(request: Request, name: str) -> Response:
    service = get_service(request, name)
    options = await parse_json(request, schemas.IngestRequest, allow_empty=True)
    if options.prune and options.limit is not None:
        raise invalid_value("limit", "prune and limit exclude each other: a limited run does not see every item")
    job = service.jobs.start("ingest", prune=options.prune, limit=options.limit, force=options.force)
    return _job_response(request, name, job)


@router.post(
    "/failures/retry", status_code=202, summary="Start a run that tries the failed items again", responses={202: _JOB}
)
async def start_retry(request: Request, name: str) -> Response:
    return _job_response(request, name, get_service(request, name).jobs.start("retry"))


@router.post(
    "/reindex",
    status_code=202,
    summary="Start a run that indexes the source anew beside what is searched, and then replaces that in one step",
    description="Items can be added and deleted meanwhile; they are in what replaces the old ones.",
    responses={202: _JOB},
    openapi_extra=describe_body(schemas.ReindexRequest, required=False),
)
async def start_reindex(request: Request, name: str) -> Response:
    service = get_service(request, name)
    body = await parse_json(request, schemas.ReindexRequest, allow_empty=True)
    options = await service.run_blocking(to_reindex_options, service, body)
    return _job_response(request, name, service.jobs.start("reindex", **options))


def _job_response(request: Request, name: str, job: Job) -> Response:
    return json_response(job.to_dict(), 202, {"Location": job_path(request, name, job.id)})


@router.get("/ingest", summary="Get the active run, or else the last one", responses={200: _JOB})
async def get_latest_job(request: Request, name: str) -> Response:
    job = get_service(request, name).jobs.latest
    if job is None:
        raise ApiError(404, "there was no run since the server started", hint=f"POST /api/{name}/ingest starts one")
    return json_response(job.to_dict())


@router.get("/ingest/{id}", summary="Get one of the last 20 runs", responses={200: _JOB})
async def get_job(request: Request, name: str, id: str) -> Response:
    return json_response(get_service(request, name).jobs.get(id).to_dict())


@router.delete(
    "/ingest/{id}", status_code=202, summary="Cancel a run; finished batches are kept", responses={202: _JOB}
)
async def cancel_job(request: Request, name: str, id: str) -> Response:
    jobs = get_service(request, name).jobs
    job = jobs.get(id)
    jobs.cancel(job)
    return json_response(job.to_dict(), 202)


@router.get(
    "/ingest/{id}/events",
    response_class=Response,
    summary="Follow a run by server-sent events",
    description="Events `progress` and, last, `end`, each with the run as JSON.",
    responses={200: {"content": {"text/event-stream": {"schema": _EVENT}}}},
)
async def stream_events(request: Request, name: str, id: str) -> Response:
    job, state = get_service(request, name).jobs.get(id), get_state(request)
    if state.open_streams >= state.settings.max_streams:
        raise ApiError(
            429,
            f"{state.open_streams} event streams are open already",
            hint=f"poll /api/{name}/ingest/{id} instead",
            headers={"Connection": "close"},
        )
    state.open_streams += 1
    state.metrics.streams.set(state.open_streams)
    return _EventStream(_iter_events(job, state), state)


class _EventStream(StreamingResponse):
    """A stream that is counted until it ends, whatever ends it."""

    def __init__(self, content: AsyncIterator[bytes], state: AppState) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(content, headers=headers, media_type="text/event-stream")
        self._state = state

    async def __call__(self, *asgi: Any) -> None:
        try:
            await super().__call__(*asgi)
        finally:
            self._state.open_streams -= 1
            self._state.metrics.streams.set(self._state.open_streams)


async def _iter_events(job: Job, state: AppState) -> AsyncIterator[bytes]:
    last_revision, last_sent = -1, time.monotonic()
    while True:
        is_active, revision = job.is_active and not state.is_closing, job.revision
        if not is_active:
            yield _format_event("end", job)
            return
        if revision != last_revision:
            last_revision, last_sent = revision, time.monotonic()
            yield _format_event("progress", job)
        elif time.monotonic() - last_sent > state.settings.heartbeat_seconds:
            last_sent = time.monotonic()
            yield b": still here\n\n"
        await asyncio.sleep(_POLL_SECONDS)


def _format_event(name: str, job: Job) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(job.to_dict()))


@router.get(
    "/failures",
    summary="List the items that could not be indexed, and why",
    responses={200: {"model": schemas.FailurePage}},
)
async def list_failures(
    request: Request,
    name: str,
    limit: PageLimit = 50,
    cursor: Annotated[str, Query(max_length=4096)] = "",
) -> Response:
    service = get_service(request, name)
    require_page_limit(limit, service.settings)
    return json_response(await service.run_blocking(_failure_page, service, limit, cursor))


def _failure_page(service: SolutionService, limit: int, cursor: str) -> dict[str, Any]:
    failures, next_cursor, total = service.solution.metadata.list_failures(limit, cursor)
    return {"failures": [failure.to_dict() for failure in failures], "next": next_cursor, "total": total}
