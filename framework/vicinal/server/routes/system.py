"""The routes about the server itself: what it serves, whether it is well, what it counts, who may use it, the page."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Request, Response
from starlette.responses import FileResponse, HTMLResponse

from vicinal.server import schemas
from vicinal.server.api_errors import ApiError
from vicinal.server.middleware import COOKIE, is_known, may
from vicinal.server.openapi import STYLE, body
from vicinal.server.openapi import page as docs_page
from vicinal.server.request_body import json_of
from vicinal.server.state import host_of, served_of

__all__ = ["router"]

router = APIRouter()

_PAGE = Path(__file__).parents[1] / "page"


@router.get(
    "/api/solutions", tags=["solutions"], summary="What is served", responses={200: {"model": schemas.Solutions}}
)
async def solutions(request: Request) -> Response:
    served = list(host_of(request).solutions.values())
    await asyncio.gather(*(one.check(age=1.0) for one in served))
    return _json({"solutions": [one.describe() for one in served]})


@router.get(
    "/api/{name}/stats", tags=["solutions"], summary="A solution in numbers", responses={200: {"model": schemas.Stats}}
)
async def stats(request: Request, name: str) -> Response:
    served = served_of(request, name)
    return _json(await served.call(served.solution.status))


@router.post(
    "/api/session",
    status_code=204,
    tags=["keys"],
    summary="Show an API key once, and keep it as a cookie",
    openapi_extra=body(schemas.Session),
)
async def begin_session(request: Request) -> Response:
    key = (await json_of(request, schemas.Session)).key
    settings = host_of(request).settings
    if settings.api_keys and not is_known(key.encode(), settings):
        raise ApiError(401, "this API key is not known")
    response = Response(status_code=204)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, quote(key, safe=""), httponly=True, samesite="strict", secure=secure)
    return response


@router.delete("/api/session", status_code=204, tags=["keys"], summary="Forget the cookie")
async def end_session(request: Request) -> Response:
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


@router.get(
    "/healthz",
    tags=["health"],
    summary="Whether the server runs",
    responses={200: {"content": {"application/json": {"example": {"ok": True}}}}},
)
async def healthz() -> Response:
    return _json({"ok": True})


@router.get(
    "/readyz", tags=["health"], summary="Whether every solution answers", responses={200: {"model": schemas.Readiness}}
)
async def readyz(request: Request) -> Response:
    host = host_of(request)
    served = list(host.solutions.values())
    await asyncio.gather(*(one.check(age=1.0) for one in served))
    told = may(request.headers, host.settings)
    states = {one.name: {"ready": one.ready, "reason": one.reason if told else ""} for one in served}
    if not all(one.ready for one in served):
        names = ", ".join(one.name for one in served if not one.ready)
        raise ApiError(503, f"not ready: {names}", more={"ready": False, "solutions": states})
    return _json({"ready": True, "solutions": states})


@router.get(
    "/metrics",
    tags=["health"],
    summary="What it counts, for Prometheus",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    return Response(host_of(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    return HTMLResponse(docs_page(request.app.openapi()))


@router.get("/docs.css", include_in_schema=False)
async def docs_style() -> Response:
    return Response(STYLE, media_type="text/css")


@router.get("/", include_in_schema=False)
async def index() -> Response:
    return _file("index.html")


@router.get("/page/{file}", include_in_schema=False)
async def file(file: str) -> Response:
    return _file(file)


def _file(name: str) -> Response:
    """A file of the page; a name that is not in its folder is not looked for."""
    if name not in {path.name for path in _PAGE.glob("*.*")}:
        raise ApiError(404, f"the page has no file {name[:100]!r}")
    return FileResponse(_PAGE / name, headers={"Cache-Control": "no-cache"})


def _json(value: object) -> Response:
    return Response(orjson.dumps(value, default=str), media_type="application/json")
