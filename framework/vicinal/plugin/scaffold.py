"""Writing a new plugin: a distribution that installs, is found by vicinal, and whose own tests pass."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from vicinal import __version__
from vicinal.errors import VicinalError
from vicinal.plugin.manager import create_manager

__all__ = ["new_plugin"]

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 63

LAYOUT = {
    "gitignore": ".gitignore",
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "solution.yaml": "$name.yaml",
    "cities.txt": "data/cities.txt",
    "__init__.py": "src/$module/__init__.py",
    "encoder.py": "src/$module/encoder.py",
    "test_encoder.py": "tests/test_encoder.py",
}
"""Each template, and where in the distribution it is written."""


def new_plugin(name: str, directory: Path) -> Path:
    """Write an installable plugin with an encoder, its tests and an example solution.

    Args:
        name: what the plugin and its encoder are called: letters, digits and hyphens, written in small letters.
        directory: the folder below which ``vicinal-NAME`` is made.

    Returns:
        The folder of the new distribution.

    Raises:
        VicinalError: the name cannot be used, or the folder exists and is not empty.
    """
    name = _checked(name.lower())
    target = directory / f"vicinal-{name}"
    values = {"name": name, "module": _module(name), "version": __version__}
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise VicinalError(f"{target} exists and is not empty", hint="choose another name or another directory")
        for template, place in LAYOUT.items():
            _write(target / Template(place).substitute(values), Template(_read(template)).substitute(values))
    except OSError as error:
        raise VicinalError(f"{target} cannot be written: {error}", hint="choose another directory") from error
    return target


def _checked(name: str) -> str:
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise VicinalError(
            f"{name!r} cannot name a plugin",
            hint=f"use letters, digits and single hyphens, beginning with a letter, {LONGEST} at most: bird-songs",
        )
    if find_spec(_module(name)) is not None:
        raise VicinalError(f"a package {_module(name)!r} is installed already", hint="choose another name")
    encoders = create_manager().encoders
    if name in encoders:
        raise VicinalError(
            f"plugin {encoders.get(name).plugin!r} has an encoder {name!r} already", hint="choose another name"
        )
    return name


def _module(name: str) -> str:
    return f"vicinal_{name.replace('-', '_')}"


def _read(template: str) -> str:
    # The suffix keeps linters and build tools from taking a template for a project of its own.
    return (files("vicinal.plugin") / "templates" / f"{template}.template").read_text("utf-8")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
