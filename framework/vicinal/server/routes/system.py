"""The routes about the server: its solutions, its health, its metrics, sessions, and the page."""

from __future__ import annotations

import asyncio
from html import escape
from pathlib import Path
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from starlette.responses import FileResponse, HTMLResponse

from vicinal.server import docs_page, schemas
from vicinal.server.api_errors import ApiError
from vicinal.server.middleware import COOKIE, is_authorized, is_valid_key
from vicinal.server.openapi import describe_body
from vicinal.server.paths import root_path
from vicinal.server.request_body import parse_json
from vicinal.server.responses import json_response
from vicinal.server.service import SolutionService
from vicinal.server.state import get_service, get_state

__all__ = ["router"]

router = APIRouter()

_PAGE = Path(__file__).parents[1] / "page"


@router.get(
    "/api/solutions",
    tags=["solutions"],
    summary="List the solutions, with what they are searched with",
    responses={200: {"model": schemas.SolutionList}},
)
async def list_solutions(request: Request) -> Response:
    services = list(get_state(request).services.values())
    await asyncio.gather(*(service.check_health(max_age=1.0) for service in services))
    return json_response({"solutions": [service.describe() for service in services]})


@router.get(
    "/api/{name}/stats",
    tags=["solutions"],
    summary="Get the counts, the index and the stores of a solution",
    responses={200: {"model": schemas.Stats}},
)
async def get_stats(request: Request, name: str) -> Response:
    service = get_service(request, name)
    return json_response(await service.run_blocking(service.solution.status))


@router.post(
    "/api/session",
    status_code=204,
    tags=["keys"],
    summary="Exchange an API key for a cookie",
    openapi_extra=describe_body(schemas.SessionRequest),
)
async def create_session(request: Request) -> Response:
    key = (await parse_json(request, schemas.SessionRequest)).key
    settings = get_state(request).settings
    if settings.api_keys and not is_valid_key(key.encode(), settings):
        raise ApiError(401, "invalid API key")
    response = Response(status_code=204)
    is_https = request.url.scheme == "https"
    cookie = quote(key, safe="")
    response.set_cookie(COOKIE, cookie, path=_cookie_path(request), httponly=True, samesite="strict", secure=is_https)
    return response


@router.delete("/api/session", status_code=204, tags=["keys"], summary="Delete the cookie")
async def delete_session(request: Request) -> Response:
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path=_cookie_path(request), httponly=True, samesite="strict")
    return response


def _cookie_path(request: Request) -> str:
    """Limit the cookie to the prefix, if there is one: the host may serve other applications."""
    return root_path(request) or "/"


@router.get(
    "/healthz",
    tags=["health"],
    summary="Check that the process is running",
    responses={200: {"content": {"application/json": {"example": {"ok": True}}}}},
)
async def check_liveness() -> Response:
    return json_response({"ok": True})


@router.get(
    "/readyz",
    tags=["health"],
    summary="Check that every solution is ready",
    responses={200: {"model": schemas.Readiness}},
)
async def check_readiness(request: Request) -> Response:
    state = get_state(request)
    if state.is_draining or state.is_closing:
        raise ApiError(503, "not ready: the server is stopping", extra={"ready": False, "solutions": {}})
    services = list(state.services.values())
    await asyncio.gather(*(service.check_health(max_age=1.0) for service in services))
    show_reasons = is_authorized(request.headers, state.settings)
    reasons = {service.name: _unready_reason(service) for service in services}
    solutions = {
        name: {"ready": not reason, "reason": reason if show_reasons else ""} for name, reason in reasons.items()
    }
    if names := ", ".join(name for name, reason in reasons.items() if reason):
        raise ApiError(503, f"not ready: {names}", extra={"ready": False, "solutions": solutions})
    return json_response({"ready": True, "solutions": solutions})


def _unready_reason(service: SolutionService) -> str:
    """Why a load balancer should send no searches of this solution yet; empty where it may."""
    if not service.ready:
        return service.reason
    return service.unfit_reason or ("the model is being loaded" if service.is_loading_model else "")


@router.get(
    "/metrics",
    response_class=Response,
    tags=["health"],
    summary="Get metrics for Prometheus",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics(request: Request) -> Response:
    return Response(get_state(request).metrics.to_text(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/docs", include_in_schema=False)
async def get_docs(request: Request) -> Response:
    return HTMLResponse(docs_page.render_docs_page(request.app.openapi(), str(request.base_url).rstrip("/")))


@router.get("/docs.css", include_in_schema=False)
async def get_docs_css() -> Response:
    return Response(docs_page.CSS, media_type="text/css")


@router.get("/", include_in_schema=False)
async def get_page(request: Request) -> Response:
    """Serve the page. Its links are relative; with a known prefix they are absolute, since ``/search`` has no slash."""
    html = (_PAGE / "index.html").read_text(encoding="utf-8")
    if prefix := escape(root_path(request)):
        html = html.replace('="page/', f'="{prefix}/page/').replace('="docs"', f'="{prefix}/docs"')
    return HTMLResponse(html, headers={"Cache-Control": "no-cache"})


@router.get("/page/{file}", include_in_schema=False)
async def get_page_file(file: str) -> Response:
    return _page_file_response(file)


def _page_file_response(name: str) -> Response:
    """Serve a file of the page; a name that the folder does not list is never opened."""
    if name not in {path.name for path in _PAGE.glob("*.*")}:
        raise ApiError(404, f"the page has no file {name[:100]!r}")
    return FileResponse(_PAGE / name, headers={"Cache-Control": "no-cache"})
