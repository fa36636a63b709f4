"""Worker processes that compute fingerprints.

RDKit's parser holds the GIL, even in its multithreaded reader, and so blocks every other thread of a run. A run over
many molecules therefore parses them in worker processes, while this one reads, compares and writes.
"""

from __future__ import annotations

import os
import pickle
import select
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from itertools import cycle
from typing import Any

from vicinal_molecule import fingerprints
from vicinal_molecule.fingerprints import FingerprintOptions, send_message, serialize_options

__all__ = ["Worker", "WorkerPool"]

_START_AFTER = 1_000
"""Molecules after which workers pay: they start in the time that about twice as many take to parse."""
_MAX_WORKERS = 3
"""More workers than cores, or than this, would wait for the process that they work for."""
_ENDING_SECONDS = 5.0


class WorkerPool:
    """Worker processes that compute fingerprints. Where one fails the caller computes them, and only speed is lost."""

    def __init__(self, options: FingerprintOptions) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.workers = [Worker(options) for _ in range(min(_MAX_WORKERS, cores))]
        self._round_robin = cycle(self.workers)
        self._lock = threading.Lock()
        self._seen = 0

    def compute(self, molecules: Sequence[str]) -> list[bytes | None] | None:
        """As ``Fingerprints.compute``, by the next worker; None below ``_START_AFTER`` of them and while it starts."""
        with self._lock:
            self._seen += len(molecules)
            if self._seen <= _START_AFTER or not self.workers:
                return None
            worker = next(self._round_robin)
        return worker.compute(molecules)


class Worker:
    """A process that starts with the first call, and again after it failed at its work or exited while idle."""

    def __init__(self, options: FingerprintOptions) -> None:
        self._command = [sys.executable, "-P", fingerprints.__file__, serialize_options(options)]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._cannot_start = not sys.executable

    def compute(self, molecules: Sequence[str]) -> list[bytes | None] | None:
        """As ``Fingerprints.compute``; None while the process starts, and where it has exited."""
        with self._lock:
            try:
                if not self._is_ready():
                    return None
                send_message(molecules, self._process.stdin)  # type: ignore[union-attr, arg-type]
                computed: list[bytes | None] = pickle.load(self._process.stdout)  # type: ignore[union-attr, arg-type]
            except (OSError, EOFError, pickle.UnpicklingError):
                self._discard_process()
                return None
            return computed

    def _is_ready(self) -> bool:
        if self._process is None and not self._cannot_start:
            self._start_process()
        if self._process is not None and not self._ready:
            stdout: Any = self._process.stdout
            self._ready = bool(select.select([stdout], [], [], 0)[0]) and pickle.load(stdout) is True
        return self._ready

    def _start_process(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that Ctrl-C reaches only the parent, which stops it
        )
        self._close = weakref.finalize(self, _stop_process, self._process)

    def _discard_process(self) -> None:
        self._cannot_start = not self._ready  # one that cannot even start is not started again
        self._process, self._ready = None, False
        self._close()


def _stop_process(process: subprocess.Popen[bytes]) -> None:
    """Close the process's standard input, at whose end it exits."""
    with suppress(OSError):
        process.stdin.close()  # type: ignore[union-attr]
    try:
        process.wait(_ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()  # type: ignore[union-attr]
