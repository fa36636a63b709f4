"""The application: solutions behind HTTP, with nothing kept outside of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

import vicinal
from vicinal.server import api_errors as problems
from vicinal.server.head import Head
from vicinal.server.middleware import SecurityMiddleware
from vicinal.server.openapi import describe
from vicinal.server.routes import ingest, items, search, system
from vicinal.server.settings import Settings
from vicinal.server.state import AppState
from vicinal.solution.solution import Solution

__all__ = ["create_app"]


def create_app(solutions: Sequence[Solution | str | Path], *, settings: Settings | None = None) -> FastAPI:
    """An ASGI application that serves these solutions, given as they are or as YAML files.

    Stores are opened when it starts, and closed when it ends. A store that is away then is looked for again and again.

    Args:
        settings: limits and keys; by default what the environment says, see ``Settings``.

    Raises:
        ConfigError: a YAML file or the environment says something wrong, or two solutions have one name.
    """
    host = AppState(solutions, settings or Settings.from_environment())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with host.running():
            yield

    app = FastAPI(
        title="vicinal",
        version=vicinal.__version__,
        description="Similarity search over your items: what is near this text, this molecule, this file?",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.host = host
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    problems.install(app)
    for module in (search, system, ingest, items):  # routes are tried in this order
        app.include_router(module.router)
    app.add_middleware(SecurityMiddleware, host=host)
    app.add_middleware(Head)
    if host.settings.cors_origins:  # outermost, so that a page of another origin can read why it was refused
        app.add_middleware(
            CORSMiddleware,
            allow_origins=host.settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key"],
        )
    return app
