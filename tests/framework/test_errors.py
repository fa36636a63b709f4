"""The tree of user errors is what its docstring draws."""

import inspect
import re

import pytest

from vicinal import errors
from vicinal.errors import ConfigError, ExitCode, VicinalError

LINE = re.compile(r"^    (?P<branch>[│├└─ ]*)(?P<name>[A-Z]\w+) +(?P<text>.+)$", re.MULTILINE)
"""A line of the drawing: ``│   └── UnsupportedByEngineError  3, …``."""

CAUGHT = ("ItemError", "ItemSkipped")
"""Errors of an item, which end no command that reads many."""


def drawn() -> dict[str, tuple[str | None, int | None]]:
    """Each class in the docstring with its parent and, where the line begins with one, its exit code."""
    tree: dict[str, tuple[str | None, int | None]] = {}
    path: list[str] = []
    for line in LINE.finditer(errors.__doc__):
        depth = len(line["branch"]) // 4
        path[depth:] = [line["name"]]
        code = re.search(r"(?:^|exit code )(\d+),", line["text"])
        tree[line["name"]] = (path[depth - 1] if depth else None, int(code[1]) if code else None)
    return tree


def defined() -> dict[str, type[VicinalError]]:
    classes = inspect.getmembers(errors, inspect.isclass)
    return {name: found for name, found in classes if issubclass(found, VicinalError)}


def test_all_names_every_error_and_the_exit_codes():
    assert errors.__all__ == sorted([*defined(), "ExitCode"])


def test_the_docstring_draws_every_error_below_its_parent():
    parents = {name: found.__base__.__name__ for name, found in defined().items()}
    parents["VicinalError"] = None
    assert {name: parent for name, (parent, _) in drawn().items()} == parents


def test_the_docstring_tells_every_exit_code():
    codes = {name: code for name, (_, code) in drawn().items() if code is not None}
    assert codes == {name: int(found.exit_code) for name, found in defined().items() if name not in CAUGHT}


def test_the_exit_codes_are_those_that_scripts_rely_on():
    assert {code.name: code.value for code in ExitCode} == {
        "DONE": 0,
        "FAILED": 1,
        "USAGE": 2,
        "BAD_CONFIG": 3,
        "PLUGIN_MISSING": 4,
        "UNREACHABLE": 5,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name != "ExitCode"])
def test_an_error_has_a_message_and_a_hint(name):
    error = getattr(errors, name)("it went wrong", hint="do this")
    assert (str(error), error.hint) == ("it went wrong", "do this")
    assert getattr(errors, name)("it went wrong").hint == ""


def test_a_config_error_lists_its_problems():
    error = ConfigError("2 problems", problems=["a.yaml:1:1: name: missing", "a.yaml:2:3: source: missing"])
    assert str(error) == "2 problems\na.yaml:1:1: name: missing\na.yaml:2:3: source: missing"
    assert error.problems == ("a.yaml:1:1: name: missing", "a.yaml:2:3: source: missing")
