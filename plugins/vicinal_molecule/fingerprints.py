"""SMILES to Morgan fingerprints, in this process and in others beside it.

RDKit's parser keeps the interpreter to itself, also in its reader that has threads of its own, so that nothing else of
a run goes on meanwhile. A run over many molecules therefore has them parsed by processes of their own, while this one
reads, compares and writes. Such a process is this very file run as a program: it needs RDKit and nothing of vicinal,
takes pickled lists of SMILES on its standard input, and ends where that does.
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
from functools import cached_property
from itertools import cycle
from typing import IO, Any

__all__ = ["PARSING", "Fingerprints", "Helpers"]

PARSING = threading.Lock()
"""RDKit's log is one for all threads, so whoever blocks it holds this. It costs no speed: the parser keeps the GIL."""

_MANY = 1_000
"""SMILES after which helpers pay: they start in about the time of twice as many."""
_MOST_HELPERS = 3
"""More of them than cores, or than this, would wait for the process that they work for."""
_ENDING_SECONDS = 5.0
_IDLE_SECONDS = 60.0
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Fingerprints:
    """Morgan fingerprints as bytes, the first bit being the highest of the first byte."""

    def __init__(self, bits: int, radius: int, chirality: bool) -> None:
        self.options = (bits, radius, chirality)

    def of(self, smiles: Sequence[str]) -> list[bytes | None]:
        """Of each SMILES; None for one that RDKit refuses, or that has no atoms. Nothing is said on stderr."""
        from rdkit import rdBase

        with PARSING, rdBase.BlockLogs():
            return [*map(self._of, smiles)]

    def _of(self, smiles: str) -> bytes | None:
        from rdkit.Chem import MolFromSmiles
        from rdkit.DataStructs import BitVectToBinaryText

        try:
            molecule = MolFromSmiles(smiles)
        except Exception:  # as half a surrogate pair, which is no text in C++
            return None
        if molecule is None or not molecule.GetNumAtoms():
            return None
        found: bytes = BitVectToBinaryText(self._generator.GetFingerprint(molecule))
        return found.translate(_MIRRORED)

    @cached_property
    def _generator(self) -> Any:
        from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

        bits, radius, chirality = self.options
        return GetMorganGenerator(radius=radius, fpSize=bits, includeChirality=chirality)


class Helpers:
    """Processes that compute fingerprints for this one; whatever becomes of them, nothing is lost but speed."""

    def __init__(self, options: tuple[int, int, bool]) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.all = [Helper(options) for _ in range(min(_MOST_HELPERS, cores))]
        self._turns = cycle(self.all)
        self._lock = threading.Lock()
        self._met = 0

    def of(self, smiles: Sequence[str]) -> list[bytes | None] | None:
        """As of ``Fingerprints``, by the helper whose turn it is; None until many have come and it has started."""
        with self._lock:
            self._met += len(smiles)
            if self._met <= _MANY or not self.all:
                return None
            helper = next(self._turns)
        return helper.of(smiles)


class Helper:
    """A process, started when it is first asked, and again where it has ended in its work or after idling."""

    def __init__(self, options: tuple[int, int, bool]) -> None:
        self._command = [sys.executable, "-P", __file__, *map(str, map(int, options))]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._useless = not sys.executable

    def of(self, smiles: Sequence[str]) -> list[bytes | None] | None:
        """As of ``Fingerprints``; None while it starts, and where it has ended."""
        with self._lock:
            try:
                if not self._is_ready():
                    return None
                _tell(smiles, self._process.stdin)  # type: ignore[union-attr, arg-type]
                found: list[bytes | None] = pickle.load(self._process.stdout)  # type: ignore[union-attr, arg-type]
            except (OSError, EOFError, pickle.UnpicklingError):
                self._give_up()
                return None
            return found

    def _is_ready(self) -> bool:
        if self._process is None and not self._useless:
            self._start()
        if self._process is not None and not self._ready:
            told: Any = self._process.stdout
            self._ready = bool(select.select([told], [], [], 0)[0]) and pickle.load(told) is True
        return self._ready

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # away from Ctrl-C, which is for this process to act on
        )
        self._close = weakref.finalize(self, _end, self._process)

    def _give_up(self) -> None:
        self._useless = not self._ready  # one that cannot even start is not asked again
        self._process, self._ready = None, False
        self._close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close what it reads from, which ends it."""
    with suppress(OSError):
        process.stdin.close()  # type: ignore[union-attr]
    try:
        process.wait(_ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()  # type: ignore[union-attr]


def _serve(bits: str, radius: str, chirality: str) -> None:
    """Answer until there is nothing to read, or nothing came for a while."""
    fingerprints = Fingerprints(int(bits), int(radius), bool(int(chirality)))
    fingerprints.of(["C"])  # loads all of RDKit that is needed
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    _tell(True, answers)
    while select.select([asked], [], [], _IDLE_SECONDS)[0]:
        try:
            smiles = pickle.load(asked)
        except EOFError:
            return
        _tell(fingerprints.of(smiles), answers)


def _tell(thing: object, file: IO[bytes]) -> None:
    pickle.dump(thing, file)
    file.flush()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
