"""A lazily built object that threads share, that can be invalidated, and that is rebuilt on next use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from vicinal.solution.rwlock import ReadWriteLock

__all__ = ["InvalidatableCache"]

T = TypeVar("T")


class InvalidatableCache(Generic[T]):
    """Holds what ``build`` returns until ``invalidate``. One thread at a time builds it, holding ``build_lock``."""

    def __init__(self, build: Callable[[], T], build_lock: threading.RLock) -> None:
        self._build = build
        self._build_lock = build_lock
        self._in_use = ReadWriteLock()
        self._value: T | None = None
        self._version = 0

    def get(self) -> T:
        """Return the object, building it if needed. If ``build`` invalidates it while building, it is rebuilt."""
        with self._build_lock:
            while (value := self._value) is None:
                version, value = self._version, self._build()
                if version == self._version:
                    self._value = value
            return value

    def invalidate(self) -> None:
        """Rebuild the object on next use."""
        self._version += 1
        self._value = None

    @contextmanager
    def borrow(self) -> Iterator[T]:
        """Use the object, together with other threads, outside of their ``exclusive`` blocks."""
        while True:
            value = self.get()
            with self._in_use.read():
                if value is self._value:
                    yield value
                    return

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Wait until nobody uses the object, keep others from it, and invalidate it at the end."""
        with self._in_use.write():
            try:
                yield
            finally:
                self.invalidate()
