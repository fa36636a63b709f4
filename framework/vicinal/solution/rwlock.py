"""A read-write lock: searches hold it shared; rebuilding the index holds it exclusively. Writers have priority."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["ReadWriteLock"]


class ReadWriteLock:
    """A lock that any number of readers hold, or one writer.

    A waiting writer blocks new readers, so it cannot starve. The write lock is reentrant, and its owner may read;
    upgrading from read to write deadlocks.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._writer: int | None = None
        self._depth = 0

    @contextmanager
    def read(self) -> Iterator[None]:
        """Hold the lock together with other readers."""
        with self._changed:
            self._changed.wait_for(lambda: self._writer in (None, threading.get_ident()))
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextmanager
    def write(self) -> Iterator[None]:
        """Hold the lock alone."""
        with self._changed:
            self._changed.wait_for(lambda: self._writer in (None, threading.get_ident()))
            self._writer = threading.get_ident()
            self._depth += 1
            self._changed.wait_for(lambda: not self._readers)
        try:
            yield
        finally:
            with self._changed:
                self._depth -= 1
                if not self._depth:
                    self._writer = None
                self._changed.notify_all()
