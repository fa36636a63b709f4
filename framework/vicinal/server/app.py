"""The ASGI application: solutions behind HTTP. All state is in the application; a process may hold several."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

import vicinal
from vicinal.server.api_errors import add_exception_handlers
from vicinal.server.middleware import HeadMiddleware, RootPathMiddleware, SecurityMiddleware
from vicinal.server.openapi import build_document
from vicinal.server.routes import (
    duplicates,
    evaluation,
    ingest,
    items,
    map,
    promotion,
    rows,
    search,
    suggestions,
    system,
)
from vicinal.server.settings import Settings
from vicinal.server.state import AppState
from vicinal.server.tracing import TraceMiddleware
from vicinal.solution.solution import Solution
from vicinal.toolkit.tracing import get_tracer

__all__ = ["create_app"]


def create_app(solutions: Sequence[Solution | str | Path], *, settings: Settings | None = None) -> FastAPI:
    """Create an ASGI application that serves these solutions, given as objects or as YAML files.

    Stores are opened when the application starts and closed when it ends. If a store is unreachable at the start, the
    application starts nevertheless and retries until the store responds.

    Args:
        settings: limits and keys; by default those of the environment, see ``Settings``.

    Raises:
        ConfigError: a YAML file or an environment variable is invalid, or two solutions have one name.
    """
    state = AppState(solutions, settings or Settings.from_environment())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with state.lifespan():
            yield

    app = FastAPI(
        title="vicinal",
        version=vicinal.__version__,
        description="Similarity search over your items: what is near this text, this molecule, this file?",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,  # what generated clients call their functions
        telemetry={"tracing": False, "logs": False},  # of newer FastAPI; its spans tell paths, which hold items' keys
    )
    app.state.vicinal = state
    app.openapi = lambda: build_document(app)  # type: ignore[method-assign]
    modules = (
        search,
        suggestions,
        system,
        ingest,
        promotion,
        map,
        duplicates,
        evaluation,
        rows,
        items,
    )  # matched in this order
    routers = [module.router for module in modules]
    for router in routers:
        app.include_router(router)
    routes = [*app.routes, *(route for router in routers for route in router.routes)]
    add_exception_handlers(app, [route for route in routes if isinstance(route, Route)])
    app.add_middleware(SecurityMiddleware, state=state)
    if (tracer := get_tracer()) is not None:
        app.add_middleware(TraceMiddleware, tracer=tracer)
    app.add_middleware(HeadMiddleware)
    if state.settings.cors_origins:  # outermost, so that a page of another origin can read why it was refused
        app.add_middleware(
            CORSMiddleware,
            allow_origins=state.settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key"],
        )
    if state.settings.root_path:
        app.add_middleware(RootPathMiddleware, root_path=state.settings.root_path)
    return app
