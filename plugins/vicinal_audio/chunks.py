"""Some chunks of a sound that is longer than a network takes at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np

__all__ = ["sample_chunks", "sum_chunks"]

T = TypeVar("T")


def sample_chunks(
    blocks: Iterable[np.ndarray], rate: int, seconds: float, max_count: int, prepare: Callable[[np.ndarray], T]
) -> list[T]:
    """Split a sound into chunks of ``seconds`` and prepare them: all, or ``max_count / 2`` to ``max_count`` of more.

    Those are evenly spaced. A sound that is shorter is one chunk; the last one of a longer sound ends with it.

    Raises:
        ItemError: the whole sound is silent.
    """
    from vicinal_audio import decode

    kept: list[T] = []
    stride = 1
    for number, chunk in enumerate(decode.split_windows(blocks, rate, seconds, seconds)):
        if number % stride == 0:
            if len(kept) == max_count:
                kept, stride = kept[::2], 2 * stride
            kept.append(prepare(chunk.samples))
    return kept


def sum_chunks(vectors: np.ndarray, samples: Sequence[np.ndarray]) -> np.ndarray:
    """Add up the vectors of the chunks of each sample, which stand one after another: ``(samples, dimension)``."""
    import numpy as np

    counts = np.array([len(sample) for sample in samples])
    sums: np.ndarray = np.add.reduceat(vectors, np.cumsum(counts) - counts, axis=0)
    return sums
