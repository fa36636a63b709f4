"""Long sequences and arrays in parts, as calls to stores and models take them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypeVar

__all__ = ["iter_slices"]


class _Sliceable(Protocol):
    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> Any: ...


S = TypeVar("S", bound=_Sliceable)


def iter_slices(values: S, size: int) -> Iterator[S]:
    """Yield the values in order, ``size`` at a time; the last slice may have fewer."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
