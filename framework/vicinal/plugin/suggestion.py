"""What a plugin suggests where ``vicinal init`` asks how a user's data would be read and encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Suggestion"]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The blocks of a new YAML; paths in them are written relative to it by ``init``."""

    source: Mapping[str, Any]
    """The ``source`` block, with its ``type``."""
    encoder: Mapping[str, Any]
    """The ``encoder`` block, with its ``type``."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Metadata that filters may use, as ``{"year": "int64"}``."""
    comment: str = ""
    """A line for people, written above the encoder."""
