"""What malloc does with memory that is freed, where the C library is glibc; the environment may say otherwise.

See mallopt(3): each setting has a variable, as ``MALLOC_TRIM_THRESHOLD_``, and one that is set is left alone.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

__all__ = ["limit_arenas", "retain_freed_memory"]

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8
"""Of glibc's malloc.h."""

_LARGEST = 32 * 1024 * 1024
"""What glibc takes at most for the size from which each block is a mapping of its own."""
_HEAP = 64 * 1024 * 1024
"""What the arenas of threads consist of; with so much room asked for beyond each block, empty ones are kept."""
_KEPT = 128 * 1024 * 1024


def limit_arenas() -> None:
    """Have all threads share two arenas: each thread's own would keep what a flush or a batch once took."""
    _set(_M_ARENA_MAX, 2, "MALLOC_ARENA_MAX")


def retain_freed_memory() -> None:
    """Keep what a batch has freed for the next one, up to 128 MiB in place of what malloc guesses.

    A network's layers take and free tens of megabytes a batch, and a decoder some for each file. Given back to the
    system each time, they come again page by page, filled with zeros: up to 800,000 page faults in a run of 1,500
    images, and a twentieth of its time.
    """
    _set(_M_MMAP_THRESHOLD, _LARGEST, "MALLOC_MMAP_THRESHOLD_")
    _set(_M_TOP_PAD, _HEAP, "MALLOC_TOP_PAD_")
    _set(_M_TRIM_THRESHOLD, _KEPT, "MALLOC_TRIM_THRESHOLD_")


def _set(setting: int, value: int, variable: str) -> None:
    with suppress(OSError, AttributeError):
        if variable not in os.environ:
            ctypes.CDLL(None).mallopt(setting, value)
