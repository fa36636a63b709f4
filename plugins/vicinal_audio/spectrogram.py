"""Spectra of a sound: short-time Fourier transform, mel bands, chroma and spectral contrast, block by block.

They equal those of torchaudio and librosa (a test compares them), and need neither. The first use of librosa compiles
code for half a minute where numba's cache is empty and takes seconds where it is full; importing torch takes a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.sparse import csr_array

from vicinal_audio.filters import (
    apply_filterbank,
    chroma_filters,
    hann_window,
    mel_htk,
    mel_slaney,
    octave_bands,
    power_spectrum,
)

__all__ = [
    "CONTRAST_BANDS",
    "HOP_LENGTH",
    "N_FFT",
    "N_MELS_HTK",
    "N_MELS_SLANEY",
    "FilterBanks",
    "Spectra",
    "build_filters",
    "compute_spectra",
]

N_FFT = 2048
HOP_LENGTH = 512
N_MELS_HTK = 64
"""Bands of the log-mel spectrogram, on torchaudio's scale."""
N_MELS_SLANEY = 128
"""Bands below the MFCC, on librosa's scale."""
CONTRAST_BANDS = 7
"""Bands of the spectral contrast: up to 200 Hz, then an octave each, the last one up to the highest frequency."""

_FRAME_BATCH = 256


@dataclass(frozen=True, slots=True)
class Spectra:
    """The spectra of a sound: a row for each frame of ``N_FFT`` samples, one frame every ``HOP_LENGTH`` samples.

    Powers are those of the samples as they are; divide by ``mean_square`` for those of a sound of RMS 1.
    """

    mel_htk: np.ndarray
    """Power in ``N_MELS_HTK`` bands."""
    mel_slaney: np.ndarray
    """Power in ``N_MELS_SLANEY`` bands."""
    chroma: np.ndarray
    """Power of the twelve pitch classes from C up, the strongest of each frame 1."""
    valley: np.ndarray
    """Magnitudes of the weakest 2% of the bins of each octave band, one band after another."""
    peak: np.ndarray
    """Magnitudes of the strongest 2%."""
    mean_square: float
    """Of the samples."""
    band_counts: list[int]
    """How many columns of ``valley`` and ``peak`` belong to each octave band."""


@dataclass(frozen=True, slots=True)
class FilterBanks:
    """Window and filter banks for one sample rate."""

    window: np.ndarray
    mel_htk: csr_array
    mel_slaney: csr_array
    chroma: np.ndarray
    octaves: list[tuple[slice, int]]

    @property
    def band_counts(self) -> list[int]:
        """How many bins of each octave band are its 2%."""
        return [count for _, count in self.octaves]


@cache
def build_filters(sample_rate: int) -> FilterBanks:
    """The filters for a sample rate, built once."""
    window, htk, slaney = (
        each.astype(np.float32)
        for each in (
            hann_window(N_FFT),
            mel_htk(sample_rate, N_FFT, N_MELS_HTK),
            mel_slaney(sample_rate, N_FFT, N_MELS_SLANEY),
        )
    )
    octaves = octave_bands(sample_rate, N_FFT, CONTRAST_BANDS)
    return FilterBanks(window, htk, slaney, chroma_filters(sample_rate, N_FFT), octaves)


def compute_spectra(blocks: Iterable[np.ndarray], sample_rate: int) -> Spectra:
    """The spectra of a sound that comes in blocks of float32 samples; their sizes do not change the result."""
    filters, power = build_filters(sample_rate), _MeanSquare()
    rows: list[tuple[np.ndarray, ...]] = []
    for frames in _split_frames(power.observe(blocks)):
        batches = (frames[start : start + _FRAME_BATCH] for start in range(0, len(frames), _FRAME_BATCH))
        rows += [_analyze_frames(batch, filters) for batch in batches]
    htk, slaney, chroma, valley, peak = (np.concatenate(part) for part in zip(*rows, strict=True))
    return Spectra(htk, slaney, chroma, valley, peak, power.value, filters.band_counts)


class _MeanSquare:
    """The mean square of the samples that pass through ``observe``."""

    def __init__(self) -> None:
        self._total = 0.0
        self._count = 0

    @property
    def value(self) -> float:
        return self._total / max(self._count, 1)

    def observe(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for block in blocks:
            self._total += float(np.square(block, dtype=np.float64).sum())
            self._count += len(block)
            yield block


def _split_frames(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Frames of the sound between two half frames of zeros, so that sample t * HOP_LENGTH is the middle of frame t."""
    rest = margin = np.zeros(N_FFT // 2, np.float32)

    def with_margin() -> Iterator[np.ndarray]:
        yield from blocks
        yield margin

    for block in with_margin():
        rest = np.concatenate([rest, block])
        count = max(0, 1 + (len(rest) - N_FFT) // HOP_LENGTH)
        if count:
            yield sliding_window_view(rest, N_FFT)[: count * HOP_LENGTH : HOP_LENGTH]
            rest = rest[count * HOP_LENGTH :]


def _analyze_frames(frames: np.ndarray, filters: FilterBanks) -> tuple[np.ndarray, ...]:
    """Rows of the first five fields of ``Spectra``."""
    power = power_spectrum(frames, filters.window)
    chroma = np.einsum("tf,cf->tc", power, filters.chroma)
    strongest = chroma.max(axis=1, keepdims=True)
    chroma /= np.where(strongest < np.finfo(np.float32).tiny, 1, strongest)
    magnitude = np.sqrt(power)
    ranked = [(np.sort(magnitude[:, bins], axis=1), count) for bins, count in filters.octaves]
    valley = np.concatenate([band[:, :count] for band, count in ranked], axis=1)
    peak = np.concatenate([band[:, -count:] for band, count in ranked], axis=1)
    htk, slaney = apply_filterbank(filters.mel_htk, power), apply_filterbank(filters.mel_slaney, power)
    return htk, slaney, chroma, valley, peak
