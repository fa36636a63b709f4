"""SMILES to Morgan fingerprints, many at once: in this process, or in one beside it.

RDKit parses on all cores only when it reads a file, and keeps the interpreter to itself while it waits for the next
molecule, so that no other thread of Python goes on. A run over many molecules therefore has them parsed in a process of
its own, while this one reads, compares and writes. That process is this very file run as a program; it needs RDKit and
nothing of vicinal, takes pickled lists of SMILES on its standard input, and ends where that does.
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
from tempfile import NamedTemporaryFile
from typing import IO, Any

__all__ = ["PARSING", "Beside", "Fingerprints"]

PARSING = threading.Lock()
"""RDKit's log is one for all threads, so whoever blocks it holds this. It costs no speed: the parser keeps the GIL."""

_THREADED = 256
_ENDING_SECONDS = 5.0
_IDLE_SECONDS = 60.0
_MANY = 2_000
"""Lines after which a process beside this one pays: it starts in about the time of as many."""
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Fingerprints:
    """Morgan fingerprints as bytes, the first bit of the first byte being its highest."""

    def __init__(self, bits: int, radius: int, chirality: bool) -> None:
        self.options = (bits, radius, chirality)

    def of_lines(self, lines: Sequence[str]) -> list[bytes | None]:
        """Of SMILES without blanks in them; None for one that RDKit's reader of files refuses."""
        molecules = _parsed(lines)
        sound = [number for number, molecule in enumerate(molecules) if molecule is not None]
        found: list[bytes | None] = [None] * len(lines)
        for number, bits in zip(sound, self.of([molecules[number] for number in sound]), strict=True):
            found[number] = bits
        return found

    def of(self, molecules: Sequence[Any]) -> list[bytes]:
        """Of molecules of RDKit."""
        from rdkit.DataStructs import BitVectToBinaryText

        threads = 0 if len(molecules) >= _THREADED else 1  # 0: as many as there are cores
        prints = self._generator.GetFingerprints(list(molecules), numThreads=threads)
        return [BitVectToBinaryText(one).translate(_MIRRORED) for one in prints]

    @cached_property
    def _generator(self) -> Any:
        from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

        bits, radius, chirality = self.options
        return GetMorganGenerator(radius=radius, fpSize=bits, includeChirality=chirality)


def _parsed(lines: Sequence[str]) -> list[Any]:
    from rdkit import Chem, rdBase

    found: list[Any] = [None] * len(lines)
    with NamedTemporaryFile("w", suffix=".smi") as file, PARSING, rdBase.BlockLogs():
        file.writelines(f"{line} {number}\n" for number, line in enumerate(lines))
        file.flush()
        reader = Chem.MultithreadedSmilesMolSupplier(file.name, titleLine=False, numWriterThreads=os.cpu_count() or 1)
        for molecule in reader:
            if molecule is not None and molecule.GetNumAtoms():
                found[int(molecule.GetProp("_Name"))] = molecule  # lines may be skipped: comments begin with #
    return found


class Beside:
    """A process that computes fingerprints for this one; whatever becomes of it, nothing is lost but speed."""

    def __init__(self, options: tuple[int, int, bool]) -> None:
        self._command = [sys.executable, "-P", __file__, *map(str, map(int, options))]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._useless = not sys.executable
        self._met = 0

    def of_lines(self, lines: Sequence[str]) -> list[bytes | None] | None:
        """As of ``Fingerprints``; None until many lines have come and the process has started, and after it has ended.

        Where it ended in the middle of its work, or idle, it is started anew once many have come again.
        """
        with self._lock:
            self._met += len(lines)
            try:
                if not self._is_ready():
                    return None
                _tell(lines, self._process.stdin)  # type: ignore[union-attr, arg-type]
                found: list[bytes | None] = pickle.load(self._process.stdout)  # type: ignore[union-attr, arg-type]
            except (OSError, EOFError, pickle.UnpicklingError):
                self._give_up()
                return None
            return found

    def _is_ready(self) -> bool:
        if self._process is None and self._met > _MANY and not self._useless:
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
        self._process, self._ready, self._met = None, False, 0
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
    fingerprints.of_lines(["C"])  # loads all of RDKit that is needed
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    _tell(True, answers)
    while select.select([asked], [], [], _IDLE_SECONDS)[0]:
        try:
            lines = pickle.load(asked)
        except EOFError:
            return
        _tell(fingerprints.of_lines(lines), answers)


def _tell(thing: object, file: IO[bytes]) -> None:
    pickle.dump(thing, file)
    file.flush()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
