"""The item filter contract: what keeps of the found items those that have a pattern, which Milvus cannot look for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from vicinal.types import Item

__all__ = ["ItemFilter"]


class ItemFilter(ABC):
    """Checks found items, one after another, for what a user has asked with ``--NAME PATTERN``.

    A search fetches more candidates until enough of them pass. One is made for each search, so that ``__init__`` may
    parse the pattern, which it is given as ``pattern``.
    """

    modality: ClassVar[str]
    """The name of the modality of the items that it can check."""

    def __init__(self, pattern: str) -> None:
        """
        Raises:
            FilterError: the pattern cannot be read; with the reason.
        """
        self.pattern = pattern

    @abstractmethod
    def matches(self, item: Item) -> bool:
        """Whether the item has the pattern. Thread-safe."""
