"""Reading what a request carries: JSON as a model, or a form with one file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect

from vicinal.server.api_errors import ApiError, unprocessable

__all__ = ["Form", "is_form", "json_of", "read_form"]

M = TypeVar("M", bound=BaseModel)

_KINDS = "send application/json (curl --json) or multipart/form-data (curl -F)"


def is_form(request: Request) -> bool:
    """Whether a request carries a form with a file, and no JSON.

    Raises:
        Problem: 415, it carries something else.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return True
    if kind in ("", "application/json") or kind.endswith("+json"):
        return False
    raise ApiError(415, f"content type {kind!r} is not taken", hint=_KINDS)


async def json_of(request: Request, model: type[M], *, empty: bool = False) -> M:
    """The body as this model; with ``empty`` there may be none.

    Raises:
        ValidationError: it is no such JSON.
    """
    if is_form(request):
        raise ApiError(415, "a form is not taken here", hint="send application/json")
    try:
        data = await request.body()
    except ClientDisconnect:
        raise ApiError(400, "the request broke off") from None
    return model.model_validate_json(data or b"{}") if empty else model.model_validate_json(data)


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form."""

    data: FormData

    def text(self, name: str, default: str | None = None) -> str:
        value = self.data.get(name, default)
        if not isinstance(value, str):
            raise unprocessable(name, "is missing" if value is None else "is a file, not a text")
        return value

    def integer(self, name: str, default: int) -> int:
        value = self.text(name, str(default)).strip()
        if not (value.isascii() and value.removeprefix("-").isdecimal() and len(value) < 12):
            raise unprocessable(name, "is not a whole number")
        return int(value)

    def file(self, name: str) -> UploadFile:
        value = self.data.get(name)
        if not isinstance(value, UploadFile):
            raise unprocessable(name, "is missing" if value is None else "is a text, not a file")
        if value.size == 0:
            raise unprocessable(name, "is empty")
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        text = self.text(name, "{}")
        try:
            value = orjson.loads(text or "{}")
        except orjson.JSONDecodeError as error:
            raise unprocessable(name, f"is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise unprocessable(name, "is not a JSON object")
        return value


@asynccontextmanager
async def read_form(request: Request, *names: str) -> AsyncIterator[Form]:
    """The form that a request carries; its file lies on disk where it is large, and is gone afterwards.

    Raises:
        Problem: 400, it cannot be read; 413, it is too large; 422, it has a field that is none of these.
    """
    try:
        form = await request.form(max_files=1, max_fields=20, max_part_size=256 * 1024)
    except ClientDisconnect:
        raise ApiError(400, "the request broke off") from None
    try:
        for name in form:
            if name not in names:
                raise unprocessable(name[:100], "is no field of this form", f"it has {', '.join(names)}")
        yield Form(form)
    finally:
        await form.close()
