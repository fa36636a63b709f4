"""The reranker contract: what puts found candidates in a better order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from vicinal.plugin import params
from vicinal.types import Hit

__all__ = ["Reranker"]


class Reranker(ABC):
    """Reorders the candidates of one query. ``rank`` is set anew after it; distance and similarity stay as found."""

    class Params(params.Params):
        """The keys that the reranker's YAML block accepts beside ``type``."""

    def __init__(self, params: Any = None) -> None:
        self.params: Any = type(self).Params() if params is None else params

    @property
    def candidates(self) -> int:
        """How many candidates to fetch for each hit that is wanted."""
        return 5

    @abstractmethod
    def rerank(self, query: Any, hits: Sequence[Hit]) -> Sequence[Hit]:
        """Return the hits, best first; it may leave some out but add none."""
