"""Many may pass, or one may stand in the way: searches go on side by side, and wait while an index is rebuilt."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["ReadWriteLock"]


class ReadWriteLock:
    """A lock that is held by any number of ``passing`` threads, or by one that has ``closed`` it.

    Whoever wants to close it waits for those who are passing, and nobody enters meanwhile; so it is closed in the end
    however many come. A thread may close a gate that it has closed itself; it may not close one that it is passing.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._passing = 0
        self._owner: int | None = None
        self._depth = 0

    @contextmanager
    def read(self) -> Iterator[None]:
        """Pass, together with others."""
        with self._changed:
            self._changed.wait_for(lambda: self._owner in (None, threading.get_ident()))
            self._passing += 1
        try:
            yield
        finally:
            with self._changed:
                self._passing -= 1
                self._changed.notify_all()

    @contextmanager
    def write(self) -> Iterator[None]:
        """Let nobody pass until the block has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._owner in (None, threading.get_ident()))
            self._owner = threading.get_ident()
            self._depth += 1
            self._changed.wait_for(lambda: not self._passing)
        try:
            yield
        finally:
            with self._changed:
                self._depth -= 1
                if not self._depth:
                    self._owner = None
                self._changed.notify_all()
