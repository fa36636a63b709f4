"""Sounds by statistics of their spectra: sounds of like colour, pitch and movement get near vectors. Needs no weights.

``vicinal_audio.statistics`` has the formula. ``decode`` does all the work on the samples, so that files are measured on
all cores, and an item in hand is a kilobyte instead of its samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from vicinal import Space
from vicinal_audio.base import SoundEncoder

if TYPE_CHECKING:
    import numpy as np

__all__ = ["MelStats"]

DIMENSION = 226


class MelStats(SoundEncoder):
    """Encodes sounds; content and query are paths of files."""

    encode_is_thread_safe = True

    class Params(SoundEncoder.Params):
        sample_rate: int = Field(default=22_050, ge=16_000, le=48_000)
        """Samples a second to which every sound is brought; what lies above half of it is not heard."""

    @property
    def space(self) -> Space:
        return Space(DIMENSION, "float", "COSINE")

    @property
    def signature(self) -> str:
        return f"melstats/1/rate={self.rate}/{self._cut}"

    @property
    def rate(self) -> int:
        rate: int = self.params.sample_rate
        return rate

    @property
    def encode_batch_size(self) -> int:
        return 128

    def _sample(self, parts: Iterable[np.ndarray]) -> Any:
        from vicinal_audio.spectrogram import measure
        from vicinal_audio.statistics import summarise

        return summarise(measure(parts, self.rate))

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        """Vectors of statistics, ``(n, 226)`` float32 of length 1."""
        import numpy as np

        from vicinal_audio.statistics import place

        return place(samples) if len(samples) else np.zeros((0, DIMENSION), np.float32)
