"""What every request passes first and every answer last: keys, sizes, security headers, counting."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from urllib.parse import unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vicinal.server.api_errors import ApiError, respond
from vicinal.server.settings import Settings
from vicinal.server.state import AppState

__all__ = ["COOKIE", "SecurityMiddleware", "is_known", "may"]

COOKIE = "vicinal_key"

_FRAME = 64 * 1024
_GUARDED = ("/api/", "/metrics")
_OPEN = ("/api/session",)
_HEADERS = {
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
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, host: AppState) -> None:
        self._app = app
        self._host = host
        self._settings = host.settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def finish(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in self._headers(scope).items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            received = self._admit(scope, receive)
        except ApiError as error:
            await respond(error)(scope, receive, finish)
        else:
            await self._app(scope, received, finish)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            self._host.metrics.requested(route, scope["method"], status, time.perf_counter() - began)

    def _headers(self, scope: Scope) -> Mapping[str, str]:
        if not self._settings.cors_origins:
            return _HEADERS
        return {**_HEADERS, "Cross-Origin-Resource-Policy": "cross-origin"}

    def _admit(self, scope: Scope, receive: Receive) -> Receive:
        """Let a request in: the way to read its body, which ends where it grows too large.

        Raises:
            Problem: 401, it shows no key; 413, it says itself that it is too large.
        """
        headers = Headers(scope=scope)
        path: str = scope["path"]
        if (
            path.startswith(_GUARDED)
            and path not in _OPEN
            and scope["method"] != "OPTIONS"
            and not may(headers, self._settings)
        ):
            raise ApiError(
                401,
                "an API key is needed",
                hint="send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`",
                headers={"WWW-Authenticate": "Bearer"},
            )
        most = self._most(headers)
        said = headers.get("content-length", "")
        if said.isdecimal() and int(said) > most:
            raise _too_large(most)
        if said == "0" or (not said and "transfer-encoding" not in headers):
            return receive
        left = most

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise _too_large(most)
            return message

        return counted

    def _most(self, headers: Headers) -> int:
        if headers.get("content-type", "").startswith("multipart/form-data"):
            return self._settings.upload_bytes + _FRAME
        return self._settings.body_bytes


def _too_large(most: int) -> ApiError:
    return ApiError(
        413,
        f"more than the {most / 1_000_000:.4g} MB that the server takes",
        hint="VICINAL_MAX_UPLOAD_MB and VICINAL_MAX_BODY_KB set these limits",
        headers={"Connection": "close"},
    )


def may(headers: Headers, settings: Settings) -> bool:
    """Whether whoever sends these headers may use the API."""
    if not settings.api_keys:
        return True
    scheme, _, token = headers.get("authorization", "").partition(" ")
    shown = [token.strip()] if scheme.lower() == "bearer" else []
    shown += [headers.get("x-api-key", ""), _cookie(headers)]
    return sum(is_known(key.encode("latin-1"), settings) for key in shown if key) > 0


def is_known(key: bytes, settings: Settings) -> bool:
    """Whether it is one of the keys, found out in a time that tells nothing of them."""
    digest = sha256(key).digest()
    return sum(hmac.compare_digest(digest, sha256(known.encode()).digest()) for known in settings.api_keys) > 0


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return unquote(found.value, "latin-1") if found else ""
