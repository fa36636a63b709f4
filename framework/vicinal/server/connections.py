"""The connections of a server: how many there may be, and how long one may keep it waiting.

Whoever connects and says nothing, or asks and does not read the answer, costs the server a file and memory for as long
as they like. So a connection ends once its client has been due for too long: with the whole head of a request, with the
next part of a body, or with reading on. One on which the server itself is due, as an event stream, may stay.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from vicinal.server.api_errors import ApiError, respond
from vicinal.server.settings import Settings

__all__ = ["Connection", "allow_files", "end_overdue", "limited"]

_FILES = 65_536
_SPARE_FILES = 256


def allow_files() -> int:
    """Let this process open as many files as it needs, where the system allows it: how many it may open then."""
    try:
        import resource
    except ImportError:  # Windows bounds sockets by memory alone
        return _FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = _FILES if hard == unlimited else min(_FILES, hard)
    if soft == unlimited or soft >= wanted:
        return _FILES if soft == unlimited else soft
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def limited(settings: Settings, files: int) -> Callable[..., Connection]:
    """How a server makes a connection, where ``files`` may be open: some of them are left to stores and pictures."""
    return partial(Connection, most=min(settings.max_connections, max(files // 2, files - _SPARE_FILES)))


def end_overdue(connections: Iterable[Any], settings: Settings) -> None:
    """End those whose client has been due for too long; to be called every second or so."""
    now = time.monotonic()
    for connection in [*connections]:
        if isinstance(connection, Connection) and now - connection.due_since(now) > settings.client_seconds:
            connection.end()


class Connection(HttpToolsProtocol):
    """A connection that notes since when its client is due; one too many is refused at once."""

    def __init__(self, *args: Any, most: int, **more: Any) -> None:
        super().__init__(*args, **more)
        self._most = most
        self._since = time.monotonic()
        self._unread = 0
        self._cycles: list[RequestResponseCycle] = []

    def due_since(self, now: float) -> float:
        """Since when it is the client's turn; ``now`` where it is the server's, or the client has read since."""
        unread = self.transport.get_write_buffer_size()
        if not (self._is_to_read(unread) or self._is_to_send()) or unread < self._unread:
            self._since = now
        self._unread = unread
        return self._since

    def end(self) -> None:
        """End it at once, whatever is still to be sent."""
        self._tell_of_the_end()
        self.transport.abort()

    def _tell_of_the_end(self) -> None:
        """uvicorn tells the last request alone; one before it in a pipeline would write on, and fail."""
        for cycle in self._cycles:
            cycle.disconnected = not cycle.response_complete
            cycle.message_event.set()

    def _is_to_read(self, unread: int) -> bool:
        """Whether nothing more is written until the client reads."""
        return unread > 0 and (self.flow.write_paused or self.cycle is None or self.cycle.response_complete)

    def _is_to_send(self) -> bool:
        """Whether a request, or more of its body, is waited for."""
        if self.cycle is None or self.cycle.response_complete:
            return True
        return self.cycle.more_body and not self.flow.read_paused

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._most:
            transport.write(_refusal(self._most))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._tell_of_the_end()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        self._since = time.monotonic()
        super().on_headers_complete()
        self._cycles = [*(cycle for cycle in self._cycles if not cycle.response_complete), self.cycle]

    def on_body(self, body: bytes) -> None:
        self._since = time.monotonic()
        super().on_body(body)


def _refusal(most: int) -> bytes:
    error = f"{most:,} connections are open already"
    answer = respond(ApiError(503, error, hint="try again in a moment", headers={"Connection": "close"}))
    head = b"".join(b"%s: %s\r\n" % pair for pair in answer.raw_headers)
    return b"HTTP/1.1 503 Service Unavailable\r\n%s\r\n%s" % (head, answer.body)
