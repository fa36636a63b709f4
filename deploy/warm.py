"""Encode and draw the first item of each solution, in the image's build: ``python warm.py --extras EXTRAS FILE...``.

A weight, a library or a codec that the image lacks ends the build, and what an encoder keeps for its next start is
kept. An encoder that learns does so first. Stores that an encoder looks into are temporary, and nothing is asked of the
network. A solution whose encoder needs an extra that the image was not asked to have is deleted, so that the image
serves what it can.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from vicinal import Solution
from vicinal.errors import DependencyError, VicinalError
from vicinal.solution.learning import SourceItems


def refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: whatever a network would have to give must be in the image. An embedded Redis is no network."""
    is_remote = event == "socket.connect" and arguments[0].family != socket.AF_UNIX
    if is_remote or event == "socket.getaddrinfo":
        raise SystemExit("something was to be fetched over the network, which containers may not have")


def is_not_asked_for(error: DependencyError, extras: set[str]) -> bool:
    """Whether the packages that are missing belong to an extra that was left out."""
    needed = re.search(r"vicinal\[(\w+)\]", error.hint)
    return needed is not None and not extras & {"all", needed[1]}


def warm(file: Path) -> str:
    """Encode the first item and render it, and say what came of it."""
    with Solution.from_yaml(file) as solution:
        item = next(iter(solution.source))
        if solution.encoder.learns:
            solution.encoder.restore(solution.encoder.fit(SourceItems(solution.source)))
        samples = [segment.sample for segment in solution.encoder.decode(item)]
        vectors = solution.encoder.encode(samples)
        solution.encoder.render(item)
        if len(vectors) != len(samples) or not np.isfinite(vectors).all():
            raise SystemExit(f"{file}: {len(samples)} samples became vectors that are not as many, or not finite")
        return f"{item.key!r} is {len(vectors)} × {vectors.shape[1]} {vectors.dtype}"


def warm_or_delete(file: Path, extras: set[str]) -> str:
    """``warm`` the solution, or delete it where its extra was not asked for."""
    try:
        return f"{file}: {warm(file)}"
    except DependencyError as error:
        if not is_not_asked_for(error, extras):
            raise SystemExit(f"{file}: {error}") from error
        file.unlink()
        return f"{file}: left out, {error}"
    except VicinalError as error:
        raise SystemExit(f"{file}: {error}") from error


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--extras", default="all")
    parser.add_argument("files", nargs="+", type=Path)
    given = parser.parse_args()
    sys.addaudithook(refuse_network)
    with TemporaryDirectory() as folder:
        os.environ.update(MILVUS_URI=f"{folder}/milvus.db", REDIS_URL=f"{folder}/redis")
        for path in given.files:
            sys.stdout.write(f"{warm_or_delete(path, set(given.extras.split(',')))}\n")
    if not any(path.exists() for path in given.files):
        raise SystemExit(f"no solution works with the extras {given.extras}")
