"""What a solution needs to be installed: the registrations of its parts, and what pip calls them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import distributions
from typing import Any

from pydantic import BaseModel

from vicinal.plugin.block import EncoderBlock
from vicinal.plugin.manager import Manager
from vicinal.plugin.registry import Registration
from vicinal.solution.components import Components

__all__ = ["list_constraints", "list_registrations", "list_requirements"]


def list_registrations(solution: Components) -> list[Registration[Any]]:
    """Return those of its source, its encoder with any within it, and its reranker."""
    config, manager = solution.config, solution.manager
    found: list[Registration[Any]] = [manager.sources.get(config.source.type)]
    encoders = [config.encoder.type, *_list_inner_encoders(config.encoder.params)]
    found += [manager.encoders.get(name) for name in encoders]
    return found + ([manager.rerankers.get(config.rerank.type)] if config.rerank else [])


def list_requirements(solutions: Iterable[Components]) -> list[str]:
    """Return what pip installs for some solutions, a line for each distribution, with its extras."""
    extras: dict[str, set[str]] = {"vicinal": set()}
    for solution in solutions:
        for entry in list_registrations(solution):
            requirement = entry.install or _find_distribution(entry.plugin, solution.manager)
            if match := re.match(r"([\w.-]+)(?:\[([\w.,\s-]*)])?", requirement):
                named = extras.setdefault(match[1], set())
                named.update(filter(None, map(str.strip, (match[2] or "").split(","))))
    return sorted(name + (f"[{','.join(sorted(named))}]" if named else "") for name, named in extras.items())


def list_constraints() -> list[str]:
    """Return the version of each installed distribution, as a constraints file of pip has them."""
    found = {each.metadata["Name"]: each.version for each in distributions()}
    return sorted((f"{name}=={version}" for name, version in found.items() if name), key=str.lower)


def _list_inner_encoders(params: Any) -> Iterator[str]:
    for value in dict(params).values() if isinstance(params, BaseModel) else ():
        if isinstance(value, EncoderBlock):
            yield value.type


def _find_distribution(plugin: str, manager: Manager) -> str:
    return next((row.distribution for row in manager.rows if row.name == plugin), "")
