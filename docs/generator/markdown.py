"""Pieces of Markdown that the generated pages are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["anchor", "describe_default", "describe_type", "fence", "from_docstring", "table"]

_SECTION = re.compile(r"(Args|Returns|Yields|Raises):")
_ENTRY = re.compile(r"(?P<name>[\w*, ]+): (?P<said>.*)", re.DOTALL)


def table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "".join("| " + " | ".join(map(_cell, line)) + " |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("\n", " ").replace("|", "\\|")


def fence(text: str, language: str = "text") -> str:
    return f"```{language}\n{text.rstrip()}\n```\n"


def anchor(heading: str) -> str:
    """The fragment by which code hosts and the site link to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def from_docstring(text: str) -> str:
    """A cleaned docstring as Markdown; its sections become lists."""
    parts: list[str] = []
    section = ""
    for paragraph in text.replace("``", "`").split("\n\n"):
        head, _, rest = paragraph.partition("\n")
        if _SECTION.fullmatch(head):
            section = head
            parts.append(f"{head}\n\n{_entries(rest)}" if rest.startswith("    ") else paragraph)
        elif section and paragraph.startswith("    "):
            parts.append(_entries(paragraph))
        else:
            section = ""
            parts.append(re.sub(r"::$", ":", paragraph))
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _entries(text: str) -> str:
    entries: list[str] = []
    for line in text.splitlines():
        if line.startswith("     ") and entries:
            entries[-1] += " " + line.strip()
        else:
            entries.append(line.strip())
    matches = [(entry, _ENTRY.fullmatch(entry)) for entry in entries]
    if all(match is None for _, match in matches):
        return " ".join(entries)
    return "\n".join(f"- `{match['name']}`: {match['said']}" if match else f"  {entry}" for entry, match in matches)


_TYPES = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean", "object": "mapping"}


def describe_type(schema: Mapping[str, Any], link: str = "[{0}](#{1})") -> str:
    """A JSON Schema's type in words; a reference to another schema as a link."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return link.format(name, anchor(name))
    if "anyOf" in schema:
        kinds = [describe_type(branch, link) for branch in schema["anyOf"]]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{choice}`" for choice in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {describe_type(schema.get('items', {}), link)}"
    if kind == "string" and schema.get("format") == "binary":
        return "file"
    return str(_TYPES.get(kind, kind)) + _range(schema)


def _range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" ({low} to {high})"
    if low is not None:
        return f" (from {low})"
    return f" (up to {schema['maxLength']:,} characters)" if "maxLength" in schema else ""


def describe_default(schema: Mapping[str, Any], required: bool) -> str:
    if required:
        return "required"
    default = schema.get("default")
    return "" if default in (None, "", [], {}) else f"`{default}`".replace("True", "true").replace("False", "false")
