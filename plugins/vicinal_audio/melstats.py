"""Encodes sounds by statistics of their spectra: like timbre, pitch and movement give near vectors. Needs no weights.

``vicinal_audio.statistics`` has the formula. ``decode`` does all the work on the samples, so that files are analysed on
all cores, and a decoded item takes a kilobyte instead of its samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from vicinal import Space
from vicinal_audio.base import AudioEncoderBase

if TYPE_CHECKING:
    import numpy as np

__all__ = ["MelStats"]

DIMENSION = 109


class MelStats(AudioEncoderBase):
    """Encodes sounds; content and query are paths of files."""

    encode_is_thread_safe = True
    min_seconds: ClassVar[float] = 0.0
    """Repeated, a tick of 10 ms would be a hum; what is silent does not count, so that no length is needed."""

    class Params(AudioEncoderBase.Params):
        sample_rate: int = Field(default=22_050, ge=16_000, le=48_000)
        """Samples per second to which every sound is resampled; frequencies above half of it are lost."""

    params: Params

    @property
    def space(self) -> Space:
        return Space(DIMENSION, "float", "COSINE")

    @property
    def signature(self) -> str:
        return f"melstats/2/rate={self.sample_rate}/{self._windowing_tag}"

    @property
    def sample_rate(self) -> int:
        return int(self.params.sample_rate)

    @property
    def encode_batch_size(self) -> int:
        return 128

    def _make_sample(self, blocks: Iterable[np.ndarray]) -> Any:
        from vicinal_audio.spectrogram import compute_spectra
        from vicinal_audio.statistics import summarize_spectra

        return summarize_spectra(compute_spectra(blocks, self.sample_rate))

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        """Vectors of statistics, ``(n, 109)`` float32 of length 1."""
        import numpy as np

        from vicinal_audio.statistics import standardize_statistics

        return standardize_statistics(samples) if len(samples) else np.zeros((0, DIMENSION), np.float32)
