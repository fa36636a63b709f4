"""The OpenAPI document of the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from vicinal.server import schemas
from vicinal.server.settings import Settings

__all__ = ["build_document", "describe_body", "describe_form", "iter_operations"]

_REF = "#/components/schemas/{model}"
_METHODS = ("get", "post", "delete")
_MODELS: tuple[type[BaseModel], ...] = (
    schemas.DeleteRequest,
    schemas.Error,
    schemas.ExampleSearchRequest,
    schemas.IngestRequest,
    schemas.AddRequest,
    schemas.MultiSearchRequest,
    schemas.ReindexRequest,
    schemas.RenderRequest,
    schemas.RowRequest,
    schemas.SearchRequest,
    schemas.SessionRequest,
)


def describe_body(
    *models: type[BaseModel], form: Mapping[str, Any] | None = None, required: bool = True
) -> dict[str, Any]:
    """Describe a request body: one of these models as JSON, or a form."""
    schemas = [{"$ref": _REF.format(model=model.__name__)} for model in models]
    content: dict[str, Any] = {"application/json": {"schema": schemas[0] if len(models) == 1 else {"anyOf": schemas}}}
    return {"requestBody": {"required": required, "content": content | dict(form or {})}}


def describe_form(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a form with a file, which it must have, and these fields, for ``describe_body``."""
    schema = {
        "type": "object",
        "properties": {"file": {"type": "string", "format": "binary", "minLength": 1}, **fields},
        "required": ["file"],
        "additionalProperties": False,
    }
    return {"multipart/form-data": {"schema": schema}}


def build_document(app: FastAPI) -> dict[str, Any]:
    """Build the OpenAPI document; every route's failures have the one error body."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        settings: Settings = app.state.vicinal.settings
        components = document.setdefault("components", {}).setdefault("schemas", {})
        for model in _MODELS:
            schema = model.model_json_schema(ref_template=_REF)
            components |= schema.pop("$defs", {})
            components[model.__name__] = schema
        for name in ("HTTPValidationError", "ValidationError"):
            components.pop(name, None)
        for path, method, operation in iter_operations(document):
            operation["responses"].pop("422", None)
            if path.startswith("/api/{name}/") and method != "get":
                operation["responses"]["409"] = _describe_error("The solution, as it is, cannot do what is asked")
            operation["responses"]["default"] = _describe_error("The request failed; the body says why")
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        document["security"] = [{}, {"bearer": []}, {"key": []}]
        _insert_bounds(document, settings)
        app.openapi_schema = document
    return app.openapi_schema


def _describe_error(description: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": _REF.format(model="Error")}}}
    return {"description": description, "content": content}


def _insert_bounds(node: Any, settings: Settings) -> None:
    """Replace the names of settings under ``x-bounds`` by their values, everywhere below the node."""
    if isinstance(node, dict):
        node |= {bound: getattr(settings, name) for bound, name in node.pop(schemas.BOUNDS, {}).items()}
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _insert_bounds(child, settings)


def iter_operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, method and description of each operation."""
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield path, method, methods[method]
