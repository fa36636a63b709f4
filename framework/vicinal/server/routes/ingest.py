"""The routes for runs: begin one, see how far it is, call it off; and what could not be indexed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from starlette.responses import StreamingResponse

from vicinal.server import schemas
from vicinal.server.api_errors import ApiError, unprocessable
from vicinal.server.jobs import Job
from vicinal.server.openapi import body
from vicinal.server.request_body import json_of
from vicinal.server.service import SolutionService
from vicinal.server.state import AppState, host_of, served_of

__all__ = ["router"]

router = APIRouter(prefix="/api/{name}", tags=["ingest"])

_NEWS_SECONDS = 0.25
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
    summary="Index what is new or changed in the source, in the background",
    responses={202: _JOB},
    openapi_extra=body(schemas.IngestRequest, required=False),
)
async def ingest(request: Request, name: str) -> Response:
    served = served_of(request, name)
    asked = await json_of(request, schemas.IngestRequest, empty=True)
    if asked.prune and asked.limit is not None:
        raise unprocessable("limit", "prune and limit exclude each other: a limited run does not see every item")
    return _begun(served, served.jobs.start("ingest", prune=asked.prune, limit=asked.limit))


@router.post("/failures/retry", status_code=202, summary="Try the failed items again", responses={202: _JOB})
async def retry(request: Request, name: str) -> Response:
    served = served_of(request, name)
    return _begun(served, served.jobs.start("retry"))


def _begun(served: SolutionService, job: Job) -> Response:
    where = {"Location": f"/api/{served.name}/ingest/{job.id}"}
    return Response(orjson.dumps(job.to_dict()), 202, where, "application/json")


@router.get("/ingest", summary="The run that goes on, or the last one", responses={200: _JOB})
async def current(request: Request, name: str) -> Response:
    job = served_of(request, name).jobs.last
    if job is None:
        raise ApiError(404, "there was no run since the server started", hint=f"POST /api/{name}/ingest begins one")
    return _json(job.to_dict())


@router.get("/ingest/{id}", summary="One of the last runs", responses={200: _JOB})
async def one(request: Request, name: str, id: str) -> Response:
    return _json(served_of(request, name).jobs.get(id).to_dict())


@router.delete("/ingest/{id}", status_code=202, summary="Call a run off; what is done is kept", responses={202: _JOB})
async def cancel(request: Request, name: str, id: str) -> Response:
    jobs = served_of(request, name).jobs
    job = jobs.get(id)
    jobs.cancel(job)
    return _json(job.to_dict(), 202)


@router.get(
    "/ingest/{id}/events",
    summary="A run's progress as server-sent events",
    description="Events `progress` and, last, `end`, each with the run as JSON.",
    responses={200: {"content": {"text/event-stream": {"schema": _EVENT}}}},
)
async def events(request: Request, name: str, id: str) -> Response:
    job, host = served_of(request, name).jobs.get(id), host_of(request)
    if host.streams >= host.settings.max_streams:
        raise ApiError(
            429,
            f"{host.streams} event streams are open already",
            hint=f"poll /api/{name}/ingest/{id} instead",
            headers={"Connection": "close"},
        )
    host.streams += 1
    host.metrics.streams.set(host.streams)
    return _Events(_stream(request, job, host), host)


class _Events(StreamingResponse):
    """A stream that is counted until it ends, however it ends."""

    def __init__(self, content: AsyncIterator[bytes], host: AppState) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(content, headers=headers, media_type="text/event-stream")
        self._host = host

    async def __call__(self, *asgi: Any) -> None:
        try:
            await super().__call__(*asgi)
        finally:
            self._host.streams -= 1
            self._host.metrics.streams.set(self._host.streams)


async def _stream(request: Request, job: Job, host: AppState) -> AsyncIterator[bytes]:
    told, at = -1, time.monotonic()
    while True:
        live, changed = job.live and not host.closing, job.changed
        if not live:
            yield _event("end", job)
            return
        if changed != told:
            told, at = changed, time.monotonic()
            yield _event("progress", job)
        elif time.monotonic() - at > host.settings.heartbeat_seconds:
            at = time.monotonic()
            yield b": still here\n\n"
        await asyncio.sleep(_NEWS_SECONDS)


def _event(name: str, job: Job) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(job.to_dict()))


@router.get("/failures", summary="What could not be indexed, and why", responses={200: {"model": schemas.Failures}})
async def failures(
    request: Request,
    name: str,
    limit: Annotated[int, Query(ge=1)] = 50,
    cursor: Annotated[str, Query(max_length=4096)] = "",
) -> Response:
    served = served_of(request, name)
    if limit > served.settings.max_limit:
        raise unprocessable("limit", f"at most {served.settings.max_limit:,}")
    return _json(await served.call(_failures, served, limit, cursor))


def _failures(served: SolutionService, limit: int, cursor: str) -> dict[str, Any]:
    found, following, total = served.solution.metadata.failure_page(limit, cursor)
    return {"failures": [asdict(failure) for failure in found], "next": following, "total": total}


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value, default=str), status, media_type="application/json")
