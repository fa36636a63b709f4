"""A YAML document whose every value knows its line and column.

PyYAML's own constructor keeps the last of two equal keys silently, and reads ``no`` as False and ``010`` as 8. Here
equal keys are a problem, only ``true`` and ``false`` are booleans, and ``${NAME}`` stands for an environment variable.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Document", "Loc", "Problem"]

Loc = tuple[str | int, ...]

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


class _Loader(yaml.SafeLoader):
    """Reads scalars as YAML 1.2's core schema does."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|false)$", "tf"),
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    ("float", r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$", "-+0123456789."),
    ("null", r"^(?:~|null|)$", "~n"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first) + [""] * (_tag == "null")
    )


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake and where it is, counted from 1."""

    line: int
    column: int
    key: str
    message: str

    def at(self, path: Path | str) -> str:
        """The problem as ``file:line:col: key: message``."""
        return f"{path}:{self.line}:{self.column}: " + (f"{self.key}: " if self.key else "") + self.message


@dataclass(slots=True)
class Document:
    """The data of a YAML text, the place of each value, and the problems found while reading it."""

    data: Any = None
    problems: list[Problem] = field(default_factory=list)
    from_environment: set[Loc] = field(default_factory=set)
    _places: dict[Loc, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Document:
        """Read a YAML text; a text that is no YAML at all is a document with one problem."""
        document = cls()
        try:
            loader = _Loader(text)
            try:
                node = loader.get_single_node()
                document.data = document._construct(node, (), loader) if node is not None else None
            finally:
                loader.dispose()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            document.problems.append(Problem(line, column, "", f"not YAML: {error.problem or error.context}"))
        except yaml.YAMLError as error:
            document.problems.append(Problem(1, 1, "", f"not YAML: {str(error).splitlines()[0]}"))
        return document

    def place(self, loc: Loc) -> tuple[int, int]:
        """Line and column of a value, or of the nearest one around it."""
        while loc not in self._places and loc:
            loc = loc[:-1]
        return self._places.get(loc, (1, 1))

    def add(self, loc: Loc, message: str) -> None:
        """Note a problem of the value at ``loc``."""
        self.problems.append(Problem(*self.place(loc), ".".join(map(str, loc)), message))

    def _construct(self, node: yaml.Node, loc: Loc, loader: _Loader) -> Any:
        self._places.setdefault(loc, (node.start_mark.line + 1, node.start_mark.column + 1))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, loc, loader)
        if isinstance(node, yaml.SequenceNode):
            return [self._construct(child, (*loc, number), loader) for number, child in enumerate(node.value)]
        return self._scalar(node, loc, loader)

    def _mapping(self, node: yaml.MappingNode, loc: Loc, loader: _Loader) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
            here = (*loc, key)
            mark = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if key in result:
                first = self.place(here)[0]
                name = ".".join(map(str, here))
                self.problems.append(Problem(*mark, name, f"given twice, first on line {first}"))
                continue
            self._places[here] = mark
            result[key] = self._construct(value_node, here, loader)
        return result

    def _scalar(self, node: yaml.Node, loc: Loc, loader: _Loader) -> Any:
        text, tag = str(node.value), node.tag
        if "${" in text:
            text = self._interpolate(text, loc)
            if getattr(node, "style", None) is None:
                tag = loader.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
        kind = tag.rpartition(":")[2]
        if kind == "bool":
            return text == "true"
        if kind in ("int", "float"):
            return int(text) if kind == "int" else float(text)
        return None if kind == "null" else text

    def _interpolate(self, text: str, loc: Loc) -> str:
        self.from_environment.add(loc)

        def value(match: re.Match[str]) -> str:
            found = os.environ.get(match["name"]) or match["default"]
            if found is None:
                self.add(loc, f"the environment variable {match['name']} is not set")
                return ""
            return found

        return _VARIABLE.sub(value, text)
