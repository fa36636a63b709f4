"""Windows and filter banks for spectra, as torchaudio and librosa define them.

A mel filter bank is sparse, ``(filters, bins)`` float64, and applied by scipy: the threads of numpy's matrix product
would compete with those that decode other sounds. All filters are applied in one product, not one by one, since a
thread waits for the interpreter's lock between two calls while others decode.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.fft import rfft
from scipy.sparse import csr_array

__all__ = [
    "apply_filterbank",
    "chroma_filters",
    "hann_window",
    "mel_htk",
    "mel_slaney",
    "octave_bands",
    "power_spectrum",
]

_PITCH_CLASSES = 12


def hann_window(size: int) -> np.ndarray:
    """A periodic Hann window, float64."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


def mel_htk(sample_rate: int, n_fft: int, bands: int, low: float = 0.0, high: float | None = None) -> csr_array:
    """Triangles of height 1, at equal steps of 2595 log10(1 + f / 700): ``torchaudio.functional.melscale_fbanks``."""
    first, last = (2595 * np.log10(1 + f / 700) for f in (low, high or sample_rate / 2))
    corners = 700 * (10 ** (np.linspace(first, last, bands + 2) / 2595) - 1)
    return csr_array(_triangular_filters(sample_rate, n_fft, corners))


def mel_slaney(sample_rate: int, n_fft: int, bands: int, low: float = 0.0, high: float | None = None) -> csr_array:
    """Triangles of equal area, each 200/3 Hz up to 1000 Hz, then 27 a factor of 6.4: ``librosa.filters.mel``."""
    hz_per_mel, log_step = 200 / 3, np.log(6.4) / 27
    first, last = (
        f / hz_per_mel if f < 1000 else 15 + np.log(f / 1000) / log_step for f in (low, high or sample_rate / 2)
    )
    mels = np.linspace(first, last, bands + 2)
    corners = np.where(mels < 15, hz_per_mel * mels, 1000 * np.exp(log_step * (mels - 15)))
    areas = 2 / (corners[2:] - corners[:-2])
    return csr_array(_triangular_filters(sample_rate, n_fft, corners) * areas[:, None])


def chroma_filters(sample_rate: int, n_fft: int) -> np.ndarray:
    """A bump around each of the pitch classes from C up, ``(12, bins)``: ``librosa.filters.chroma``."""
    octave = np.log2(np.arange(1, n_fft) * sample_rate / n_fft / (440.0 / 16))
    pitch = _PITCH_CLASSES * np.concatenate([[octave[0] - 1.5], octave])
    width = np.concatenate([np.maximum(np.diff(pitch), 1.0), [1.0]])
    offsets = pitch - np.arange(_PITCH_CLASSES)[:, None] + 10.5 * _PITCH_CLASSES
    distance = np.remainder(offsets, _PITCH_CLASSES) - _PITCH_CLASSES / 2
    bumps = np.exp(-0.5 * (2 * distance / width) ** 2)
    bumps /= np.linalg.norm(bumps, axis=0)
    bumps *= np.exp(-0.5 * ((pitch / _PITCH_CLASSES - 5.0) / 2) ** 2)
    return np.ascontiguousarray(np.roll(bumps, -3, axis=0)[:, : n_fft // 2 + 1], np.float32)


def octave_bands(
    sample_rate: int, n_fft: int, bands: int, lowest: float = 200.0, quantile: float = 0.02
) -> list[tuple[slice, int]]:
    """The bins of each octave band and how many are its 2%, as ``librosa.feature.spectral_contrast`` takes them."""
    frequencies = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    edges = np.concatenate([[0.0], lowest * 2.0 ** np.arange(bands)])
    slices = []
    for band, (low, high) in enumerate(pairwise(edges)):
        bins = np.flatnonzero((frequencies >= low) & (frequencies <= high))
        is_last = band == bands - 1
        first, end = int(bins[0]) - (band > 0), len(frequencies) if is_last else int(bins[-1]) + 1
        count = max(1, int(np.rint(quantile * (end - first))))
        slices.append((slice(first, end if is_last else end - 1), count))
    return slices


def power_spectrum(frames: np.ndarray, window: np.ndarray) -> np.ndarray:
    """The power spectrum of each frame, ``(frames, bins)``."""
    spectrum = rfft(frames * window, axis=1, overwrite_x=True)
    power: np.ndarray = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    return power


def apply_filterbank(filters: csr_array, spectra: np.ndarray) -> np.ndarray:
    """The energy of each spectrum in each filter, ``(frames, filters)``, in the wider type of the two."""
    energies: np.ndarray = (filters @ spectra.T).T
    return energies


def _triangular_filters(sample_rate: int, n_fft: int, corners: np.ndarray) -> np.ndarray:
    slopes = np.fft.rfftfreq(n_fft, 1 / sample_rate) - corners[:, None]
    steps = np.diff(corners)[:, None]
    triangles: np.ndarray = np.maximum(0, np.minimum(slopes[:-2] / steps[:-1], -slopes[2:] / steps[1:]))
    return triangles
