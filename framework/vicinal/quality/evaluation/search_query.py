"""A query of an evaluation, and how its hits are judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from vicinal.quality.measures import Ranking
from vicinal.types import Hit

__all__ = ["SearchQuery"]


@dataclass(slots=True)
class SearchQuery:
    """What is searched for, how it is named in the per-query table, and how its hits are judged.

    ``list_relevant`` yields keys of relevant items, the most relevant first, as far as they are known.
    """

    request: str
    columns: Mapping[str, str]
    judge: Callable[[Sequence[Hit]], Ranking]
    list_relevant: Callable[[], Iterable[str]] = tuple
