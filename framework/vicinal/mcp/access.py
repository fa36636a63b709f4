"""Reaches a solution for one call at a time, so that assistants and other commands share an embedded Milvus."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from vicinal.config import load_config
from vicinal.errors import StoreBusyError
from vicinal.plugin.manager import create_manager
from vicinal.solution.remote import RemoteSolution, find_remote
from vicinal.solution.solution import Solution

__all__ = ["AnySolution", "SolutionAccess"]

AnySolution = Solution | RemoteSolution
T = TypeVar("T")

_BUSY_SECONDS = 10.0
"""How long a call waits for another process that holds the embedded Milvus; a call of another assistant holds it for a
fraction of a second."""


class SolutionAccess:
    """One solution, which calls work on in turn.

    An embedded Milvus belongs to one process at a time, and every assistant starts a process of its own: it is opened
    for each call and closed after it, which takes 0.2 s for a small collection. The model stays loaded. Where
    `vicinal serve` holds it, the call goes through that server. A Milvus server stays connected.
    """

    def __init__(self, file: Path) -> None:
        """
        Raises:
            ConfigError: the file is wrong.
        """
        manager = create_manager()
        self.config = load_config(file, manager)
        self._solution = Solution(self.config, manager, file.parent)
        self._lock = threading.Lock()
        self._is_embedded = "://" not in self.config.stores.milvus
        self._retrying = Retrying(
            retry=retry_if_exception_type(StoreBusyError),
            stop=stop_after_delay(_BUSY_SECONDS),
            wait=wait_random(0.05, 0.25),
            reraise=True,
        )

    def call(self, work: Callable[[AnySolution], T]) -> T:
        """Return what ``work`` makes of the solution; it is called again while another process holds the stores.

        Raises:
            StoreBusyError: another process has held them for ten seconds.
        """
        with self._lock:
            result: T = self._retrying(self._call_once, work)
        return result

    def close(self) -> None:
        """Disconnect from the stores."""
        with self._lock:
            self._solution.close()

    def _call_once(self, work: Callable[[AnySolution], T]) -> T:
        if (remote := find_remote(self.config)) is not None:
            return work(remote)
        try:
            return work(self._solution)
        finally:
            if self._is_embedded:
                self._solution.close()
