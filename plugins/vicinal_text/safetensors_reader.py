"""Reads files of weights in the safetensors format: their header, and their tensors without a copy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["DTYPES", "map_tensors", "read_header"]

DTYPES = {"F32": "<f4", "F16": "<f2"}
"""The dtypes that ``map_tensors`` reads, and their names in numpy."""

_MAX_HEADER_BYTES = 100 * 1024 * 1024


def read_header(path: Path) -> dict[str, dict[str, Any]]:
    """The header of a safetensors file: ``dtype``, ``shape`` and ``data_offsets`` of each tensor.

    Raises:
        ValueError: it is not a safetensors file.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if not 2 <= size <= _MAX_HEADER_BYTES:
            raise ValueError(f"{path} is not a safetensors file")
        entries: dict[str, dict[str, Any]] = json.loads(file.read(size))
    entries.pop("__metadata__", None)
    return entries


def map_tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file as float32 arrays that map the file.

    Pages are read when they are needed and shared between processes; writing to an array does not change the file.
    Format: https://github.com/huggingface/safetensors#format
    """
    import numpy as np

    raw = np.memmap(path, np.uint8, "c")
    start = 8 + int.from_bytes(raw[:8].tobytes(), "little")
    tensors = {}
    for name, entry in read_header(path).items():
        if entry["dtype"] in DTYPES:
            begin, end = entry["data_offsets"]
            flat = np.asarray(raw[start + begin : start + end]).view(DTYPES[entry["dtype"]])
            tensors[name] = np.require(flat.reshape(entry["shape"]), np.float32, ["ALIGNED"])
    return tensors
