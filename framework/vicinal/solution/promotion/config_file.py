"""The stores that a solution was promoted to, as its YAML file or environment variables have them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from vicinal.config import load_config
from vicinal.config.models import StoresConfig
from vicinal.config.yaml_edit import edit_file, edit_stores, require_editable
from vicinal.errors import VicinalError
from vicinal.plugin.manager import Manager
from vicinal.stores import redact_url

__all__ = ["describe_variables", "list_variables", "require_writable_stores", "write_stores"]

_VARIABLES = {"milvus": "MILVUS_URI", "redis": "REDIS_URL"}


def list_variables(stores: StoresConfig) -> dict[str, str]:
    """The environment variables that name both stores, whose values may hold passwords."""
    return {variable: getattr(stores, store) for store, variable in _VARIABLES.items()}


def describe_variables(stores: StoresConfig) -> dict[str, str]:
    """The same to be printed, where logs keep it: an ellipsis stands for what may be secret."""
    return {variable: redact_url(location) for variable, location in list_variables(stores).items()}


def require_writable_stores(path: Path, stores: StoresConfig, manager: Manager) -> None:
    """See, before the work, that the file can be written, and that it names these stores then.

    Raises:
        DependencyError: ruamel.yaml is not installed.
        VicinalError: the file cannot be written, or a password of a store is in no environment variable.
    """
    require_editable(path, hint="without --write it prints the variables to set")
    for variable, location in list_variables(stores).items():
        if _has_secret(location) and os.environ.get(variable) != location:
            raise VicinalError(
                f"{redact_url(location)} has a password or the like, which does not belong into a file",
                hint=f"set {variable} to the whole of it, and promote again: the file then says ${{{variable}}}",
            )
    if load_config(path, manager, _edit_text(path, stores)).stores.model_copy(update={"token": stores.token}) != stores:
        raise VicinalError(f"{path} cannot be written so that it names these stores", hint="write them by hand")


def write_stores(path: Path, stores: StoresConfig) -> None:
    """Put both stores into the file; one with a password as the name of its environment variable.

    Raises:
        VicinalError: the file cannot be read or written.
    """
    edit_file(path, lambda text: edit_stores(text, _to_values(path, stores)))


def _edit_text(path: Path, stores: StoresConfig) -> str:
    return edit_stores(path.read_bytes().decode("utf-8-sig"), _to_values(path, stores))


def _to_values(path: Path, stores: StoresConfig) -> dict[str, str]:
    values = {
        store: f"${{{_VARIABLES[store]}}}" if _has_secret(location) else _to_relative(location, path)
        for store, location in {"milvus": stores.milvus, "redis": stores.redis}.items()
    }
    is_from_variable = bool(stores.token) and os.environ.get("MILVUS_TOKEN") == stores.token
    return {**values, "token": "${MILVUS_TOKEN}"} if is_from_variable else values


def _to_relative(location: str, path: Path) -> str:
    """A path in the folder of the file as one relative to it."""
    folder = path.resolve().parent
    is_below = "://" not in location and Path(location).is_relative_to(folder)
    return str(Path(location).relative_to(folder)) if is_below else location


def _has_secret(location: str) -> bool:
    return bool(re.search(r"://[^/?#]*@|[?&](?:password|token)=", location))
