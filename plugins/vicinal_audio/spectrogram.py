"""Spectra of a sound: short-time Fourier transform, mel bands, chroma and spectral contrast, block by block.

They equal those of librosa (a test compares them), and do not need it: its first use compiles code for half a minute
where numba's cache is empty and takes seconds where it is full. What lies below 25 Hz is left out, with it a constant
(DC) and its drift.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.sparse import csr_array

from vicinal.toolkit.slices import iter_slices
from vicinal_audio.filters import (
    apply_filterbank,
    chroma_filters,
    hann_window,
    mel_slaney,
    octave_bands,
    power_spectrum,
)

__all__ = [
    "CONTRAST_BANDS",
    "HOP_LENGTH",
    "N_FFT",
    "N_MELS",
    "FilterBanks",
    "Spectra",
    "build_filters",
    "compute_spectra",
]

N_FFT = 2048
HOP_LENGTH = 512
N_MELS = 128
"""Bands of the mel spectrogram, on librosa's scale."""
CONTRAST_BANDS = 7
"""Bands of the spectral contrast: up to 200 Hz, then an octave each, the last one up to the highest frequency."""

_FRAME_BATCH = 256
_LOWEST_HZ = 25.0


@dataclass(frozen=True, slots=True)
class Spectra:
    """The spectra of a sound: a row for each frame of ``N_FFT`` samples, one frame every ``HOP_LENGTH`` samples."""

    power: np.ndarray
    """Power of each frame, ``(frames,)``."""
    mel: np.ndarray
    """Power in ``N_MELS`` bands."""
    chroma: np.ndarray
    """Power of the twelve pitch classes from C up, the strongest of each frame 1."""
    valley: np.ndarray
    """Magnitudes of the weakest 2% of the bins of each octave band, one band after another."""
    peak: np.ndarray
    """Magnitudes of the strongest 2%."""
    band_counts: list[int]
    """How many columns of ``valley`` and ``peak`` belong to each octave band."""


@dataclass(frozen=True, slots=True)
class FilterBanks:
    """Window and filter banks for one sample rate."""

    window: np.ndarray
    mel: csr_array
    chroma: np.ndarray
    octaves: list[tuple[slice, int]]
    first_bin: int
    """The bins below this one do not count."""

    @property
    def band_counts(self) -> list[int]:
        """How many bins of each octave band are its 2%."""
        return [count for _, count in self.octaves]


@cache
def build_filters(sample_rate: int) -> FilterBanks:
    """The filters for a sample rate, built once."""
    window, mel = (each.astype(np.float32) for each in (hann_window(N_FFT), mel_slaney(sample_rate, N_FFT, N_MELS)))
    octaves = octave_bands(sample_rate, N_FFT, CONTRAST_BANDS)
    first_bin = max(2, math.ceil(_LOWEST_HZ * N_FFT / sample_rate))  # a constant reaches bin 1 through the window
    return FilterBanks(window, mel, chroma_filters(sample_rate, N_FFT), octaves, first_bin)


def compute_spectra(blocks: Iterable[np.ndarray], sample_rate: int) -> Spectra:
    """The spectra of a sound that comes in blocks of float32 samples; their sizes do not change the result."""
    filters = build_filters(sample_rate)
    rows: list[tuple[np.ndarray, ...]] = []
    for frames in _split_frames(blocks):
        batches = iter_slices(frames, _FRAME_BATCH)
        rows += [_analyze_frames(batch, filters) for batch in batches]
    power, mel, chroma, valley, peak = (np.concatenate(part) for part in zip(*rows, strict=True))
    return Spectra(power, mel, chroma, valley, peak, filters.band_counts)


def _split_frames(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """All frames that hold some of the sound, so that silence before or after it adds none that count."""
    rest = np.zeros(0, np.float32)
    for block in _add_margins(blocks):
        rest = np.concatenate([rest, block])
        count = max(0, 1 + (len(rest) - N_FFT) // HOP_LENGTH)
        if count:
            yield sliding_window_view(rest, N_FFT)[: count * HOP_LENGTH : HOP_LENGTH]
            rest = rest[count * HOP_LENGTH :]


def _add_margins(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The blocks between margins at the mean of the samples beside them: zeros would click where a sound has DC."""
    blocks, tail = iter(blocks), np.zeros(0, np.float32)
    while len(tail) < N_FFT and (block := next(blocks, None)) is not None:
        tail = np.concatenate([tail, block])
    yield np.full(N_FFT - HOP_LENGTH, tail[:N_FFT].mean(), np.float32)
    yield tail
    for block in blocks:
        yield block
        tail = np.concatenate([tail, block[-N_FFT:]])[-N_FFT:]
    yield np.full(N_FFT - 1, tail[-N_FFT:].mean(), np.float32)


def _analyze_frames(frames: np.ndarray, filters: FilterBanks) -> tuple[np.ndarray, ...]:
    """Rows of the first five fields of ``Spectra``."""
    power = power_spectrum(frames, filters.window)
    power[:, : filters.first_bin] = 0
    chroma = np.einsum("tf,cf->tc", power, filters.chroma)
    strongest = chroma.max(axis=1, keepdims=True)
    chroma /= np.where(strongest < np.finfo(np.float32).tiny, 1, strongest)
    magnitude = np.sqrt(power)
    ranked = [(np.sort(magnitude[:, bins], axis=1), count) for bins, count in filters.octaves]
    valley = np.concatenate([band[:, :count] for band, count in ranked], axis=1)
    peak = np.concatenate([band[:, -count:] for band, count in ranked], axis=1)
    return power.sum(axis=1), apply_filterbank(filters.mel, power), chroma, valley, peak
