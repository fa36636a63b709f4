"""What many threads use at once and somebody may change: made when first needed, and anew once it may have changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from vicinal.solution.rwlock import ReadWriteLock

__all__ = ["InvalidatableCache"]

T = TypeVar("T")


class InvalidatableCache(Generic[T]):
    """Holds what ``make`` makes until ``forget``. It is made by one thread at a time, which holds ``making``."""

    def __init__(self, make: Callable[[], T], making: threading.RLock) -> None:
        self._make = make
        self._making = making
        self._gate = ReadWriteLock()
        self._made: T | None = None
        self._forgotten = 0

    def get(self) -> T:
        """What is there, or is made now; ``make`` may itself bring about that it is forgotten, and is called again."""
        with self._making:
            while (made := self._made) is None:
                forgotten, made = self._forgotten, self._make()
                if forgotten == self._forgotten:
                    self._made = made
            return made

    def invalidate(self) -> None:
        """Make it anew when it is next needed."""
        self._forgotten += 1
        self._made = None

    @contextmanager
    def borrow(self) -> Iterator[T]:
        """What is there, together with others, while nobody is at a ``standstill``."""
        while True:
            made = self.get()
            with self._gate.read():
                if made is self._made:
                    yield made
                    return

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody uses it; whoever does so next gets a new one."""
        with self._gate.write():
            try:
                yield
            finally:
                self.invalidate()
