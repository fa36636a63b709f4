"""A page for each hook of ``vicinal.plugin.hookspecs``, with an example out of a plugin of the repository."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generator.markdown import anchor, fence, from_docstring, table
from generator.python_api import GROUPS
from vicinal.plugin import hookspecs

__all__ = ["hook_pages", "hooks_page"]

MAX_CHARS = 120
ROOT = Path(__file__).parents[2]
PLUGINS = (ROOT / "tests" / "examples" / "vicinal-dna" / "src", ROOT / "plugins", ROOT / "framework")

INTRODUCTION = """\
A plugin implements the hooks that it needs as functions of the module that its entry point names, each marked with
`vicinal.hookimpl`. A hook takes only those of its arguments that it names. [Writing a plugin](writing-a-plugin.md)
explains what is registered with them.

"""

KINDS = {
    "Registration": "Add names and import nothing heavy, since `vicinal --help` collects plugins, too.",
    "Set-up": "A solution is opened, or its YAML is written.",
    "Observation": "Be brief: it runs in the thread that does the work. What it returns is ignored; one that raises is"
    " logged, and not called again in that run.",
}


def hooks_page() -> str:
    text = "# Hooks\n\n" + INTRODUCTION
    for kind, said in KINDS.items():
        rows = [
            (
                f"[`{name}`](hooks/{name}.md)",
                ", ".join(f"`{it}`" for it in inspect.signature(hook).parameters),
                _first_sentence(hook),
            )
            for name, hook in _iter_hooks()
            if _kind(name) == kind
        ]
        text += f"## {kind}\n\n{said}\n\n" + table(("hook", "arguments", "what it is for"), rows) + "\n"
    return text.rstrip() + "\n"


def hook_pages() -> dict[str, str]:
    """The pages by their paths below ``docs/``."""
    return {f"hooks/{name}.md": _page(name, hook) for name, hook in _iter_hooks()}


def _read_guide() -> dict[str, tuple[str, str]]:
    """When each hook is called, and with what, as the guide's table says."""
    guide = (ROOT / "docs" / "writing-a-plugin.md").read_text(encoding="utf-8")
    said = {}
    for names, called, given in re.findall(r"^\| (`\w+\(.*?\)`) \| (.+) \| (.+) \|$", guide, re.MULTILINE):
        said |= dict.fromkeys(re.findall(r"`(\w+)\(", names), (called, given))
    return said


def _iter_hooks() -> Iterator[tuple[str, Any]]:
    for name, hook in vars(hookspecs).items():
        if hasattr(hook, "vicinal_spec"):
            yield name, hook


def _kind(name: str) -> str:
    if name.startswith("register_"):
        return "Registration"
    return "Set-up" if name in ("configure", "suggest_solution") else "Observation"


def _first_sentence(hook: Any) -> str:
    return (inspect.getdoc(hook) or "").split("\n\n")[0]


def _page(name: str, hook: Any) -> str:
    signature = inspect.signature(hook)
    arguments = ", ".join(f"{it.name}: {it.annotation}" for it in signature.parameters.values())
    implementations = list(_iter_implementations(name))
    if not implementations:
        raise SystemExit(f"no plugin of this repository implements {name}, so there is no example of it")
    path, source = implementations[0]
    text = f"# {name}\n\n{from_docstring(inspect.getdoc(hook) or '')}\n"
    head, tail = f"def {name}(", f") -> {signature.return_annotation}: ..."
    if len(head + arguments + tail) > MAX_CHARS:  # as ruff formats it, which reads pages, too
        arguments = f"\n    {arguments}\n"
    text += fence(f"@hookimpl\n{head}{arguments}{tail}", "python")
    if types := ", ".join(_link_types(signature)):
        text += f"\nTypes: {types}.\n"
    if (guide := _read_guide().get(name)) is None:
        raise SystemExit(f"docs/writing-a-plugin.md: the table of hooks has no row for {name}")
    called, given = guide
    text += f"\n- Called: {called}.\n- With: {given}.\n"
    text += f"\n{KINDS[_kind(name)]}\n"
    text += f"\n## An example\n\nFrom {_link(path)}:\n\n" + fence(source, "python")
    if others := [_link(other) for other, _ in implementations[1:]]:
        text += f"\nOther implementations: {', '.join(others)}.\n"
    return text


def _link_types(signature: inspect.Signature) -> Iterator[str]:
    annotations = " ".join(str(it.annotation) for it in signature.parameters.values())
    annotations += f" {signature.return_annotation}"
    described = {name for group in GROUPS.values() for name in group}
    for name in dict.fromkeys(re.findall(r"\w+", annotations)):
        if name in described:
            yield f"[`{name}`](../python.md#{anchor(name)})"


def _iter_implementations(name: str) -> Iterator[tuple[Path, str]]:
    """Yield the files that implement a hook, with the function's source; the tests run all of them."""
    for file in [file for folder in PLUGINS for file in sorted(folder.rglob("*.py"))]:
        text = file.read_text(encoding="utf-8")
        if f"def {name}(" in text and "@hookimpl" in text:
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef) and node.name == name and node.decorator_list:
                    lines = text.splitlines()[node.decorator_list[0].lineno - 1 : node.end_lineno]
                    yield file, textwrap.dedent("\n".join(lines))


def _link(file: Path) -> str:
    path = file.relative_to(ROOT).as_posix()
    return f"[`{path}`](../../{path})"
