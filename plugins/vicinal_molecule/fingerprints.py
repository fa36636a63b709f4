"""Computes Morgan fingerprints from SMILES and InChI, in this process and in worker processes.

RDKit's parser holds the GIL, even in its multithreaded reader, and so blocks every other thread of a run. A run over
many molecules therefore parses them in worker processes, while this one reads, compares and writes. A worker is this
very file run as a program: it needs RDKit and nothing of vicinal, reads pickled lists of SMILES from its standard
input, and exits at the end of it.
"""

from __future__ import annotations

import os
import pickle
import re
import select
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import cycle
from typing import IO, Any

__all__ = ["Fingerprints", "WorkerPool", "is_inchi", "parse_molecule", "rdkit_log"]

_RDKIT_LOG_LOCK = threading.Lock()
_INCHI = re.compile(r"InChI=|(?=1S?/)", re.IGNORECASE)

_START_AFTER = 1_000
"""SMILES after which workers pay: they start in the time that about twice as many take to parse."""
_MAX_WORKERS = 3
"""More workers than cores, or than this, would wait for the process that they work for."""
_ENDING_SECONDS = 5.0
_IDLE_SECONDS = 60.0
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@contextmanager
def rdkit_log() -> Iterator[Any]:
    """Keep RDKit from writing to stderr, and collect its errors in the ``messages`` of what is yielded.

    Whatever calls RDKit does so within it. RDKit's log is one for all threads, hence the lock; it costs no speed, since
    the parser holds the GIL. Errors are captured inside the block, as capturing alone lets warnings through.
    """
    from rdkit import rdBase

    with _RDKIT_LOG_LOCK, rdBase.BlockLogs(), rdBase.CaptureErrorLog() as log:
        yield log


def is_inchi(text: str) -> bool:
    """Whether a text is meant as an InChI, with or without ``InChI=``."""
    return _INCHI.match(text) is not None


def parse_molecule(text: str, *, sanitize: bool = True) -> Any:
    """Parse a SMILES, or an InChI; a name after it is left out. None where RDKit refuses it.

    Raises:
        Exception: RDKit's own, where an InChI is not a possible molecule or a text is not Unicode.
    """
    from rdkit.Chem import MolFromSmiles, rdinchi

    if not is_inchi(text):
        return MolFromSmiles(text, sanitize=sanitize)
    inchi = "InChI=" + _INCHI.sub("", text.split()[0], count=1)
    return rdinchi.InchiToMol(inchi, sanitize, sanitize)[0]


class Fingerprints:
    """Morgan fingerprints as bytes, the first bit being the highest of the first byte."""

    def __init__(self, bits: int, radius: int, chirality: bool) -> None:
        self.options = (bits, radius, chirality)

    def compute(self, smiles: Sequence[str]) -> list[bytes | None]:
        """Return each molecule's fingerprint; None where RDKit refuses it or it has no atoms."""
        with rdkit_log():
            return [*map(self._compute_one, smiles)]

    def _compute_one(self, smiles: str) -> bytes | None:
        from rdkit.DataStructs import BitVectToBinaryText

        try:
            molecule = parse_molecule(smiles)
        except Exception:  # such as a lone surrogate, which has no UTF-8 form for C++
            return None
        if molecule is None or not molecule.GetNumAtoms():
            return None
        packed: bytes = BitVectToBinaryText(self._generator.GetFingerprint(molecule))
        return packed.translate(_REVERSED_BITS)

    @cached_property
    def _generator(self) -> Any:
        from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

        bits, radius, chirality = self.options
        return GetMorganGenerator(radius=radius, fpSize=bits, includeChirality=chirality)


class WorkerPool:
    """Worker processes that compute fingerprints. Where one fails the caller computes them, and only speed is lost."""

    def __init__(self, options: tuple[int, int, bool]) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.workers = [Worker(options) for _ in range(min(_MAX_WORKERS, cores))]
        self._round_robin = cycle(self.workers)
        self._lock = threading.Lock()
        self._seen = 0

    def compute(self, smiles: Sequence[str]) -> list[bytes | None] | None:
        """As ``Fingerprints.compute``, by the next worker; None below ``_START_AFTER`` SMILES and while that starts."""
        with self._lock:
            self._seen += len(smiles)
            if self._seen <= _START_AFTER or not self.workers:
                return None
            worker = next(self._round_robin)
        return worker.compute(smiles)


class Worker:
    """A process that starts with the first call, and again after it failed at its work or exited while idle."""

    def __init__(self, options: tuple[int, int, bool]) -> None:
        self._command = [sys.executable, "-P", __file__, *map(str, map(int, options))]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._cannot_start = not sys.executable

    def compute(self, smiles: Sequence[str]) -> list[bytes | None] | None:
        """As ``Fingerprints.compute``; None while the process starts, and where it has exited."""
        with self._lock:
            try:
                if not self._is_ready():
                    return None
                _send_message(smiles, self._process.stdin)  # type: ignore[union-attr, arg-type]
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


def _worker_main(bits: str, radius: str, chirality: str) -> None:
    """Compute fingerprints until standard input ends, or is idle for ``_IDLE_SECONDS``."""
    fingerprints = Fingerprints(int(bits), int(radius), bool(int(chirality)))
    fingerprints.compute(["C"])  # imports what is needed of RDKit
    requests, responses = sys.stdin.buffer, sys.stdout.buffer
    _send_message(True, responses)
    while select.select([requests], [], [], _IDLE_SECONDS)[0]:
        try:
            smiles = pickle.load(requests)
        except EOFError:
            return
        _send_message(fingerprints.compute(smiles), responses)


def _send_message(message: object, file: IO[bytes]) -> None:
    pickle.dump(message, file)
    file.flush()


if __name__ == "__main__":
    _worker_main(*sys.argv[1:])
