"""Writes an index into a solution's YAML file; whatever else stands in the file stays as it is, to the byte."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from vicinal.config import yaml_edit

__all__ = ["require_editable", "write_index"]

_REPLACED = ("type", "params", "search", "tuned")


def require_editable(path: Path) -> None:
    """See that the index of a solution's file can be written, before the work that leads to it.

    Raises:
        DependencyError: ruamel.yaml is not installed.
        VicinalError: the file cannot be written.
    """
    yaml_edit.require_editable(path, hint="--dry-run measures and writes nothing")


def write_index(path: Path, index: Mapping[str, Any]) -> None:
    """Put these keys into the block ``index``, in place of its type, parameters and earlier measurement.

    Raises:
        DependencyError: ruamel.yaml is not installed.
        VicinalError: the file cannot be read or written.
    """
    change = partial(_change_index, index)
    yaml_edit.edit_file(path, lambda text: yaml_edit.edit_block(text, "index", change))


def _change_index(index: Mapping[str, Any], document: Any, mapping_type: Any) -> None:
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


def _to_flow(value: Any, mapping_type: Any) -> Any:
    """A mapping on one line."""
    if not isinstance(value, Mapping):
        return value
    flow = mapping_type(value)
    flow.fa.set_flow_style()
    return flow
