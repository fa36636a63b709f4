"""Encodes and draws the first item of each solution: ``python deploy/warm.py FILE...``. The image's build runs it.

A weight, a library or a codec that the image lacks ends the build, and what an encoder keeps for its next start is
kept. An encoder that learns does so first. No store is opened.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from vicinal import Solution
from vicinal.errors import VicinalError
from vicinal.solution.learning import SourceItems


def warm(file: Path) -> str:
    """Encode the first item and render it, and say what came of it."""
    solution = Solution.from_yaml(file)
    item = next(iter(solution.source))
    if solution.encoder.learns:
        solution.encoder.restore(solution.encoder.fit(SourceItems(solution.source)))
    samples = [segment.sample for segment in solution.encoder.decode(item)]
    vectors = solution.encoder.encode(samples)
    solution.encoder.render(item)
    if len(vectors) != len(samples) or not np.isfinite(vectors).all():
        raise SystemExit(f"{file}: {len(samples)} samples became vectors that are not as many, or not finite")
    return f"{file}: {item.key!r} is {len(vectors)} × {vectors.shape[1]} {vectors.dtype}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        try:
            sys.stdout.write(f"{warm(Path(name))}\n")
        except VicinalError as error:
            raise SystemExit(f"{name}: {error}") from error
