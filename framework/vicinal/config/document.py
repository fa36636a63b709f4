"""A YAML document whose every value knows its line and column.

PyYAML's own constructor keeps the last of two equal keys silently, and reads ``no`` as False and ``010`` as 8. Here
equal keys are a problem, only ``true`` and ``false`` are booleans, and ``${NAME}`` stands for an environment variable.
Aliases are read, except one that contains itself; merge keys and tags are refused, so that a value is what it seems.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import ReaderError

__all__ = ["Document", "Loc", "Problem", "dotted"]

Loc = tuple[str | int, ...]

_VARIABLE = re.compile(r"\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\})?")
_MOST_VALUES = 20_000
_DEEPEST = 50


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
    """The data of a YAML text, the place of each value, and the problems found while reading it.

    ``literals`` holds, for each value that the environment has a part in, what the file itself says of it.
    """

    data: Any = None
    problems: list[Problem] = field(default_factory=list)
    literals: dict[Loc, str] = field(default_factory=dict)
    _places: dict[Loc, tuple[int, int]] = field(default_factory=dict)
    _told: set[Loc] = field(default_factory=set)
    _open: list[yaml.Node] = field(default_factory=list)
    _values: int = 0

    @classmethod
    def read(cls, text: str) -> Document:
        """Read a YAML text; a text that is no YAML at all is a document with one problem."""
        document = cls()
        try:
            loader = _Loader(text)
            try:
                node = loader.get_single_node()
                document.data = document._construct(node, (), loader) if node is not None else None
                if document._values > _MOST_VALUES:
                    document._refuse(0, 0, f"more than {_MOST_VALUES:,} values, counted with what its aliases repeat")
            except RecursionError:
                document._refuse(loader.line, loader.column, "nested too deeply")
            finally:
                loader.dispose()
        except ReaderError as error:
            before = text[: error.position]
            message = f"not YAML: the character U+{ord(text[error.position]):04X} is not allowed"
            document._refuse(before.count("\n"), len(before) - before.rfind("\n") - 1, message)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            message = "not YAML: " + ", ".join(filter(None, (error.context, error.problem)))
            if error.problem == "but found another document":
                message = "a second document begins here; a file holds one solution"
            document._refuse(mark.line if mark else 0, mark.column if mark else 0, message)
        except (ValueError, OverflowError):  # PyYAML makes characters of escapes without a look at their numbers
            document._refuse(loader.line, loader.column, "not YAML: an escape stands for no character")
        return document

    def place(self, loc: Loc) -> tuple[int, int]:
        """Line and column of a value, or of the nearest one around it."""
        while loc not in self._places and loc:
            loc = loc[:-1]
        return self._places.get(loc, (1, 1))

    def add(self, loc: Loc, message: str) -> None:
        """Note a problem of the value at ``loc``; where it has one already, that is the one to mend first."""
        if loc not in self._told:
            self._told.add(loc)
            self.problems.append(Problem(*self.place(loc), dotted(loc), message))

    def from_environment(self, loc: Loc) -> bool:
        """Whether an environment variable has a part in the value at ``loc``, or in one within it."""
        return any(place[: len(loc)] == loc for place in self.literals)

    def _refuse(self, line: int, column: int, message: str) -> None:
        self.data = None
        self.problems.append(Problem(line + 1, column + 1, "", message))

    def _construct(self, node: yaml.Node, loc: Loc, loader: _Loader) -> Any:
        self._places.setdefault(loc, _place(node))
        self._values += 1
        if self._values > _MOST_VALUES:
            return None
        if wrong := self._unreadable(node, loc, loader):
            self.add(loc, wrong)
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, loc, loader)
        self._open.append(node)
        value = self._mapping(node, loc, loader) if isinstance(node, yaml.MappingNode) else []
        if isinstance(node, yaml.SequenceNode):
            value = [self._construct(child, (*loc, number), loader) for number, child in enumerate(node.value)]
        self._open.pop()
        return value

    def _unreadable(self, node: yaml.Node, loc: Loc, loader: _Loader) -> str:
        if any(node is around for around in self._open):
            return "an alias that contains itself"
        if len(loc) > _DEEPEST:
            return f"nested more than {_DEEPEST} levels deep"
        if node.tag != _plain_tag(node, loader):
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            return f"the tag {tag} is not read; write the value without it"
        return ""

    def _mapping(self, node: yaml.MappingNode, loc: Loc, loader: _Loader) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = _whole(key_node.value) if isinstance(key_node, yaml.ScalarNode) else None
            here = (*loc, key or "")
            wrong = ""
            if key is None:
                wrong = "a key must be a text"
            elif key == "<<" and key_node.style is None:
                wrong = "merge keys are not read; write the keys out"
            elif key in result:
                wrong = f"given twice, first on line {self.place(here)[0]}"
            if wrong:
                self.problems.append(Problem(*_place(key_node), dotted(here if key else loc), wrong))
                continue
            self._places[here] = _place(key_node)
            result[key or ""] = self._construct(value_node, here, loader)
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
            return self._number(text, kind, loc)
        if kind == "null":
            return None
        if _whole(text) != text:
            self.add(loc, "it holds half of a surrogate pair, or bytes that are not UTF-8")
        return _whole(text)

    def _number(self, text: str, kind: str, loc: Loc) -> int | float:
        if kind == "int" and len(text) <= 20 and -(2**63) <= int(text) < 2**63:
            return int(text)
        if kind == "float" and math.isfinite(float(text)):
            return float(text)
        self.add(loc, "a number of more than 64 bits")
        return 0

    def _interpolate(self, text: str, loc: Loc) -> str:
        self.literals[loc] = _VARIABLE.sub(lambda match: match["default"] or "", text)

        def value(match: re.Match[str]) -> str:
            name = match["name"]
            found = os.environ.get(name or "") or match["default"]
            if name is None:
                self.add(loc, "write ${NAME} or ${NAME:-default} for an environment variable")
            elif found is None:
                self.add(loc, f"the environment variable {name} is {'empty' if name in os.environ else 'not set'}")
            return found or ""

        return _VARIABLE.sub(value, text)


def dotted(loc: Loc) -> str:
    """A value's place as a person writes it: ``source.include.0``."""
    return ".".join(step if isinstance(step, str) and step.isprintable() else repr(step) for step in loc)


def _plain_tag(node: yaml.Node, loader: _Loader) -> Any:
    """The tag that a node has when the file gives it none."""
    plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return loader.resolve(type(node), node.value, (plain, not plain))  # type: ignore[no-untyped-call]


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _whole(text: str) -> str:
    """The text, with a question mark for each half of a surrogate pair: no file and no terminal takes those."""
    return text.encode(errors="replace").decode()
