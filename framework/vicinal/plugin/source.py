"""The source contract: what yields items, one after another, without holding them all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from vicinal.plugin import params
from vicinal.types import Failure, Item

__all__ = ["Source"]


class Source(ABC):
    """Yields items in a stable order, in bounded memory. Making one reads nothing."""

    class Params(params.Params):
        """The keys that the source's YAML block accepts beside ``type``."""

    def __init__(self, params: Any = None) -> None:
        self.params: Any = type(self).Params() if params is None else params

    @abstractmethod
    def __iter__(self) -> Iterator[Item | Failure]:
        """Yield every item; where one cannot be read, its ``Failure`` (stage ``read``) in its place.

        Raises:
            SourceError: the source as a whole cannot be read.
        """

    def count(self) -> int | None:
        """About how many items there are, for a progress bar; None where that is not cheap to know."""
        return None
