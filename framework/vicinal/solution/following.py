"""Follows the generation that is live: another process may have put a new one in the place of the old by a reindex."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from vicinal.config import SolutionConfig
from vicinal.errors import StoreUnreachableError
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.manager import Manager
from vicinal.solution.components import Components
from vicinal.solution.learning import restore_state
from vicinal.stores.milvus import VectorStore
from vicinal.stores.redis import MetadataStore

__all__ = ["FollowingComponents"]

T = TypeVar("T")


class FollowingComponents(Components):
    """Encoder and both stores of one generation, which are exchanged together while nobody searches."""

    def __init__(
        self, config: SolutionConfig, manager: Manager | None = None, folder: str | Path | None = None
    ) -> None:
        super().__init__(config, manager, folder)
        self._open_lock = threading.RLock()

    @abstractmethod
    def _pause_searches(self) -> AbstractContextManager[None]:
        """Wait until nobody searches, keep others from it, and open the searcher anew afterwards."""

    def follow(self) -> int:
        """Use the generation that is live, if a reindex has put another one in the place of this one; returns it."""
        with self._open_lock:
            live = self.metadata.read_live_generation()
            if live != self.metadata.generation:
                self._adopt_generation(self.metadata.of_generation(live))
            return live

    def _adopt_generation(
        self, metadata: MetadataStore, vectors: VectorStore | None = None, encoder: Encoder | None = None
    ) -> None:
        """Use another generation; its encoder is made, and what that learnt restored, before searches are paused."""
        if encoder is None and self.encoder.learns:
            encoder = self.create_encoder()
            restore_state(encoder, metadata)
        if vectors is None and "vectors" in self.__dict__:
            vectors = self.vectors.of_collection(self.vectors.alias)
        with self._open_lock, self._pause_searches():
            parts = {"metadata": metadata, "vectors": vectors, "encoder": encoder}
            self.__dict__.update({name: part for name, part in parts.items() if part is not None})
            self.__dict__.pop("_collection", None)

    def read(self, work: Callable[[], T]) -> T:
        """Do what only reads; again, if it fails while a reindex puts another generation in the place of this one."""
        while True:
            generation = self.metadata.generation
            try:
                return work()
            except StoreUnreachableError:
                raise
            except Exception:
                if self.follow() == generation:
                    raise
