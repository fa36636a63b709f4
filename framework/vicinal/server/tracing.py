"""A span for each request of the API, the child of the caller's span where a ``traceparent`` names one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

__all__ = ["TraceMiddleware"]


class TraceMiddleware:
    """Traces requests below ``/api/``, by their route: a path and a query may tell contents. Probes are not traced."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].removeprefix(scope.get("root_path", "")).startswith("/api/"):
            await self._app(scope, receive, send)
            return
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        status = 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._tracer.start_as_current_span(
            scope["method"], extract(dict(Headers(scope=scope))), SpanKind.SERVER, record_exception=False
        ) as span:
            try:
                await self._app(scope, receive, send_and_note)
            finally:
                _describe_request(span, scope, status)


def _describe_request(span: Span, scope: Scope, status: int) -> None:
    from opentelemetry.trace import StatusCode

    route, method = getattr(scope.get("route"), "path", "unmatched"), scope["method"]
    span.update_name(f"{method} {route}")
    span.set_attributes({"http.request.method": method, "http.route": route, "http.response.status_code": status})
    if name := scope.get("path_params", {}).get("name"):
        span.set_attribute("vicinal.solution", name)
    if status >= 500:
        span.set_status(StatusCode.ERROR)
