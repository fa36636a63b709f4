"""Connections of the server: a limit on their number, and protection against slow clients (slowloris).

A client that connects and sends nothing, or does not read its response, costs a file descriptor and memory for as long
as it likes. So a connection is closed once its client has been idle for ``client_timeout_seconds`` while the server
waits for the request head, the next part of the body, or the client's reading. While the client waits for the server,
as on an event stream, the connection stays open.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from vicinal.server.api_errors import ApiError, to_response
from vicinal.server.settings import Settings

__all__ = ["HttpConnection", "close_slow_clients", "connection_factory", "raise_file_limit"]

_MAX_OPEN_FILES = 65_536
_RESERVED_FILES = 256


def raise_file_limit() -> int:
    """Raise the limit of open files (``ulimit -n``) as far as the system allows; return the limit that holds."""
    try:
        import resource
    except ImportError:  # Windows limits sockets by memory only
        return _MAX_OPEN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    target = _MAX_OPEN_FILES if hard == unlimited else min(_MAX_OPEN_FILES, hard)
    if soft == unlimited or soft >= target:
        return _MAX_OPEN_FILES if soft == unlimited else soft
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def connection_factory(settings: Settings, max_open_files: int) -> Callable[..., HttpConnection]:
    """Return what uvicorn calls to create a connection; some files are reserved for stores and media."""
    max_connections = min(settings.max_connections, max(max_open_files // 2, max_open_files - _RESERVED_FILES))
    return partial(HttpConnection, max_connections=max_connections)


def close_slow_clients(connections: Iterable[Any], settings: Settings) -> None:
    """Close connections whose client has been idle for too long; call it about once a second."""
    now = time.monotonic()
    for connection in [*connections]:
        if (
            isinstance(connection, HttpConnection)
            and now - connection.idle_since(now) > settings.client_timeout_seconds
        ):
            connection.abort()


class HttpConnection(HttpToolsProtocol):
    """A connection that tracks since when its client is idle; one above the limit is refused at once."""

    def __init__(self, *args: Any, max_connections: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self._max_connections = max_connections
        self._idle_since = time.monotonic()
        self._unread_bytes = 0
        self._cycles: list[RequestResponseCycle] = []

    def idle_since(self, now: float) -> float:
        """Return since when the server waits for the client; ``now`` if it does not, or if the client made progress."""
        unread_bytes = self.transport.get_write_buffer_size()
        is_waiting = self._client_must_read(unread_bytes) or self._client_must_send()
        if not is_waiting or unread_bytes < self._unread_bytes:
            self._idle_since = now
        self._unread_bytes = unread_bytes
        return self._idle_since

    def abort(self) -> None:
        """Close the connection at once and discard what is still to be sent."""
        self._signal_disconnect()
        self.transport.abort()

    def _signal_disconnect(self) -> None:
        """uvicorn signals disconnect only to the last pipelined request; signal earlier ones too.

        An earlier one would otherwise write on, and fail.
        """
        for cycle in self._cycles:
            cycle.disconnected = not cycle.response_complete
            cycle.message_event.set()

    def _client_must_read(self, unread_bytes: int) -> bool:
        """Return whether nothing more is written until the client reads."""
        return unread_bytes > 0 and (self.flow.write_paused or self.cycle is None or self.cycle.response_complete)

    def _client_must_send(self) -> bool:
        """Return whether the server waits for a request, or for more of its body."""
        if self.cycle is None or self.cycle.response_complete:
            return True
        return self.cycle.more_body and not self.flow.read_paused

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._max_connections:
            transport.write(_too_many_connections(self._max_connections))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._signal_disconnect()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        self._idle_since = time.monotonic()
        super().on_headers_complete()
        self._cycles = [*(cycle for cycle in self._cycles if not cycle.response_complete), self.cycle]

    def on_body(self, body: bytes) -> None:
        self._idle_since = time.monotonic()
        super().on_body(body)


def _too_many_connections(max_connections: int) -> bytes:
    """Return the raw HTTP response with status 503."""
    error = f"{max_connections:,} connections are open already"
    response = to_response(ApiError(503, error, hint="retry in a moment", headers={"Connection": "close"}))
    head = b"".join(b"%s: %s\r\n" % pair for pair in response.raw_headers)
    return b"HTTP/1.1 503 Service Unavailable\r\n%s\r\n%s" % (head, response.body)
