"""Calls what an encoder says of queries and examples, and checks what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vicinal.errors import PluginError
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.foreign_calls import attribute_errors, name_encoder
from vicinal.toolkit.text import describe_kind

__all__ = ["combine_examples", "list_excluded_keys", "to_query_vectors"]


def to_query_vectors(encoder: Encoder, stored: np.ndarray) -> np.ndarray:
    """The queries that find items like those with these vectors: ``(n, dimension)`` to ``(n, dimension)`` float32.

    Raises:
        PluginError: the encoder returns something else.
    """
    if type(encoder).to_query_vector is Encoder.to_query_vector:
        return stored
    return np.stack([_call_for_vector(encoder, "to_query_vector", vector) for vector in stored])


def combine_examples(encoder: Encoder, liked: np.ndarray, unliked: np.ndarray) -> np.ndarray:
    """The query, ``(dimension,)`` float32, that an encoder makes of examples.

    Raises:
        PluginError: the encoder returns something else.
    """
    return _call_for_vector(encoder, "combine_examples", liked, unliked)


def list_excluded_keys(encoder: Encoder, query: str | Path) -> Sequence[str]:
    """The keys of the items that a search by this query leaves out.

    Raises:
        PluginError: the encoder returns something else.
    """
    with attribute_errors(name_encoder(encoder), "list_excluded_keys"):
        keys = encoder.list_excluded_keys(query)
    if not isinstance(keys, Sequence) or isinstance(keys, str) or not all(isinstance(key, str) for key in keys):
        raise PluginError(
            f"{name_encoder(encoder)}: list_excluded_keys returned {describe_kind(keys)}, not a list of keys"
        )
    return keys


def _call_for_vector(encoder: Encoder, method: str, *vectors: np.ndarray) -> np.ndarray:
    with attribute_errors(name_encoder(encoder), method):
        vector = np.asarray(getattr(encoder, method)(*vectors))
    shape = (encoder.space.dimension,)
    if vector.shape != shape or vector.dtype.kind != "f":
        raise PluginError(
            f"{name_encoder(encoder)}: {method} returned {vector.dtype} of shape {vector.shape},"
            f" not float32 of shape {shape}"
        )
    return vector.astype(np.float32, copy=False)
