"""Items that are vectors."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import numpy as np

from vicinal.types import Item

__all__ = ["make_item"]


def make_item(key: str, vector: np.ndarray, metadata: Mapping[str, Any]) -> Item:
    """An item, whose version is a hash of its vector: that is compared in place of the vector."""
    return Item(key, vector, "", metadata, blake2b(vector.data, digest_size=12).hexdigest())
