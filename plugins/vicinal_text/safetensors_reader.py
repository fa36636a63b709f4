"""Weight files: what a safetensors file holds, and its tensors without a copy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["DTYPES", "header", "tensors"]

DTYPES = {"F32": "<f4", "F16": "<f2"}
"""The kinds of number that ``tensors`` reads, as numpy writes them."""

_HEADER_LIMIT = 100 * 1024 * 1024


def header(path: Path) -> dict[str, dict[str, Any]]:
    """What a safetensors file holds: for each tensor its ``dtype``, ``shape`` and ``data_offsets``.

    Raises:
        ValueError: the file is no safetensors file.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if not 2 <= size <= _HEADER_LIMIT:
            raise ValueError(f"{path} is not a safetensors file")
        entries: dict[str, dict[str, Any]] = json.loads(file.read(size))
    entries.pop("__metadata__", None)
    return entries


def tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file as float32 arrays that map the file.

    The pages are read when they are needed and shared between processes; writing to an array does not reach the file.
    Format: https://github.com/huggingface/safetensors#format
    """
    import numpy as np

    raw = np.memmap(path, np.uint8, "c")
    start = 8 + int.from_bytes(raw[:8].tobytes(), "little")
    found = {}
    for name, entry in header(path).items():
        if entry["dtype"] in DTYPES:
            begin, end = entry["data_offsets"]
            flat = np.asarray(raw[start + begin : start + end]).view(DTYPES[entry["dtype"]])
            found[name] = np.require(flat.reshape(entry["shape"]), np.float32, ["ALIGNED"])
    return found
