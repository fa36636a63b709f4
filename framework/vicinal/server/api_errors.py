"""The one error body of the API, and the HTTP status of each of vicinal's errors."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Route

from vicinal import errors
from vicinal.server.paths import find_allowed_methods

__all__ = [
    "ApiError",
    "add_exception_handlers",
    "from_validation_error",
    "from_vicinal_error",
    "invalid_value",
    "to_api_error",
    "to_response",
    "unsuitable_value",
]

logger = logging.getLogger("vicinal.server")

RETRY_AFTER_SECONDS = 2

_STATUS: tuple[tuple[type[errors.VicinalError], int], ...] = (
    (errors.StoreUnreachableError, 503),
    (errors.StoreBusyError, 409),
    (errors.NothingIndexedError, 409),
    (errors.StoreMismatchError, 409),
    (errors.ItemExistsError, 409),
    (errors.UnknownItemError, 404),
    (errors.ItemError, 422),
    (errors.FilterError, 422),
    (errors.DependencyError, 503),
)

_HINTS = {
    404: "GET /docs lists the routes, GET /api/solutions the solutions",
    405: "GET /docs lists the routes and their methods",
}


class ApiError(Exception):
    """Ends a request with a status and the error body; ``extra`` adds keys to the body."""

    def __init__(
        self,
        status: int,
        error: str,
        *,
        errors: Sequence[str] = (),
        hint: str = "",
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(error)
        self.status, self.error, self.errors, self.hint = status, error, list(errors), hint
        self.headers, self.extra = dict(headers or {}), dict(extra or {})


def from_vicinal_error(error: errors.VicinalError, location: str = "") -> ApiError:
    """Convert one of vicinal's own errors; ``location`` is the parameter that it is about."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    errors_ = [f"{location}: {error}"] if location else ()
    return ApiError(status, str(error), errors=errors_, hint=error.hint, extra={"type": type(error).__name__})


def from_validation_error(error: RequestValidationError | ValidationError, known: Sequence[str] = ()) -> ApiError:
    """Convert pydantic's error; each of its details becomes one line.

    Args:
        known: the keys that a JSON object may have; the hint for an unknown one is the nearest of these, or all.
    """
    lines, unknown = [], []
    for detail in error.errors():
        loc = detail["loc"][1:] if isinstance(error, RequestValidationError) else detail["loc"]
        location = ".".join(map(str, loc))[:100]
        is_unknown = detail["type"] == "extra_forbidden"
        unknown += [location] if is_unknown else []
        message = "unknown key" if is_unknown else detail["msg"].removeprefix("Value error, ")
        lines.append(f"{location or 'body'}: {message}")
    return ApiError(422, "; ".join(lines), errors=lines, hint=_suggest_key(unknown[0], known) if unknown else "")


def _suggest_key(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}" if known else ""


def invalid_value(location: str, message: str, hint: str = "") -> ApiError:
    """Create the 422 for a parameter whose value is not accepted."""
    return ApiError(422, f"{location}: {message}", errors=[f"{location}: {message}"], hint=hint)


def unsuitable_value(location: str, message: str, hint: str = "") -> ApiError:
    """Create the 409 for a valid value that this solution cannot use, as a text where it is searched by files."""
    line = f"{location}: {message}"
    return ApiError(409, line, hint=hint, extra={"type": errors.ItemError.__name__})


def to_api_error(error: Exception) -> ApiError:
    """Convert any exception; an unexpected one is logged, and its text is not sent to the client."""
    match error:
        case ApiError():
            return error
        case errors.VicinalError():
            converted = from_vicinal_error(error)
            if converted.status == 500:
                logger.error("%s: %s", type(error).__name__, error, exc_info=error)
            return converted
        case RequestValidationError() | ValidationError():
            return from_validation_error(error)
        case HTTPException():
            phrase = HTTPStatus(error.status_code).phrase
            message = error.detail if error.detail and error.detail != phrase else phrase.lower()
            return ApiError(error.status_code, str(message), headers=error.headers)
        case _:
            logger.error("a request failed", exc_info=error)
            return ApiError(500, "internal server error", hint="the server log has the traceback")


def to_response(error: ApiError) -> Response:
    """Create the response with the error body."""
    headers = dict(error.headers)
    if error.status in (429, 503):
        headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    body = {
        "ok": False,
        "error": error.error,
        "errors": error.errors or [error.error],
        "hint": error.hint or _HINTS.get(error.status, ""),
        "status": error.status,
        **error.extra,
    }
    return Response(orjson.dumps(body, default=str), error.status, headers, "application/json")


def add_exception_handlers(app: FastAPI, routes: Sequence[Route]) -> None:
    """Make every expected failure of every one of the routes end in the one body.

    Unexpected ones end in ``SecurityMiddleware``: starlette raises an error again after its handler for ``Exception``,
    so that uvicorn would log the traceback a second time.
    """

    async def handle(request: Request, error: Exception) -> Response:
        converted = to_api_error(error)
        if converted.status == 405:
            converted.headers["Allow"] = ", ".join(find_allowed_methods(request, routes))
        return to_response(converted)

    for kind in (ApiError, errors.VicinalError, RequestValidationError, ValidationError, HTTPException):
        app.add_exception_handler(kind, handle)
