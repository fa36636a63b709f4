"""``doctor --offline``: what a solution lacks on a machine without a network, and how to get each thing there."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicinal.cli.findings import Finding, make_finding
from vicinal.errors import DependencyError, VicinalError

if TYPE_CHECKING:
    from vicinal.plugin.manager import Manager
    from vicinal.plugin.registry import Registration
    from vicinal.solution.components import Components
    from vicinal.toolkit.models import Model

__all__ = ["find_bundle", "find_needs"]

_CONNECT_SECONDS = 3.0


def find_bundle() -> list[Finding]:
    """Look at the bundle that VICINAL_MODELS names, where it is set, even if no solution here loads a model."""
    from vicinal.toolkit.model_bundle import VARIABLE, open_bundle

    def describe() -> str:
        bundle = open_bundle()
        return f"{bundle.folder}, models: {len(bundle.manifest.models)}" if bundle else ""

    return [make_finding(VARIABLE, describe)] if os.environ.get(VARIABLE) else []


def find_needs(file: Path, manager: Manager) -> Iterator[Finding]:
    """Look for the packages, the models, the server program and the source of a solution; nothing of it is opened."""
    from vicinal.solution.components import Components
    from vicinal.solution.requirements import list_registrations

    try:
        solution = Components.from_yaml(file, manager=manager)
    except VicinalError:
        return  # the other findings of doctor say what is wrong with it
    needed = {module: entry for entry in list_registrations(solution) for module in entry.requires}
    for module, entry in needed.items():
        yield make_finding(f"{solution.name}: package {module}", partial(_import_package, module, entry))
    yield from _find_models(solution)
    if "://" not in solution.config.stores.redis:
        from vicinal.stores.redis_server import find_redis_server

        yield make_finding(f"{solution.name}: redis-server", lambda: str(find_redis_server()))
    if "://" not in solution.config.stores.milvus:
        yield make_finding(f"{solution.name}: loopback", _connect_to_itself)
    yield make_finding(f"{solution.name}: source", lambda: _read_first_key(solution))


def _import_package(module: str, entry: Registration[Any]) -> str:
    """Import a package, which fails where a library of the system is missing; return its version."""
    try:
        import_module(module)
    except ModuleNotFoundError as error:
        what = f'"{entry.install}"' if entry.install else module
        raise DependencyError(
            f"{entry.name} needs {error.name}, which is not installed",
            hint=f"where there is a network: `pip wheel {what} -w wheels`; copy the folder here, then"
            f" `pip install --no-index --find-links wheels {what}`",
        ) from error
    except (ImportError, OSError) as error:  # a shared library is missing, or of another system
        raise DependencyError(
            f"{entry.name} needs {module}, which cannot be imported: {error}",
            hint="install the library that it names by the system's package manager, from a package that you copy here",
        ) from error
    names = packages_distributions().get(module.partition(".")[0], [module])
    try:
        return f"{names[0]} {version(names[0])}"
    except PackageNotFoundError:
        return "importable"


def _find_models(solution: Components) -> Iterator[Finding]:
    from vicinal.solution.bundle import list_models

    try:
        models = {model.name: model for models in list_models(solution).values() for model in models}
    except VicinalError:
        return  # a package is missing, which another finding says
    for name, model in models.items():
        yield make_finding(f"{solution.name}: model {name}", partial(_resolve_model, model))


def _resolve_model(model: Model) -> str:
    path = model.resolve()
    size = sum(file.stat().st_size for file in model.list_files(path))
    return f"{size / 1e6:,.1f} MB, {path}"


def _connect_to_itself() -> str:
    """Connect to this machine, as the client of an embedded Milvus does.

    Raises:
        DependencyError: the loopback interface is down, as in a new network namespace.
    """
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise DependencyError(
            f"the embedded Milvus needs 127.0.0.1, which does not respond: {error.strerror or error}",
            hint="bring the loopback interface up: `ip link set lo up`",
        ) from error
    return "127.0.0.1 responds"


def _read_first_key(solution: Components) -> str:
    first = next(iter(solution.source), None)
    return f"its first item is {first.key}" if first else "it has no items"
