"""Writes an index into a solution's YAML file; whatever else stands in the file stays as it is, to the byte.

Only the lines of the block ``index`` are read and written anew, by ruamel.yaml, which keeps the comments among them.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from vicinal.errors import DependencyError, VicinalError

__all__ = ["require_editable", "write_index"]

_REPLACED = ("type", "params", "search", "tuned")


def require_editable(path: Path) -> None:
    """See that the index of a solution's file can be written, before the work that leads to it.

    Raises:
        DependencyError: ruamel.yaml is not installed.
        VicinalError: the file cannot be written.
    """
    _import_editor()
    target = path.resolve()
    if not (os.access(target, os.W_OK) and os.access(target.parent, os.W_OK)):
        raise VicinalError(f"cannot write {path}", hint="--dry-run measures and writes nothing")


def write_index(path: Path, index: Mapping[str, Any]) -> None:
    """Put these keys into the block ``index``, in place of its type, parameters and earlier measurement.

    Raises:
        DependencyError: ruamel.yaml is not installed.
        VicinalError: the file cannot be read or written.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read()
        _write_atomically(path.resolve(), _edit(text, index))
    except OSError as error:
        raise VicinalError(f"cannot write {path}: {error.strerror or error}") from error


def _edit(text: str, index: Mapping[str, Any]) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    place = _find_block(text)
    if place is None:
        return _edit_document(text, index, newline)
    start, stop = place
    if start == stop and lines and not lines[-1].endswith("\n"):
        lines[-1] += newline
    edited = _edit_document("".join(lines[start:stop]), index, newline)
    return "".join([*lines[:start], edited, *lines[stop:]])


def _find_block(text: str) -> tuple[int, int] | None:
    """The lines of the block ``index``; an empty range at the end where there is none.

    None where it has no lines of its own: the whole document is in braces, or the block has or is an alias.
    """
    lines = text.splitlines()
    root = yaml.compose(text, yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode) or root.flow_style or any("&" in line or "*" in line for line in lines):
        return None
    if root.start_mark.column or text.startswith(("%", "---")) or "\n..." in text:
        return None
    for key, value in root.value:
        if key.value == "index":
            last = value.end_mark.line + (value.end_mark.column > 0)
            return key.start_mark.line, max(last, key.start_mark.line + 1)
    return len(lines), len(lines)


def _edit_document(text: str, index: Mapping[str, Any], newline: str) -> str:
    """A document with these keys in ``index``."""
    editor, mapping_type = _import_editor()
    editor.preserve_quotes, editor.width, editor.line_break = True, 4096, newline
    document = editor.load(text) or mapping_type()
    old: Any = document.get("index")
    block = mapping_type()
    if isinstance(old, mapping_type) and not old.fa.flow_style():
        block = old
    elif isinstance(old, mapping_type):
        block.update({name: value for name, value in old.items() if name not in _REPLACED})
    for place, name in enumerate(_REPLACED):
        if name not in index:
            block.pop(name, None)
            continue
        value = _to_flow(index[name], mapping_type)
        if name in block:
            block[name] = value
        elif name == "type":
            block.insert(0, name, value)
        else:
            before = [block_name for block_name in block if block_name not in _REPLACED[place:]]
            block.insert(len(before), name, value)
    block.fa.set_block_style()
    document["index"] = block
    written = io.StringIO()
    editor.dump(document, written)
    return written.getvalue()


def _to_flow(value: Any, mapping_type: Any) -> Any:
    """A mapping on one line."""
    if not isinstance(value, Mapping):
        return value
    flow = mapping_type(value)
    flow.fa.set_flow_style()
    return flow


def _import_editor() -> tuple[Any, Any]:
    try:
        from ruamel.yaml import YAML
        from ruamel.yaml.comments import CommentedMap
    except ImportError:
        raise DependencyError(
            "writing into a YAML file needs the package ruamel.yaml", hint='pip install "vicinal[tune]"'
        ) from None
    return YAML(typ="rt"), CommentedMap


def _write_atomically(path: Path, text: str) -> None:
    """Replace a file in one step; its permissions stay."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        shutil.copymode(path, name)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
