"""Settings of glibc's malloc, see mallopt(3); without effect where the C library is another.

Each setting has an environment variable, as ``MALLOC_TRIM_THRESHOLD_``; one that is set takes precedence.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

__all__ = ["limit_arenas", "retain_freed_memory"]

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8
"""Constants of glibc's malloc.h."""

_MAX_MMAP_THRESHOLD = 32 * 1024 * 1024
"""The largest value that glibc accepts; larger blocks are always mappings of their own."""
_HEAP_SIZE = 64 * 1024 * 1024
"""The size of a heap of a thread's arena (HEAP_MAX_SIZE); with so much padding, empty heaps are not released."""
_TRIM_THRESHOLD = 128 * 1024 * 1024


def limit_arenas() -> None:
    """Let all threads share two arenas: with one each, every arena would retain the peak of a flush or a batch."""
    _set_option(_M_ARENA_MAX, 2, "MALLOC_ARENA_MAX")


def retain_freed_memory() -> None:
    """Keep memory that a batch has freed for the next one, up to 128 MiB in place of malloc's dynamic threshold.

    A network's layers allocate and free tens of megabytes a batch, and a decoder some for each file. Returned to the
    system each time, they are mapped again page by page, filled with zeros: up to 800,000 page faults in a run of 1,500
    images, and a twentieth of its time.
    """
    _set_option(_M_MMAP_THRESHOLD, _MAX_MMAP_THRESHOLD, "MALLOC_MMAP_THRESHOLD_")
    _set_option(_M_TOP_PAD, _HEAP_SIZE, "MALLOC_TOP_PAD_")
    _set_option(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD, "MALLOC_TRIM_THRESHOLD_")


def _set_option(option: int, value: int, variable: str) -> None:
    with suppress(OSError, AttributeError):
        if variable not in os.environ:
            ctypes.CDLL(None).mallopt(option, value)
