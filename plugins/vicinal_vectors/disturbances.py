"""What happens to vectors before somebody searches with them: noise, as another model adds, or lost bits."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from vicinal import Disturbance, Space
from vicinal_vectors.parse import load_vector, parse_query, to_row

__all__ = ["list_disturbances"]

_NOISE = 0.1
_DROPPED = 0.1


def list_disturbances(space: Space) -> list[Disturbance]:
    """The disturbance of numbers, or that of bits."""
    if space.kind == "binary":
        drop = partial(_drop_bits, space.dimension)
        return [Disturbance("bits-dropped", "vectors without a tenth of their bits", drop, hint="use more bits")]
    hint = "items lie closer together than noise moves them: remove duplicates, or use a better model"
    return [Disturbance("noisy", "vectors with noise of a tenth of their length", _add_noise, hint=hint)]


def _add_noise(content: Any, generator: np.random.Generator) -> str:
    """Add a normal deviate to each number; together they have a tenth of the vector's length, in the mean."""
    row = _read_vector(content).astype(np.float64)
    deviation = _NOISE * float(np.linalg.norm(row)) / len(row) ** 0.5
    return _to_json(row + generator.normal(0.0, deviation, len(row)))


def _drop_bits(dimension: int, content: Any, generator: np.random.Generator) -> str | None:
    """Drop a tenth of the bits that are set, one at least; None where there is one."""
    row = _read_vector(content)
    bits = (row if len(row) == dimension else np.unpackbits(row.astype(np.uint8))).astype(np.uint8)
    places = np.flatnonzero(bits)
    if len(places) < 2:
        return None
    bits[generator.choice(places, max(1, round(_DROPPED * len(places))), replace=False)] = 0
    return _to_json(bits)


def _read_vector(content: Any) -> np.ndarray:
    """
    Raises:
        ItemError: it is no vector.
    """
    if isinstance(content, Path):
        content = load_vector(content)
    return to_row(parse_query(f"text:{content}") if isinstance(content, str) else content)


def _to_json(row: np.ndarray) -> str:
    return orjson.dumps(row.tolist()).decode()
