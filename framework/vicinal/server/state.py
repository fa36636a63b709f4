"""All that one application serves: its solutions by name, its settings, its counters."""

from __future__ import annotations

import asyncio
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

__all__ = ["AppState", "host_of", "served_of"]


class AppState:
    """The solutions of one application."""

    def __init__(self, solutions: Sequence[Solution | str | Path], settings: Settings) -> None:
        """
        Raises:
            ConfigError: a YAML file is wrong, or two solutions have one name.
        """
        self.settings = settings
        self.metrics = Metrics()
        self.streams = 0
        self.closing = False
        self.solutions: dict[str, SolutionService] = {}
        for given in solutions:
            solution = given if isinstance(given, Solution) else Solution.from_yaml(given)
            if solution.name in self.solutions:
                raise ConfigError(
                    f"two solutions are named {solution.name!r}", hint="a server needs a name for each; change one"
                )
            self.solutions[solution.name] = SolutionService(solution, settings, self.metrics)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open every solution, watch over them, and close them in the end."""
        await asyncio.gather(*(served.open() for served in self.solutions.values()))
        watchers = [asyncio.create_task(served.watch()) for served in self.solutions.values()]
        try:
            yield
        finally:
            self.closing = True
            for watcher in watchers:
                watcher.cancel()
                with suppress(asyncio.CancelledError):
                    await watcher
            await asyncio.gather(*(served.close() for served in self.solutions.values()))


def host_of(request: Request) -> AppState:
    """The host of the application that a request came to."""
    host: AppState = request.app.state.host
    return host


def served_of(request: Request, name: str) -> SolutionService:
    """A solution by its name.

    Raises:
        Problem: 404, there is none.
    """
    try:
        return host_of(request).solutions[name]
    except KeyError:
        raise ApiError(404, f"no solution is named {name[:100]!r}") from None
