"""What copies a solution to other stores, from an embedded Milvus to a server and back, without encoding again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Self

from vicinal.config.models import StoresConfig
from vicinal.solution.handover import require_whole
from vicinal.solution.promotion.promotion import Promotion
from vicinal.solution.promotion.report import PromotionReport
from vicinal.solution.promotion.targets import choose_stores
from vicinal.solution.reindexable import ReindexableSolution
from vicinal.stores.writer_lock import WriterLock

__all__ = ["PromotableSolution"]

_QUERIES = 100


class PromotableSolution(ReindexableSolution):
    """The part of a solution that ``Solution`` documents as copying it to other stores."""

    _stop_promotion: threading.Event | None = None
    """Set to end the promotion that is running."""

    def promote(
        self,
        milvus: str,
        redis: str = "",
        *,
        token: str | None = None,
        queries: int = _QUERIES,
        hand_over: bool = False,
        on_progress: Callable[[Mapping[str, int]], object] = bool,
    ) -> PromotionReport:
        """Copy all that is indexed to another Milvus and another Redis, without encoding again, and prove the copy.

        Searches go on, and items are added and removed meanwhile: the copy has them, too. An ingest has to wait. What
        a run that does not end has copied is continued by the next one; one that ends leaves both, and the next one
        copies what differs. A target that the engine makes store vectors otherwise, as Milvus Lite does with bits, has
        the same ones.

        Args:
            milvus: where the vectors go: a path ending in .db, or the URI of a server.
            redis: where the rest goes: a folder or a URL. By default REDIS_URL; beside a ``milvus`` that is a path the
                folder ``redis``.
            token: Milvus' user:password or API key there; by default the same as here.
            queries: how many stored vectors are searched for in both.
            hand_over: whether the target takes the writes from then on, and this one is only searched.
            on_progress: receives, again and again, how many items were ``copied``, how many were there already
                (``unchanged``), and how many there are in all (``total``).

        Raises:
            NothingIndexedError: there is nothing to copy.
            UnsupportedByEngineError: the target's engine cannot do what the YAML asks for; nothing is created.
            StoreMismatchError: the target has other or newer data; or the copy is not equal.
            StoreBusyError: another process writes to one of both for long.
            KeyboardInterrupt: ``interrupt``, or Ctrl-C.
        """
        stores = choose_stores(self.config.stores, milvus, redis, token)
        self._stop_promotion = stop = threading.Event()
        try:
            with self._open_at(stores) as target:
                return Promotion(self.open(), target, queries, hand_over, on_progress, stop).run()
        finally:
            stop.set()
            self._stop_promotion = None

    def release(self) -> bool:
        """Take writes again in the stores that were handed over by ``promote``; returns whether they were.

        Raises:
            StoreBusyError: not all is here yet of what a promotion to these stores copies.
        """
        self.open()
        with WriterLock(self.metadata, brief=True):
            self.follow()
            state = self.metadata.state()
            require_whole(state, self.name)
            was_moved = bool(state.get("moved"))
            if was_moved:
                self.metadata.set_state(moved=None)
        return was_moved

    def interrupt(self) -> bool:
        """End the run of another thread after its current batch; it raises KeyboardInterrupt there.

        Returns whether there was one.
        """
        if (stop := self._stop_promotion) is not None:
            stop.set()
            return True
        return super().interrupt()

    def _open_at(self, stores: StoresConfig) -> Self:
        """The same solution with other stores, to be closed."""
        made = type(self)(self.config.model_copy(update={"stores": stores}), self.manager, self.folder)
        made.yaml = self.yaml
        return made
