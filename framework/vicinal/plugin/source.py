"""The source contract: what yields items, one after another, without holding them all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from vicinal.plugin.params import Configurable, P
from vicinal.types import Failure, Item

__all__ = ["Source"]


class Source(Configurable[P], ABC):
    """Yields items in a stable order, in bounded memory. Making one reads nothing."""

    @abstractmethod
    def __iter__(self) -> Iterator[Item | Failure]:
        """Yield every item; where one cannot be read, its ``Failure`` (stage ``read``) in its place.

        Raises:
            SourceError: the source as a whole cannot be read.
        """

    def count(self) -> int | None:
        """About how many items there are, for a progress bar; None where that is not cheap to know."""
        return None
