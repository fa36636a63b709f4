"""The reference of the HTTP API, from the server's own OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from generator.markdown import anchor, describe_default, describe_type, from_docstring, table
from vicinal.server import Settings, create_app
from vicinal.server.openapi import iter_operations

__all__ = ["http_page"]

INTRODUCTION = """\
Every route of a server with its default settings, as its `/openapi.json` describes them; [the server](server.md) says
how to start one, what keys and limits there are, and how a client is generated.

Every response that is not a success has the body [Error](#error). With `VICINAL_API_KEYS` set, a request needs
`Authorization: Bearer KEY` or `X-API-Key: KEY`.

"""

TITLES = {"search": "Search", "items": "Items", "ingest": "Ingest", "system": "The server itself"}


def http_page() -> str:
    document = create_app([], settings=Settings()).openapi()
    groups: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, method, operation in iter_operations(document):
        groups.setdefault(operation["tags"][0], []).append((path, method, operation))
    schemas = document["components"]["schemas"]
    text = "# The HTTP API\n\n" + INTRODUCTION + _overview(groups)
    for tag, operations in groups.items():
        text += f"\n## {TITLES.get(tag, tag.capitalize())}\n"
        text += "".join(_describe_operation(schemas, *operation) for operation in operations)
    text += "\n## Bodies\n"
    return text + "".join(_describe_schema(name, schemas[name]) for name in sorted(schemas))


def _overview(groups: Mapping[str, Iterable[tuple[str, str, dict[str, Any]]]]) -> str:
    operations = [operation for tagged in groups.values() for operation in tagged]
    rows = [
        (f"[`{method.upper()} {path}`](#{anchor(_heading(path, method))})", operation["summary"])
        for path, method, operation in operations
    ]
    return table(("route", "what it does"), rows)


def _heading(path: str, method: str) -> str:
    return f"{method.upper()} {path}"


def _describe_operation(schemas: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> str:
    text = f"\n### {_heading(path, method)}\n\n{operation['summary']}.\n"
    if operation.get("description"):
        text += f"\n{from_docstring(operation['description'])}"
    if parameters := [parameter for parameter in operation.get("parameters", []) if parameter["in"] == "query"]:
        rows = [_row(it["name"], it["schema"], required=it["required"]) for it in parameters]
        text += "\n" + table(("in the URL", "type", "default", "what it says"), rows)
    for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
        text += "\n" + _describe_body(schemas, path, method, media_type, body["schema"])
    return text + f"\nReturns {', '.join(_describe_responses(operation['responses']))}.\n"


def _describe_body(
    schemas: Mapping[str, Any], path: str, method: str, media_type: str, schema: Mapping[str, Any]
) -> str:
    if media_type != "application/json":
        rows = [_row(name, it, required=name in schema["required"]) for name, it in schema["properties"].items()]
        return f"Or a form (`{media_type}`):\n\n" + table(("field", "type", "default", "what it says"), rows)
    text = f"The body is {describe_type(schema)}:\n\n"
    verb = "" if method == "post" else f" -X {method.upper()}"
    examples = [
        f"curl{verb} http://127.0.0.1:8000{path} --json '{json.dumps(example, ensure_ascii=False)}'\n"
        for one in schema.get("anyOf", [schema])
        for example in schemas[one["$ref"].rpartition("/")[2]].get("examples", [])
    ]
    return text + f"```sh\n{''.join(examples)}```\n" if examples else text.replace(":\n\n", ".\n")


def _describe_responses(responses: Mapping[str, Any]) -> Iterator[str]:
    for status, response in responses.items():
        if status.isdigit() and int(status) < 400:
            schemas = [content["schema"] for content in response.get("content", {}).values() if content.get("schema")]
            kinds = dict.fromkeys(describe_type(schema) for schema in schemas)
            yield f"{status}" + (f" with {' or '.join(kinds)}" if kinds else "")


def _describe_schema(name: str, schema: Mapping[str, Any]) -> str:
    text = f"\n### {name}\n"
    if schema.get("description"):
        text += f"\n{from_docstring(schema['description'])}"
    required = schema.get("required", [])
    rows = [_row(key, value, required=key in required) for key, value in schema.get("properties", {}).items()]
    return text + "\n" + table(("key", "type", "default", "what it says"), rows)


def _row(name: str, schema: Mapping[str, Any], *, required: bool) -> tuple[str, str, str, str]:
    return f"`{name}`", describe_type(schema), describe_default(schema, required), schema.get("description", "")
