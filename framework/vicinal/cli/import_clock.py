"""Measures the imports of a command apart from its work: encoders and stores import heavy packages on first use."""

from __future__ import annotations

import builtins
import threading
import time
from typing import Any, Self

__all__ = ["ImportClock"]


class ImportClock:
    """A clock that stands still while an import statement of this thread runs. Use it as a context manager."""

    def __init__(self) -> None:
        self.import_seconds = 0.0
        self._thread = threading.get_ident()
        self._is_importing = False
        self._import = builtins.__import__

    def __enter__(self) -> Self:
        self._import = builtins.__import__
        builtins.__import__ = self._timed_import
        return self

    def __exit__(self, *_: object) -> None:
        builtins.__import__ = self._import

    def now(self) -> float:
        """Seconds since some fixed time, without those of imports."""
        return time.perf_counter() - self.import_seconds

    def _timed_import(self, *args: Any, **options: Any) -> Any:
        if self._is_importing or threading.get_ident() != self._thread:
            return self._import(*args, **options)
        started, self._is_importing = time.perf_counter(), True
        try:
            return self._import(*args, **options)
        finally:
            self._is_importing = False
            self.import_seconds += time.perf_counter() - started
