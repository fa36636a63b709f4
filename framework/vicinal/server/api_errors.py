"""One body for everything that goes wrong, and the status that each of vicinal's errors has."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from vicinal import errors

__all__ = ["ApiError", "install", "problem", "respond", "unprocessable"]

logger = logging.getLogger("vicinal.server")

RETRY_SECONDS = 2

_STATUS: tuple[tuple[type[errors.VicinalError], int], ...] = (
    (errors.StoreUnreachableError, 503),
    (errors.StoreBusyError, 409),
    (errors.NothingIndexedError, 409),
    (errors.StoreMismatchError, 409),
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
    """Ends a request with a status and the error body; ``more`` adds to it."""

    def __init__(
        self,
        status: int,
        error: str,
        *,
        errors: Sequence[str] = (),
        hint: str = "",
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(error)
        self.status, self.error, self.errors, self.hint = status, error, list(errors), hint
        self.headers, self.more = dict(headers or {}), dict(more or {})


def problem(error: errors.VicinalError, where: str = "") -> ApiError:
    """One of vicinal's own errors as an answer; ``where`` is the parameter that it is about."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    return ApiError(status, str(error), errors=[f"{where}: {error}"] if where else (), hint=error.hint)


def unprocessable(where: str, message: str, hint: str = "") -> ApiError:
    """A value that cannot be taken."""
    return ApiError(422, f"{where}: {message}", errors=[f"{where}: {message}"], hint=hint)


def invalid(error: RequestValidationError | ValidationError) -> ApiError:
    """What pydantic found, a line each."""
    lines = []
    for detail in error.errors():
        loc = detail["loc"][1:] if isinstance(error, RequestValidationError) else detail["loc"]
        place = ".".join(map(str, loc))
        lines.append(f"{place or 'body'}: {detail['msg'].removeprefix('Value error, ')}")
    return ApiError(422, "; ".join(lines), errors=lines)


def respond(problem: ApiError) -> Response:
    """The answer that a problem is."""
    headers = dict(problem.headers)
    if problem.status in (429, 503):
        headers.setdefault("Retry-After", str(RETRY_SECONDS))
    body = {
        "ok": False,
        "error": problem.error,
        "errors": problem.errors or [problem.error],
        "hint": problem.hint or _HINTS.get(problem.status, ""),
        "status": problem.status,
        **problem.more,
    }
    return Response(orjson.dumps(body, default=str), problem.status, headers, "application/json")


def of(error: Exception) -> ApiError:
    """Any exception as a problem; one that is nobody's fault but ours is logged, and not told."""
    match error:
        case ApiError():
            return error
        case errors.VicinalError():
            made = problem(error)
            if made.status == 500:
                logger.error("%s: %s", type(error).__name__, error, exc_info=error)
            return made
        case RequestValidationError() | ValidationError():
            return invalid(error)
        case HTTPException():
            phrase = HTTPStatus(error.status_code).phrase
            said = error.detail if error.detail and error.detail != phrase else phrase.lower()
            return ApiError(error.status_code, str(said), headers=error.headers)
        case _:
            logger.error("a request failed", exc_info=error)
            return ApiError(500, "something went wrong in the server", hint="its log says more")


def install(app: FastAPI) -> None:
    """Let every failure of every route end in the one body."""

    async def handle(request: Request, error: Exception) -> Response:
        return respond(of(error))

    for kind in (ApiError, errors.VicinalError, RequestValidationError, ValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, handle)
