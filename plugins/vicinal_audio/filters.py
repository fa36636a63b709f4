"""Windows and filter banks for spectra, as torchaudio and librosa define them.

A bank is sparse, ``(filters, bins)`` float64. Numpy's matrix product is left alone on purpose: its threads would
fight with those that decode other sounds. One product for all filters, not one for each, because a thread has to wait
for the interpreter between any two, and others decode meanwhile.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.fft import rfft
from scipy.sparse import csr_array

__all__ = ["chroma", "hann", "htk", "octaves", "power", "slaney", "through"]

_PITCHES = 12


def hann(size: int) -> np.ndarray:
    """A periodic Hann window, float64."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


def htk(rate: int, fft: int, count: int, low: float = 0.0, high: float | None = None) -> csr_array:
    """Triangles of height 1, at equal steps of 2595 log10(1 + f / 700): ``torchaudio.functional.melscale_fbanks``."""
    first, last = (2595 * np.log10(1 + f / 700) for f in (low, high or rate / 2))
    return csr_array(_triangles(rate, fft, 700 * (10 ** (np.linspace(first, last, count + 2) / 2595) - 1)))


def slaney(rate: int, fft: int, count: int, low: float = 0.0, high: float | None = None) -> csr_array:
    """Triangles of equal area, each 200/3 Hz up to 1000 Hz, then 27 a factor of 6.4: ``librosa.filters.mel``."""
    step, pace = 200 / 3, np.log(6.4) / 27
    first, last = (f / step if f < 1000 else 15 + np.log(f / 1000) / pace for f in (low, high or rate / 2))
    marks = np.linspace(first, last, count + 2)
    corners = np.where(marks < 15, step * marks, 1000 * np.exp(pace * (marks - 15)))
    return csr_array(_triangles(rate, fft, corners) * (2 / (corners[2:] - corners[:-2]))[:, None])


def chroma(rate: int, fft: int) -> np.ndarray:
    """A bump around each of the pitch classes from C up, ``(12, bins)``: ``librosa.filters.chroma``."""
    octave = np.log2(np.arange(1, fft) * rate / fft / (440.0 / 16))
    pitch = _PITCHES * np.concatenate([[octave[0] - 1.5], octave])
    width = np.concatenate([np.maximum(np.diff(pitch), 1.0), [1.0]])
    apart = np.remainder(pitch - np.arange(_PITCHES)[:, None] + 10.5 * _PITCHES, _PITCHES) - _PITCHES / 2
    bumps = np.exp(-0.5 * (2 * apart / width) ** 2)
    bumps /= np.linalg.norm(bumps, axis=0)
    bumps *= np.exp(-0.5 * ((pitch / _PITCHES - 5.0) / 2) ** 2)
    return np.ascontiguousarray(np.roll(bumps, -3, axis=0)[:, : fft // 2 + 1], np.float32)


def octaves(rate: int, fft: int, count: int, lowest: float = 200.0, share: float = 0.02) -> list[tuple[slice, int]]:
    """The bins of each octave band, and how many are its 2%: as ``librosa.feature.spectral_contrast`` takes them."""
    frequencies = np.fft.rfftfreq(fft, 1 / rate)
    edges = np.concatenate([[0.0], lowest * 2.0 ** np.arange(count)])
    found = []
    for band, (low, high) in enumerate(pairwise(edges)):
        bins = np.flatnonzero((frequencies >= low) & (frequencies <= high))
        is_last = band == count - 1
        first, end = int(bins[0]) - (band > 0), len(frequencies) if is_last else int(bins[-1]) + 1
        few = max(1, int(np.rint(share * (end - first))))
        found.append((slice(first, end if is_last else end - 1), few))
    return found


def power(frames: np.ndarray, window: np.ndarray) -> np.ndarray:
    """The power spectrum of each frame, ``(rows, bins)``."""
    spectrum = rfft(frames * window, axis=1, overwrite_x=True)
    found: np.ndarray = np.square(spectrum.real)
    found += np.square(spectrum.imag)
    return found


def through(bank: csr_array, rows: np.ndarray) -> np.ndarray:
    """What each filter lets through of each row, ``(rows, filters)``, in the wider type of the two."""
    found: np.ndarray = (bank @ rows.T).T
    return found


def _triangles(rate: int, fft: int, corners: np.ndarray) -> np.ndarray:
    slopes = np.fft.rfftfreq(fft, 1 / rate) - corners[:, None]
    steps = np.diff(corners)[:, None]
    found: np.ndarray = np.maximum(0, np.minimum(slopes[:-2] / steps[:-1], -slopes[2:] / steps[1:]))
    return found
