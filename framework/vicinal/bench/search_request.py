"""What each client of a throughput measurement sends: picklable, so that it reaches the clients' processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Search"]


@dataclass(frozen=True, slots=True)
class Search:
    """What each client asks, over and over, with other queries: picklable."""

    address: str
    token: str
    collection: str
    limit: int
    params: Mapping[str, Any]
    filter: str = ""
    batch: int = 1
    """Queries in a request."""
