"""Parsing a request's body: JSON into a model, or a form with one file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, FiniteFloat, TypeAdapter, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect

from vicinal.server.api_errors import ApiError, from_validation_error, invalid_value

__all__ = ["Form", "is_multipart", "parse_form", "parse_json", "read_json_object", "validate_object"]

M = TypeVar("M", bound=BaseModel)

_INTEGER = TypeAdapter(int)
_NUMBER = TypeAdapter(FiniteFloat)
_JSON_OBJECT = TypeAdapter(dict[str, Any])

_CONTENT_TYPES_HINT = "send application/json (curl --json) or multipart/form-data (curl -F)"


def is_multipart(request: Request) -> bool:
    """Return whether the body is a form, and not JSON.

    Raises:
        ApiError: 415, it is neither.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        return True
    if content_type in ("", "application/json") or content_type.endswith("+json"):
        return False
    raise ApiError(415, f"content type {content_type!r} is not supported", hint=_CONTENT_TYPES_HINT)


async def parse_json(request: Request, model: type[M], *, allow_empty: bool = False) -> M:
    """Parse the body as this model; with ``allow_empty`` an empty body is ``{}``.

    Raises:
        ApiError, ValidationError: as ``read_json_object`` and ``validate_object`` do.
    """
    return validate_object(await read_json_object(request, allow_empty=allow_empty), model)


def validate_object(data: dict[str, Any], model: type[M]) -> M:
    """Convert a JSON object to the model.

    Raises:
        ApiError: 422, it does not fit; the hint names the key that an unknown one is near to, or all.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise from_validation_error(error, list(model.model_fields)) from None


async def read_json_object(request: Request, *, allow_empty: bool = False) -> dict[str, Any]:
    """Read the body as a JSON object; with ``allow_empty`` an empty body is ``{}``.

    Raises:
        ApiError: 400, the client disconnected; 415, the body is not JSON.
        ValidationError: it is not valid JSON, or not an object.
    """
    if is_multipart(request):
        raise ApiError(415, "a form is not supported here", hint="send application/json")
    try:
        data = await request.body()
    except ClientDisconnect:
        raise ApiError(400, "the client disconnected") from None
    return _JSON_OBJECT.validate_json(data or b"{}" if allow_empty else data)


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form; each ``get_…`` raises the 422 that names the field."""

    data: FormData

    def get_text(self, name: str, default: str | None = None) -> str:
        value = self.data.get(name, default)
        if not isinstance(value, str):
            raise invalid_value(name, "is missing" if value is None else "is a file, not a text")
        return value

    def get_int(self, name: str, default: int) -> int:
        try:
            return _INTEGER.validate_python(self.get_text(name, str(default)))
        except ValidationError:
            raise invalid_value(name, "is not a whole number") from None

    def get_number(self, name: str, default: float | None) -> float | None:
        if name not in self.data:
            return default
        try:
            return _NUMBER.validate_python(self.get_text(name))
        except ValidationError:
            raise invalid_value(name, "is not a number") from None

    def get_file(self, name: str) -> UploadFile:
        value = self.data.get(name)
        if not isinstance(value, UploadFile):
            raise invalid_value(name, "is missing" if value is None else "is a text, not a file")
        if value.size == 0:
            raise invalid_value(name, "is empty")
        return value

    def get_json_object(self, name: str) -> dict[str, Any]:
        text = self.get_text(name, "{}")
        try:
            value = orjson.loads(text or "{}")
        except orjson.JSONDecodeError as error:
            raise invalid_value(name, f"is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise invalid_value(name, "is not a JSON object")
        return value


@asynccontextmanager
async def parse_form(request: Request, *names: str) -> AsyncIterator[Form]:
    """Parse the form; a large file is spooled to disk and removed when the block ends.

    Raises:
        ApiError: 400, it cannot be read; 413, it is too large; 422, it has a field that is not in ``names``.
    """
    try:
        data = await request.form(max_files=1, max_fields=20, max_part_size=256 * 1024)
    except ClientDisconnect:
        raise ApiError(400, "the client disconnected") from None
    try:
        for name in data:
            if name not in names:
                raise invalid_value(name[:100], "unknown form field", f"known: {', '.join(names)}")
        yield Form(data)
    finally:
        await data.close()
