"""The reranker contract: what puts found candidates in a better order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vicinal.plugin.params import Configurable, P
from vicinal.types import Hit

if TYPE_CHECKING:
    from vicinal.toolkit.models import Model

__all__ = ["Reranker"]


class Reranker(Configurable[P], ABC):
    """Reorders the candidates of one query.

    Distance and similarity stay as found, and ``rank`` is set anew after it. A reranker that computes a score gives it
    to the hits with ``hit.with_score(score, note)``; people see both beside the similarity.
    """

    @property
    def candidates(self) -> int:
        """How many candidates to fetch for each hit that is wanted."""
        return 5

    @property
    def reads_text(self) -> bool:
        """Whether it reads the hits' texts; a solution whose items are not texts then refuses it."""
        return False

    def list_models(self) -> Sequence[Model]:
        """The models that it loads, as it is configured, for ``vicinal bundle``; by default none."""
        return ()

    @abstractmethod
    def rerank(self, query: Any, hits: Sequence[Hit]) -> Sequence[Hit]:
        """Return the hits, best first; it may leave some out but add none.

        It is not called for a search by examples that has no query.
        """
