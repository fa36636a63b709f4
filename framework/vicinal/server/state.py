"""The state of one application: its solutions by name, its settings, its metrics."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import Request

from vicinal.errors import ConfigError
from vicinal.server.api_errors import ApiError
from vicinal.server.metrics import Metrics
from vicinal.server.service import SolutionService
from vicinal.server.settings import Settings
from vicinal.solution.solution import Solution

__all__ = ["AppState", "get_service", "get_state"]


class AppState:
    """What the routes and the middleware of one application share."""

    def __init__(self, solutions: Sequence[Solution | str | Path], settings: Settings) -> None:
        """
        Raises:
            ConfigError: a YAML file is invalid, or two solutions have one name.
        """
        self.settings = settings
        self.metrics = Metrics()
        self.open_streams = 0
        self.is_draining = False
        """Whether the server is about to end, and answers until then."""
        self.is_closing = False
        self.services: dict[str, SolutionService] = {}
        for given in solutions:
            solution = given if isinstance(given, Solution) else Solution.from_yaml(given)
            if solution.name in self.services:
                raise ConfigError(f"two solutions are named {solution.name!r}", hint="rename one of them")
            self.services[solution.name] = SolutionService(solution, settings, self.metrics)

    def publish_address(self, url: str) -> None:
        """Publish to other terminals that this server answers for the embedded Milvus files that it holds."""
        for service in self.services.values():
            service.solution.publish_address(url)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Open every solution, monitor its health, and close it at the end."""
        await asyncio.to_thread(_import_scipy)
        services = self.services.values()
        await asyncio.gather(*(service.open() for service in services))
        monitors = [asyncio.create_task(service.monitor_health()) for service in services]
        try:
            yield
        finally:
            self.is_closing = True
            for monitor in monitors:
                monitor.cancel()
                with suppress(asyncio.CancelledError):
                    await monitor
            await asyncio.gather(*(service.close() for service in services))


def _import_scipy() -> None:
    """Import it before threads do: its modules import one another in circles, which is not thread-safe.

    pymilvus and transformers import it on first use. When two solutions were first indexed at the same moment, one of
    the jobs failed with "partially initialized module" or ``KeyError: 'scipy.sparse'``.
    """
    with suppress(ImportError):
        importlib.import_module("scipy.sparse")


def get_state(request: Request) -> AppState:
    """Return the state of the application that received the request."""
    state: AppState = request.app.state.vicinal
    return state


def get_service(request: Request, name: str) -> SolutionService:
    """Return a solution's service by the solution's name.

    Raises:
        ApiError: 404, there is none.
    """
    try:
        return get_state(request).services[name]
    except KeyError:
        raise ApiError(404, f"no solution is named {name[:100]!r}") from None
