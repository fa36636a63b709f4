"""Writing a new plugin: a distribution that installs, is found by vicinal, and whose own tests pass."""

from __future__ import annotations

import re
from collections.abc import Collection
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from vicinal import __version__
from vicinal.errors import VicinalError
from vicinal.plugin.manager import create_manager

__all__ = ["PARTS", "write_plugin"]

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_NAME_CHARS = 63

LAYOUT = {
    "gitignore": ".gitignore",
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "solution.yaml": "$name.yaml",
    "cities.txt": "data/cities.txt",
    "encoder.py": "src/$module/encoder.py",
    "py.typed": "src/$module/py.typed",
    "test_encoder.py": "tests/test_encoder.py",
}
"""Each template, and where in the distribution it is written."""

PARTS = {
    "source": "a source of its own: where items are read from",
    "reranker": "a reranker: another order of the hits, with a score",
    "command": "a command of the command line",
}
"""What a plugin may have beside its encoder, each with a module, a test and a hook."""


def write_plugin(name: str, directory: Path, parts: Collection[str] = ()) -> Path:
    """Write an installable plugin with an encoder, its tests and an example solution.

    Args:
        name: what the plugin and its encoder are called: letters, digits and hyphens, written in small letters.
        directory: the folder in which ``vicinal-NAME`` is created.
        parts: what it has beside the encoder, names of ``PARTS``.

    Returns:
        The folder of the new distribution.

    Raises:
        VicinalError: the name cannot be used, or the folder exists and is not empty.
    """
    name = _check_name(name.lower())
    target = directory / f"vicinal-{name}"
    parts = [part for part in PARTS if part in parts]
    values = {"name": name, "module": _module_name(name), "version": __version__}
    values["click"] = ', "click>=8.2"' if "command" in parts else ""
    values["types"] = _import_types(parts)
    values["parts"] = "".join(f"| `src/{values['module']}/{part}.py` | {PARTS[part]} |\n" for part in parts)
    layout = LAYOUT | {f"{part}.py": f"src/$module/{part}.py" for part in parts}
    layout |= {f"test_{part}.py": f"tests/test_{part}.py" for part in parts}
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise VicinalError(f"{target} exists and is not empty", hint="choose another name or another directory")
        for template, place in layout.items():
            _write_file(target / Template(place).substitute(values), _fill_template(template, values))
        hooks = ["__init__.py", *(f"register_{part}" for part in parts)]
        text = "".join(_fill_template(template, values) for template in hooks)
        _write_file(target / "src" / values["module"] / "__init__.py", text)
    except OSError as error:
        raise VicinalError(f"{target} cannot be written: {error}", hint="choose another directory") from error
    return target


def _check_name(name: str) -> str:
    if not NAME.fullmatch(name) or len(name) > MAX_NAME_CHARS:
        raise VicinalError(
            f"{name!r} cannot name a plugin",
            hint="use letters, digits and single hyphens, beginning with a letter,"
            f" {MAX_NAME_CHARS} at most: bird-songs",
        )
    if find_spec(_module_name(name)) is not None:
        raise VicinalError(f"a package {_module_name(name)!r} is installed already", hint="choose another name")
    encoders = create_manager().encoders
    if name in encoders:
        raise VicinalError(
            f"plugin {encoders.get(name).plugin!r} has an encoder {name!r} already", hint="choose another name"
        )
    return name


def _module_name(name: str) -> str:
    return f"vicinal_{name.replace('-', '_')}"


def _import_types(parts: Collection[str]) -> str:
    """The imports that the hooks' annotations need."""
    names = ["Encoder", "Registrar", *(part.title() for part in ("source", "reranker") if part in parts)]
    click = "    import click\n" if "command" in parts else ""
    return f"{click}    from vicinal import {', '.join(sorted(names))}"


def _fill_template(name: str, values: dict[str, str]) -> str:
    # The suffix keeps linters and build tools from taking a template for a project of its own.
    text = (files("vicinal.plugin") / "templates" / f"{name}.template").read_text("utf-8")
    return Template(text).substitute(values)


def _write_file(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
