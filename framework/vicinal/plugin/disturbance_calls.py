"""Calls what an encoder says of disturbed items, and makes queries of what it returns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from vicinal.errors import PluginError
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.evaluation import Disturbance
from vicinal.plugin.foreign_calls import attribute_errors, name_encoder
from vicinal.toolkit.text import describe_kind
from vicinal.types import item_id

__all__ = ["disturb_content", "list_disturbances", "make_generator", "to_query"]

_NAME = re.compile(r"[a-z][a-z0-9-]*")


def list_disturbances(encoder: Encoder) -> list[Disturbance]:
    """The disturbances of an encoder's items; none where it has none.

    Raises:
        PluginError: it returns something else, or two of the same name.
    """
    with attribute_errors(name_encoder(encoder), "list_disturbances"):
        disturbances = encoder.list_disturbances()
    if not isinstance(disturbances, Sequence) or not all(isinstance(one, Disturbance) for one in disturbances):
        raise PluginError(
            f"{name_encoder(encoder)}: list_disturbances returned {describe_kind(disturbances)},"
            " not a list of Disturbance"
        )
    names = [disturbance.name for disturbance in disturbances]
    if invalid := [name for name in names if not _NAME.fullmatch(name) or names.count(name) > 1]:
        raise PluginError(
            f"{name_encoder(encoder)}: a disturbance is called {invalid[0]!r}",
            hint="a name has lower-case letters, digits and hyphens, and stands once",
        )
    return list(disturbances)


def make_generator(seed: int, key: str, disturbance: str) -> np.random.Generator:
    """The generator for one item and one disturbance: the same in whatever order, and of whatever others are asked."""
    return np.random.default_rng([seed, item_id(key), crc32(disturbance.encode())])


def disturb_content(
    encoder: Encoder, disturbance: Disturbance, content: Any, generator: np.random.Generator
) -> str | bytes | None:
    """What a user would search with, a text or the bytes of a file; None where the disturbance changes nothing.

    Raises:
        ItemError: the content cannot be read.
        PluginError: the disturbance returns something else.
    """
    owner = f"{name_encoder(encoder)}, disturbance {disturbance.name!r}"
    with attribute_errors(owner, "apply"):
        query = disturbance.apply(content, generator)
    if query is None or isinstance(query, str | bytes):
        return query
    raise PluginError(
        f"{owner}: apply returned {describe_kind(query)}", hint="return a text, the bytes of a file, or None"
    )


def to_query(query: str | bytes, path: Path) -> str | Path:
    """What is searched with: the bytes of a file are written to ``path``, and a text is protected from being a key."""
    if isinstance(query, str):
        return f"\\{query}" if query.startswith("@") else query
    path.write_bytes(query)
    return path
