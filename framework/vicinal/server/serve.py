"""Running an application with uvicorn on a socket until a signal ends it."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI

from vicinal.server.connections import close_slow_clients, connection_factory, raise_file_limit
from vicinal.server.state import AppState
from vicinal.toolkit.logs import writes_json
from vicinal.toolkit.tracing import send_spans

__all__ = ["serve"]

_SHUTDOWN_SECONDS = 5
_SWITCH_INTERVAL_SECONDS = 0.0005
_TICKS_PER_SECOND = 10


def serve(app: FastAPI, listener: socket.socket, on_started: Callable[[], object]) -> None:
    """Serve until SIGINT or SIGTERM; ``on_started`` is called once requests are accepted.

    After SIGTERM it answers for ``drain_seconds`` more, and says at ``/readyz`` that it is not ready. At the end event
    streams are closed at once, a running job is cancelled, and other responses have a few seconds, after SIGTERM as
    long as a request may take: a proxy that has got an error for a search does not ask another replica.
    """
    config = uvicorn.Config(
        app,
        http=connection_factory(app.state.vicinal.settings, raise_file_limit()),  # type: ignore[arg-type]
        log_level="warning",
        log_config=None if writes_json() else uvicorn.config.LOGGING_CONFIG,  # None: by the root logger's handler
        access_log=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        server_header=False,
    )
    # A thread that computes in Python makes the others wait this long each time they return from the network.
    sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again once it has ended
        _Server(config, app.state.vicinal, on_started).run([listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, state: AppState, on_started: Callable[[], object]) -> None:
        super().__init__(config)
        self._state = state
        self._on_started = on_started
        self._drains_until = float("inf")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_PER_SECOND == 0:
            close_slow_clients(self.server_state.connections, self._state.settings)
        if time.monotonic() > self._drains_until:
            self._drains_until = float("inf")
            self.handle_exit(signal.SIGTERM, None)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the connections and the application; then uvicorn raises the signal again, which may end the process."""
        await super().shutdown(sockets)
        await asyncio.to_thread(send_spans)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End, or drain first where that is wanted; a second signal ends it at once."""
        drain_seconds = self._state.settings.drain_seconds
        if sig == signal.SIGTERM and drain_seconds and not self._state.is_draining:
            self._state.is_draining = True
            self._drains_until = time.monotonic() + drain_seconds
            return
        self._state.is_closing = True
        if sig == signal.SIGTERM:
            self.config.timeout_graceful_shutdown = math.ceil(self._state.settings.request_timeout_seconds)
        super().handle_exit(sig, frame)
