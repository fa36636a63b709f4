"""What users give for a vector: a list of numbers, typed or in a ``.npy`` file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from vicinal.errors import ItemError
from vicinal.toolkit.text import describe_kind, shorten
from vicinal.types import TextQuery

__all__ = ["load_vector", "parse_query", "to_row"]

_HINT = "write a vector as a list of numbers, as [0.12, -0.5], or name a .npy file with one"
_MAX_SHOWN_CHARS = 60
_MAX_FILE_BYTES = 64 << 20


def parse_query(query: str | Path) -> Any:
    """What a user searches with: numbers of a list, or of the ``.npy`` file that it names.

    Behind ``text:``, as servers pass on what is typed, it is never the name of a file.

    Raises:
        ItemError: it is neither.
    """
    if isinstance(query, Path):
        return load_vector(query)
    text = query.removeprefix(TextQuery.PREFIX).strip()
    if text == query.strip() and text.lower().endswith(".npy"):
        return load_vector(Path(text))
    if re.match(r"[-+.\d]", text):  # without brackets
        text = "[" + re.sub(r"[\s,;]+", ",", text) + "]"
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ItemError(f"{shorten(text, _MAX_SHOWN_CHARS)!r} is no vector", _HINT) from None


def load_vector(path: Path) -> np.ndarray:
    """The vector in a ``.npy`` file, whose shape is ``(dimension,)`` or ``(1, dimension)``.

    Raises:
        ItemError: there is no such file, or something else is in it.
    """
    try:
        if (size := path.stat().st_size) > _MAX_FILE_BYTES:
            raise ItemError(f"{path} has {size:,} bytes, too many for one vector", _HINT)
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise ItemError(f"there is no file {path}") from None
    except (OSError, ValueError, EOFError) as error:
        raise ItemError(f"{path} is not a .npy file of numbers: {str(error).splitlines()[0]}", _HINT) from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise ItemError(f"{path} is a .npz file of several arrays", _HINT)
    array = array[0] if array.ndim == 2 and len(array) == 1 else array
    if array.ndim != 1:
        raise ItemError(f"{path} has the shape {array.shape}, and one vector (dimension,)", _HINT)
    return array


def to_row(content: Any) -> np.ndarray:
    """A vector as numpy's numbers, in one dimension.

    Raises:
        ItemError: it is something else.
    """
    if isinstance(content, bytes | bytearray):
        content = np.frombuffer(content, np.uint8)
    if not isinstance(content, list | tuple | np.ndarray):
        raise ItemError(f"it is {describe_kind(content)}, not a list of numbers", _HINT)
    if not isinstance(content, np.ndarray):
        for place, number in enumerate(content, 1):
            if isinstance(number, bool) or not isinstance(number, int | float | np.number):
                raise ItemError(f"its number {place} is {describe_kind(number)}")
    try:
        row = np.asarray(content, None if isinstance(content, np.ndarray) else np.float64)
    except OverflowError:
        raise ItemError("a number in it is too large") from None
    if row.ndim != 1 or row.dtype.kind not in "fiub":
        raise ItemError(f"it is an array of {row.dtype} in the shape {row.shape}, not a list of numbers", _HINT)
    if len(row) == 0:
        raise ItemError("it has no numbers")
    return row
