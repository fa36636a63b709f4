"""Asking a fresh process: what a plugin's class drags in when it is imported and made, and what it answers there."""

from __future__ import annotations

import inspect
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

__all__ = ["HEAVY", "Answer", "ask"]

HEAVY = frozenset(
    {
        "PIL",
        "av",
        "fastapi",
        "librosa",
        "onnxruntime",
        "pandas",
        "pymilvus",
        "rdkit",
        "sentence_transformers",
        "tensorflow",
        "timm",
        "torch",
        "torchaudio",
        "torchvision",
        "transformers",
    }
)
"""Packages that take long to import, which nothing may import before it works."""

SECONDS = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What a fresh process answered, and which of the heavy packages it had imported by then."""

    value: Any
    heavy: tuple[str, ...]


def ask(call: Callable[[], Any], home: type) -> Answer:
    """Make a call in a fresh Python process with other string hashes.

    Args:
        call: what to call; it is pickled, so it and what it refers to stand at the top level of a module.
        home: the class whose module is imported first; that module need not be importable by its name.
    """
    with TemporaryDirectory(prefix="vicinal-testing-") as folder:
        request, reply = Path(folder, "request"), Path(folder, "reply")
        request.write_bytes(pickle.dumps((home.__module__, inspect.getfile(home), _pickle_call(call))))
        # -P: a file in the working directory must not stand in for an installed package.
        program = [sys.executable, "-P", "-c", "from vicinal.testing.process import main; main()"]
        done = subprocess.run(
            [*program, str(request), str(reply)],
            env=_make_environment(),
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        if done.returncode or not reply.exists():
            pytest.fail(f"a fresh process (status {done.returncode}) fails:\n{done.stderr[-4000:]}", pytrace=False)
        return Answer(*pickle.loads(reply.read_bytes()))


def main() -> None:
    """What the fresh process runs: read a call, make it, write its answer."""
    request, reply = (Path(argument) for argument in sys.argv[1:])
    name, file, call = pickle.loads(request.read_bytes())
    _import_file(name, file)
    value = pickle.loads(call)()
    reply.write_bytes(pickle.dumps((value, tuple(sorted(HEAVY & sys.modules.keys())))))


def _pickle_call(call: Callable[[], Any]) -> bytes:
    try:
        return pickle.dumps(call)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        pytest.fail(f"a fresh process cannot be told how to make it, so define it at the top of a module: {error}")


def _make_environment() -> dict[str, str]:
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    return {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}


def _import_file(name: str, file: str) -> None:
    try:
        found = find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is not None and found.origin == file:
        return  # unpickling imports it
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python module")
    sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
