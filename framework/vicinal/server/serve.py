"""Running an application on a socket until it is told to end."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from vicinal.server.connections import allow_files, end_overdue, limited

__all__ = ["run"]

_GRACE_SECONDS = 5
_SWITCH_SECONDS = 0.0005
_TICKS_OF_A_SECOND = 10


def run(app: FastAPI, listener: socket.socket, started: Callable[[], object]) -> None:
    """Serve until SIGINT or SIGTERM; ``started`` is called once requests are taken.

    Event streams end at once then, other answers have a few seconds, and a run is called off.
    """
    config = uvicorn.Config(
        app,
        http=limited(app.state.host.settings, allow_files()),  # type: ignore[arg-type]
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        server_header=False,
    )
    # A thread that computes in Python keeps others waiting for this long each time they come back from the network.
    sys.setswitchinterval(_SWITCH_SECONDS)
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again once it has ended
        _Server(config, started).run([listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], object]) -> None:
        super().__init__(config)
        self._when_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._when_started()

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_OF_A_SECOND == 0:
            app: Any = self.config.app
            end_overdue(self.server_state.connections, app.state.host.settings)
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        app: Any = self.config.app
        app.state.host.closing = True
        super().handle_exit(sig, frame)
