"""The API's description: OpenAPI with examples, and a page of it that needs neither scripts nor a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from vicinal.server import schemas

__all__ = ["STYLE", "body", "describe", "multipart", "page"]

STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
main { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem; text-transform: capitalize }
article { border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); padding: .5rem 0 1rem }
h3 { margin: .5rem 0; font-size: 1rem } h3 code { font-size: 1rem } p { margin: .25rem 0 }
pre { background: color-mix(in srgb, currentColor 8%, transparent); padding: .6rem .8rem; border-radius: 6px;
  overflow-x: auto }
"""

_REF = "#/components/schemas/{model}"
_METHODS = ("get", "post", "delete")
_BODIES: tuple[type[BaseModel], ...] = (
    schemas.Error,
    schemas.IngestRequest,
    schemas.Keys,
    schemas.NewItem,
    schemas.RenderRequest,
    schemas.SearchRequest,
    schemas.Session,
)


def body(model: type[BaseModel], *others: Mapping[str, Any], required: bool = True) -> dict[str, Any]:
    """A request body for OpenAPI: this model as JSON, or one of the others."""
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}}}
    for other in others:
        content |= other
    return {"requestBody": {"required": required, "content": content}}


def multipart(properties: Mapping[str, Any], required: Sequence[str]) -> dict[str, Any]:
    """A form as a part of ``body``."""
    return {"multipart/form-data": {"schema": {"type": "object", "properties": properties, "required": list(required)}}}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: every failure of every route has the one body."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        components = made.setdefault("components", {}).setdefault("schemas", {})
        for model in _BODIES:
            schema = model.model_json_schema(ref_template=_REF)
            components |= schema.pop("$defs", {})
            components[model.__name__] = schema
        for name in ("HTTPValidationError", "ValidationError"):
            components.pop(name, None)
        failure = {
            "description": "It failed",
            "content": {"application/json": {"schema": {"$ref": _REF.format(model="Error")}}},
        }
        for _, _, operation in _operations(made):
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = failure
        made["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        made["security"] = [{}, {"bearer": []}, {"key": []}]
        app.openapi_schema = made
    return app.openapi_schema


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield path, method, methods[method]


# --- the page


def page(document: Mapping[str, Any]) -> str:
    """The document for people: each route with its parameters, an example and the command that calls it."""
    groups: dict[str, list[str]] = {}
    for path, method, operation in _operations(document):
        groups.setdefault(operation["tags"][0], []).append(_route(document, path, method, operation))
    sections = "".join(f"<section><h2>{escape(tag)}</h2>{''.join(routes)}</section>" for tag, routes in groups.items())
    title = escape(document["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}: API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/docs.css">'
        f"<main><h1>{title}</h1><p>{escape(document['info'].get('description', ''))}</p>"
        '<p>The same for programs: <a href="/openapi.json">/openapi.json</a></p>'
        f"{sections}</main></html>"
    )


def _route(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> str:
    parts = [
        f"<h3><b>{method.upper()}</b> <code>{escape(path)}</code></h3><p>{escape(operation.get('summary', ''))}</p>"
    ]
    if "description" in operation:
        parts.append(f"<p>{escape(operation['description'])}</p>")
    if parameters := [one for one in operation.get("parameters", []) if one["in"] == "query"]:
        parts.append("<ul>" + "".join(_parameter(one) for one in parameters) + "</ul>")
    content = operation.get("requestBody", {}).get("content", {})
    examples = [
        example for kind, one in content.items() for example in _examples(document, kind, one["schema"], path, method)
    ]
    if not content:
        examples = [_curl(method, path)]
    parts += [f"<pre>{escape(example)}</pre>" for example in examples]
    return f"<article>{''.join(parts)}</article>"


def _parameter(parameter: Mapping[str, Any]) -> str:
    schema = parameter["schema"]
    default = f", by default {schema['default']!r}" if schema.get("default") not in (None, "") else ""
    name, kind = escape(parameter["name"]), escape(str(schema.get("type", "string")))
    return f"<li><code>{name}</code>: {kind}{escape(default)}</li>"


def _examples(document: Mapping[str, Any], kind: str, schema: Mapping[str, Any], path: str, method: str) -> list[str]:
    if kind != "application/json":
        fields = [f"-F {name}={'@file' if name == 'file' else '…'}" for name in schema["properties"]]
        return [_curl(method, path, " ".join(fields))]
    found = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return [_curl(method, path, f"--json '{orjson.dumps(one).decode()}'") for one in found.get("examples", [])]


def _curl(method: str, path: str, rest: str = "") -> str:
    verb = {"get": "", "post": "" if rest else "-X POST "}.get(method, f"-X {method.upper()} ")
    return f"curl {verb}http://127.0.0.1:8000{path} {rest}".strip()
