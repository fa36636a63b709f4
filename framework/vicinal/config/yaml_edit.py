"""Writes a block into a solution's YAML file; whatever else stands in the file stays as it is, to the byte.

Only the lines of the block are read and written anew, by ruamel.yaml, which keeps the comments among them.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from vicinal.errors import DependencyError, VicinalError
from vicinal.toolkit.atomic_files import replace_file

__all__ = ["edit_block", "edit_file", "edit_stores", "require_editable"]

Change = Callable[[Any, Any], None]
"""Changes a document of one block; the second argument is the type of its mappings."""


def require_editable(path: Path, hint: str) -> None:
    """See that a block of a solution's file can be written, before the work that leads to it.

    Raises:
        DependencyError: ruamel.yaml is not installed.
        VicinalError: the file cannot be written.
    """
    _import_editor()
    target = path.resolve()
    if not (os.access(target, os.W_OK) and os.access(target.parent, os.W_OK)):
        raise VicinalError(f"cannot write {path}", hint=hint)


def edit_file(path: Path, edit: Callable[[str], str]) -> None:
    """Put the edited text in the place of a file's, in one step; its permissions stay.

    Raises:
        VicinalError: the file cannot be read or written.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read()
    except OSError as error:
        raise VicinalError(f"cannot write {path}: {error.strerror or error}") from error
    replace_file(path, edit(text).encode())


def edit_stores(text: str, stores: Mapping[str, str]) -> str:
    """The text with these values in its block ``stores``, and its other values as they are."""

    def change(document: Any, mapping_type: Any) -> None:
        if not isinstance(document.get("stores"), mapping_type):
            document["stores"] = mapping_type()
        document["stores"].update(stores)

    return edit_block(text, "stores", change)


def edit_block(text: str, name: str, change: Change) -> str:
    """The text of a YAML file with its block ``name`` changed, which ``change`` may find missing.

    Raises:
        DependencyError: ruamel.yaml is not installed.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    place = _find_block(text, name)
    if place is None:
        return _edit_document(text, change, newline)
    start, stop = place
    if start == stop and lines and not lines[-1].endswith("\n"):
        lines[-1] += newline
    edited = _edit_document("".join(lines[start:stop]), change, newline)
    return "".join([*lines[:start], edited, *lines[stop:]])


def _find_block(text: str, name: str) -> tuple[int, int] | None:
    """The lines of a block; an empty range at the end where there is none.

    None where it has no lines of its own: the whole document is in braces, or the block has or is an alias.
    """
    lines = text.splitlines()
    root = yaml.compose(text, yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode) or root.flow_style or any("&" in line or "*" in line for line in lines):
        return None
    if root.start_mark.column or text.startswith(("%", "---")) or "\n..." in text:
        return None
    for key, value in root.value:
        if key.value == name:
            last = value.end_mark.line + (value.end_mark.column > 0)
            return key.start_mark.line, max(last, key.start_mark.line + 1)
    return len(lines), len(lines)


def _edit_document(text: str, change: Change, newline: str) -> str:
    editor, mapping_type = _import_editor()
    editor.preserve_quotes, editor.width, editor.line_break = True, 4096, newline
    document = editor.load(text) or mapping_type()
    change(document, mapping_type)
    written = io.StringIO()
    editor.dump(document, written)
    return written.getvalue()


def _import_editor() -> tuple[Any, Any]:
    try:
        from ruamel.yaml import YAML
        from ruamel.yaml.comments import CommentedMap
    except ImportError:
        raise DependencyError(
            "writing into a YAML file needs the package ruamel.yaml", hint='pip install "vicinal[tune]"'
        ) from None
    return YAML(typ="rt"), CommentedMap
