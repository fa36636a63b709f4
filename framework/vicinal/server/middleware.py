"""ASGI middleware.

Every request is checked for an API key and its size, gets security headers, and is counted. ``HEAD`` works wherever
``GET`` does, and requests may come through a proxy with a path prefix.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Mapping
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from urllib.parse import unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vicinal.server.api_errors import ApiError, to_api_error, to_response
from vicinal.server.settings import Settings
from vicinal.server.state import AppState

__all__ = ["COOKIE", "HeadMiddleware", "RootPathMiddleware", "SecurityMiddleware", "is_authorized", "is_valid_key"]

logger = logging.getLogger("vicinal.access")

COOKIE = "vicinal_key"

_FORM_OVERHEAD_BYTES = 64 * 1024
_PROTECTED_PREFIXES = ("/api/", "/metrics")
_PUBLIC_PATHS = ("/api/session",)
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; style-src 'self'; script-src 'self';"
        " object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
}


class SecurityMiddleware:
    """Checks the API key and the body's size, adds security headers, counts requests, and answers unexpected errors."""

    def __init__(self, app: ASGIApp, state: AppState) -> None:
        self._app = app
        self._state = state
        self._settings = state.settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, is_started = time.perf_counter(), 500, False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, is_started
            if message["type"] == "http.response.start":
                status, is_started = message["status"], True
                headers = MutableHeaders(scope=message)
                for name, value in self._security_headers().items():
                    headers.setdefault(name, value)
                if self._state.is_draining:  # a proxy shall not send the next request on this connection
                    headers["Connection"] = "close"
            await send(message)

        try:
            await self._app(scope, self._authorize_and_limit(scope, receive), send_with_headers)
        except Exception as error:
            if is_started:
                raise
            await to_response(to_api_error(error))(scope, receive, send_with_headers)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            seconds = time.perf_counter() - started
            self._state.metrics.count_request(route, scope["method"], status, seconds)
            if logger.isEnabledFor(logging.DEBUG):
                _log_request(scope, route, status, seconds * 1000)

    def _security_headers(self) -> Mapping[str, str]:
        if not self._settings.cors_origins:
            return _SECURITY_HEADERS
        return {**_SECURITY_HEADERS, "Cross-Origin-Resource-Policy": "cross-origin"}

    def _authorize_and_limit(self, scope: Scope, receive: Receive) -> Receive:
        """Check the key and the declared size; return a ``receive`` that fails once the body grows too large.

        Raises:
            ApiError: 401, no valid key; 413, the declared length is too large.
        """
        headers = Headers(scope=scope)
        if _is_protected(scope) and not is_authorized(headers, self._settings):
            raise ApiError(
                401,
                "an API key is required",
                hint="send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`",
                headers={"WWW-Authenticate": "Bearer"},
            )
        max_bytes = self._max_body_bytes(headers)
        content_length = headers.get("content-length", "")
        if content_length.isdecimal() and int(content_length) > max_bytes:
            raise _too_large_error(max_bytes)
        if content_length == "0" or (not content_length and "transfer-encoding" not in headers):
            return receive
        return _limit_body(receive, max_bytes)

    def _max_body_bytes(self, headers: Headers) -> int:
        if headers.get("content-type", "").startswith("multipart/form-data"):
            return self._settings.upload_bytes + _FORM_OVERHEAD_BYTES
        return self._settings.body_bytes


def _log_request(scope: Scope, route: str, status: int, milliseconds: float) -> None:
    """Log a request by its route: its path and its query may tell contents."""
    fields = {"method": scope["method"], "route": route, "status": status, "milliseconds": round(milliseconds, 3)}
    if (name := scope.get("path_params", {}).get("name")) is not None:
        fields["solution"] = name
    logger.debug("%s %s %d, %.1f ms", scope["method"], route, status, milliseconds, extra=fields)


def _is_protected(scope: Scope) -> bool:
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    return path.startswith(_PROTECTED_PREFIXES) and path not in _PUBLIC_PATHS and scope["method"] != "OPTIONS"


def _limit_body(receive: Receive, max_bytes: int) -> Receive:
    """Wrap ``receive`` so that it raises the 413 once more than ``max_bytes`` have arrived."""
    bytes_left = max_bytes

    async def receive_limited() -> Message:
        nonlocal bytes_left
        message = await receive()
        bytes_left -= len(message.get("body", b""))
        if bytes_left < 0:
            raise _too_large_error(max_bytes)
        return message

    return receive_limited


def _too_large_error(max_bytes: int) -> ApiError:
    return ApiError(
        413,
        f"more than the {max_bytes / 1_000_000:.4g} MB that the server takes",
        hint="VICINAL_MAX_UPLOAD_MB and VICINAL_MAX_BODY_KB set these limits",
        headers={"Connection": "close"},
    )


def is_authorized(headers: Headers, settings: Settings) -> bool:
    """Return whether a request with these headers may use the API."""
    if not settings.api_keys:
        return True
    scheme, _, token = headers.get("authorization", "").partition(" ")
    presented_keys = [token.strip()] if scheme.lower() == "bearer" else []
    presented_keys += [headers.get("x-api-key", ""), _read_cookie(headers)]
    return sum(is_valid_key(key.encode("latin-1"), settings) for key in presented_keys if key) > 0


def is_valid_key(key: bytes, settings: Settings) -> bool:
    """Return whether it is one of the API keys, in a time that does not depend on which."""
    digest = sha256(key).digest()
    return sum(hmac.compare_digest(digest, sha256(valid.encode()).digest()) for valid in settings.api_keys) > 0


def _read_cookie(headers: Headers) -> str:
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return unquote(cookie.value, "latin-1") if cookie else ""


class HeadMiddleware:
    """Answers ``HEAD`` on every route for ``GET``, without the body; a streamed body is cancelled at once."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope, receive, send = _as_bodyless_get(scope, receive, send)
        await self._app(scope, receive, send)


def _as_bodyless_get(scope: Scope, receive: Receive, send: Send) -> tuple[Scope, Receive, Send]:
    """Turn the request into a ``GET`` whose client disconnects as soon as it has the headers."""
    is_received, is_sent = False, asyncio.Event()

    async def receive_once() -> Message:
        nonlocal is_received
        if not is_received:
            is_received = True
            return await receive()
        await is_sent.wait()
        return {"type": "http.disconnect"}

    async def send_without_body(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
        elif not is_sent.is_set():
            is_sent.set()
            await send({"type": "http.response.body"})

    return {**scope, "method": "GET"}, receive_once, send_without_body


class RootPathMiddleware:
    """Tells the application its path prefix, whether or not the proxy strips it: ASGI's ``path`` includes it."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "root_path": self._root_path}
            if scope["path"] == self._root_path:
                scope["path"] += "/"
            elif not scope["path"].startswith(f"{self._root_path}/"):
                scope["path"] = self._root_path + scope["path"]
                scope["raw_path"] = self._root_path.encode() + scope.get("raw_path", b"")
        await self._app(scope, receive, send)
