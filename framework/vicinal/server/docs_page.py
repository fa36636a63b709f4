"""The page at ``/docs``: the OpenAPI document as HTML that needs neither scripts nor a network."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import orjson

from vicinal.server.openapi import iter_operations

__all__ = ["CSS", "render_docs_page"]

CSS = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
main { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem; text-transform: capitalize }
article { border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); padding: .5rem 0 1rem }
h3 { margin: .5rem 0; font-size: 1rem } h3 code { font-size: 1rem } p { margin: .25rem 0 }
pre { background: color-mix(in srgb, currentColor 8%, transparent); padding: .6rem .8rem; border-radius: 6px;
  overflow-x: auto }
"""


def render_docs_page(document: Mapping[str, Any], base_url: str) -> str:
    """Render each route with its parameters, an example, and the command that calls it at ``base_url``."""
    groups: dict[str, list[str]] = {}
    for path, method, operation in iter_operations(document):
        groups.setdefault(operation["tags"][0], []).append(_render_route(document, base_url, path, method, operation))
    sections = "".join(f"<section><h2>{escape(tag)}</h2>{''.join(routes)}</section>" for tag, routes in groups.items())
    title = escape(document["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}: API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="page/logo.svg"><link rel="stylesheet" href="docs.css">'
        f"<main><h1>{title}</h1><p>{escape(document['info'].get('description', ''))}</p>"
        '<p>The same for programs: <a href="openapi.json">openapi.json</a></p>'
        f"{sections}</main></html>"
    )


def _render_route(
    document: Mapping[str, Any], base_url: str, path: str, method: str, operation: Mapping[str, Any]
) -> str:
    parts = [
        f"<h3><b>{method.upper()}</b> <code>{escape(path)}</code></h3><p>{escape(operation.get('summary', ''))}</p>"
    ]
    if "description" in operation:
        parts.append(f"<p>{escape(operation['description'])}</p>")
    if parameters := [parameter for parameter in operation.get("parameters", []) if parameter["in"] == "query"]:
        parts.append("<ul>" + "".join(map(_render_parameter, parameters)) + "</ul>")
    content = operation.get("requestBody", {}).get("content", {})
    examples = [
        example
        for content_type, body in content.items()
        for example in _curl_examples(document, content_type, body["schema"], method, base_url + path)
    ]
    if not content:
        examples = [_curl_command(method, base_url + path)]
    parts += [f"<pre>{escape(example)}</pre>" for example in examples]
    return f"<article>{''.join(parts)}</article>"


def _render_parameter(parameter: Mapping[str, Any]) -> str:
    schema = parameter["schema"]
    default = f", by default {schema['default']!r}" if schema.get("default") not in (None, "") else ""
    name, kind = escape(parameter["name"]), escape(str(schema.get("type", "string")))
    return f"<li><code>{name}</code>: {kind}{escape(default)}</li>"


def _curl_examples(
    document: Mapping[str, Any], content_type: str, schema: Mapping[str, Any], method: str, url: str
) -> list[str]:
    if content_type != "application/json":
        fields = [f"-F {name}={'@file' if name == 'file' else '…'}" for name in schema["properties"]]
        return [_curl_command(method, url, " ".join(fields))]
    models = [
        document["components"]["schemas"][one["$ref"].rpartition("/")[2]] for one in schema.get("anyOf", [schema])
    ]
    return [
        _curl_command(method, url, f"--json '{orjson.dumps(example).decode()}'")
        for model in models
        for example in model.get("examples", [])
    ]


def _curl_command(method: str, url: str, arguments: str = "") -> str:
    verb = {"get": "", "post": "" if arguments else "-X POST "}.get(method, f"-X {method.upper()} ")
    return f"curl {verb}{url} {arguments}".strip()
