"""A YAML document that records the line and column of every value.

PyYAML's own constructor silently keeps the last of two equal keys, and reads ``no`` as False and ``010`` as 8. Here
equal keys are a problem, only ``true`` and ``false`` are booleans, and ``${NAME}`` is replaced by an environment
variable. Aliases are resolved, except one that contains itself; merge keys and tags are rejected, so that a value is
what it looks like.
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

from vicinal.errors import ConfigError

__all__ = ["Document", "Loc", "Problem", "format_loc"]

Loc = tuple[str | int, ...]

_VARIABLE = re.compile(r"\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\})?")
_MAX_VALUES = 20_000
_MAX_DEPTH = 50


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
    """One mistake with its line and column, counted from 1."""

    line: int
    column: int
    key: str
    message: str

    def format(self, path: Path | str) -> str:
        """The problem as ``file:line:col: key: message``."""
        return f"{path}:{self.line}:{self.column}: " + (f"{self.key}: " if self.key else "") + self.message


@dataclass(slots=True)
class Document:
    """The data of a YAML text, the position of each value, and the problems found while reading it.

    ``unexpanded`` holds, for each value that contains an environment variable, the file's own text: variables are
    replaced by their defaults, or by nothing.
    """

    data: Any = None
    problems: list[Problem] = field(default_factory=list)
    unexpanded: dict[Loc, str] = field(default_factory=dict)
    _positions: dict[Loc, tuple[int, int]] = field(default_factory=dict)
    _reported: set[Loc] = field(default_factory=set)
    _ancestors: list[yaml.Node] = field(default_factory=list)
    _values: int = 0

    @classmethod
    def read(cls, text: str) -> Document:
        """Read a YAML text; a text that is not YAML yields a document with one problem."""
        document = cls()
        try:
            loader = _Loader(text)
            try:
                node = loader.get_single_node()
                document.data = document._construct_value(node, (), loader) if node is not None else None
                if document._values > _MAX_VALUES:
                    document._reject(0, 0, f"more than {_MAX_VALUES:,} values, counted with what its aliases repeat")
            except RecursionError:
                document._reject(loader.line, loader.column, "nested too deeply")
            finally:
                loader.dispose()
        except ReaderError as error:
            document._reject_character(text, error.position)
        except yaml.MarkedYAMLError as error:
            document._reject_syntax(error)
        except (ValueError, OverflowError):  # PyYAML does not check the code points of escapes
            document._reject(loader.line, loader.column, "not YAML: an escape is not a character")
        return document

    @classmethod
    def read_file(cls, path: Path) -> Document:
        """Read a YAML file; one that is not UTF-8 yields a document with one problem.

        Raises:
            ConfigError: the file cannot be read.
        """
        try:
            return cls.read(path.read_bytes().decode("utf-8-sig"))
        except OSError as error:
            hint = "`vicinal init` writes a new one"
            raise ConfigError(f"cannot read {path}: {error.strerror}", hint=hint) from error
        except UnicodeDecodeError as error:
            before = error.object[: error.start]
            line, column = before.count(b"\n"), len(before) - before.rfind(b"\n") - 1
            document = cls()
            document._reject(line, column, f"not UTF-8: {error.reason} at byte {error.start}")
            return document

    def position(self, loc: Loc) -> tuple[int, int]:
        """Line and column of a value, or of the nearest enclosing one that has a position."""
        while loc not in self._positions and loc:
            loc = loc[:-1]
        return self._positions.get(loc, (1, 1))

    def add_problem(self, loc: Loc, message: str) -> None:
        """Add a problem of the value at ``loc``, unless it has one already: that has to be fixed first."""
        if loc not in self._reported:
            self._reported.add(loc)
            self.problems.append(Problem(*self.position(loc), format_loc(loc), message))

    def is_from_environment(self, loc: Loc) -> bool:
        """Whether the value at ``loc``, or one within it, contains an environment variable."""
        return any(other[: len(loc)] == loc for other in self.unexpanded)

    def _reject(self, line: int, column: int, message: str) -> None:
        self.data = None
        self.problems.append(Problem(line + 1, column + 1, "", message))

    def _reject_character(self, text: str, offset: int) -> None:
        before = text[:offset]
        message = f"not YAML: the character U+{ord(text[offset]):04X} is not allowed"
        self._reject(before.count("\n"), len(before) - before.rfind("\n") - 1, message)

    def _reject_syntax(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        message = "not YAML: " + ", ".join(filter(None, (error.context, error.problem)))
        if error.problem == "but found another document":
            message = "a second document begins here; a file holds one solution"
        self._reject(mark.line if mark else 0, mark.column if mark else 0, message)

    def _construct_value(self, node: yaml.Node, loc: Loc, loader: _Loader) -> Any:
        self._positions.setdefault(loc, _node_position(node))
        self._values += 1
        if self._values > _MAX_VALUES:
            return None
        if reason := self._unreadable_reason(node, loc, loader):
            self.add_problem(loc, reason)
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._construct_scalar(node, loc, loader)
        self._ancestors.append(node)
        value = self._construct_mapping(node, loc, loader) if isinstance(node, yaml.MappingNode) else []
        if isinstance(node, yaml.SequenceNode):
            value = [self._construct_value(child, (*loc, number), loader) for number, child in enumerate(node.value)]
        self._ancestors.pop()
        return value

    def _unreadable_reason(self, node: yaml.Node, loc: Loc, loader: _Loader) -> str:
        if any(node is ancestor for ancestor in self._ancestors):
            return "an alias that contains itself"
        if len(loc) > _MAX_DEPTH:
            return f"nested more than {_MAX_DEPTH} levels deep"
        if node.tag != _plain_tag(node, loader):
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            return f"the tag {tag} is not supported; write the value without it"
        return ""

    def _construct_mapping(self, node: yaml.MappingNode, loc: Loc, loader: _Loader) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = _replace_surrogates(key_node.value) if isinstance(key_node, yaml.ScalarNode) else None
            here = (*loc, key or "")
            reason = ""
            if key is None:
                reason = "a key must be a text"
            elif key == "<<" and key_node.style is None:
                reason = "merge keys are not supported; write the keys out"
            elif key in result:
                reason = f"given twice, first on line {self.position(here)[0]}"
            if reason:
                self.problems.append(Problem(*_node_position(key_node), format_loc(here if key else loc), reason))
                continue
            self._positions[here] = _node_position(key_node)
            result[key or ""] = self._construct_value(value_node, here, loader)
        return result

    def _construct_scalar(self, node: yaml.Node, loc: Loc, loader: _Loader) -> Any:
        text, tag = str(node.value), node.tag
        if "${" in text:
            text = self._expand_variables(text, loc)
            if getattr(node, "style", None) is None:
                tag = loader.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
        kind = tag.rpartition(":")[2]
        if kind == "bool":
            return text == "true"
        if kind in ("int", "float"):
            return self._parse_number(text, kind, loc)
        if kind == "null":
            return None
        if _replace_surrogates(text) != text:
            self.add_problem(loc, "contains half of a surrogate pair, or bytes that are not UTF-8")
        return _replace_surrogates(text)

    def _parse_number(self, text: str, kind: str, loc: Loc) -> int | float:
        if kind == "int" and len(text) <= 20 and -(2**63) <= int(text) < 2**63:
            return int(text)
        if kind == "float" and math.isfinite(float(text)):
            return float(text)
        self.add_problem(loc, "a number of more than 64 bits")
        return 0

    def _expand_variables(self, text: str, loc: Loc) -> str:
        self.unexpanded[loc] = _VARIABLE.sub(lambda match: match["default"] or "", text)

        def expand(match: re.Match[str]) -> str:
            name = match["name"]
            value = os.environ.get(name or "") or match["default"]
            if name is None:
                self.add_problem(loc, "write ${NAME} or ${NAME:-default} for an environment variable")
            elif value is None:
                reason = "empty" if name in os.environ else "not set"
                self.add_problem(loc, f"the environment variable {name} is {reason}")
            return value or ""

        return _VARIABLE.sub(expand, text)


def format_loc(loc: Loc) -> str:
    """The path of a value as a person writes it: ``source.include.0``."""
    return ".".join(step if isinstance(step, str) and step.isprintable() else repr(step) for step in loc)


def _plain_tag(node: yaml.Node, loader: _Loader) -> Any:
    """The tag that a node has if the file gives it none."""
    plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return loader.resolve(type(node), node.value, (plain, not plain))  # type: ignore[no-untyped-call]


def _node_position(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _replace_surrogates(text: str) -> str:
    """Replace each half of a surrogate pair by a question mark: it can be written to no file and no terminal."""
    return text.encode(errors="replace").decode()
