"""Spectra of a sound: short-time Fourier transform, mel bands, chroma and spectral contrast, block by block.

They equal what torchaudio and librosa compute (a test compares them), without either at work. The first use of librosa
compiles code for half a minute where numba's cache is empty and takes seconds where it is full; torch takes a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.sparse import csr_array

from vicinal_audio.filters import chroma, hann, htk, octaves, power, slaney, through

__all__ = ["CONTRAST", "FFT", "FINE", "HOP", "MEL", "Filters", "Spectra", "filters", "measure"]

FFT = 2048
HOP = 512
MEL = 64
"""Bands of the log-mel spectrogram, on torchaudio's scale."""
FINE = 128
"""Bands below the MFCC, on librosa's scale."""
CONTRAST = 7
"""Bands of the spectral contrast: up to 200 Hz, then an octave each, the last one up to the highest frequency."""

_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Spectra:
    """What is kept of a sound, a row for each frame of ``FFT`` samples, one frame every ``HOP`` samples.

    Powers are those of the samples as they are; divide by ``power`` (their mean square) for those of a sound of RMS 1.
    """

    mel: np.ndarray
    """Power in ``MEL`` bands."""
    fine: np.ndarray
    """Power in ``FINE`` bands."""
    chroma: np.ndarray
    """Power of the twelve pitch classes from C up, the strongest of each frame 1."""
    weak: np.ndarray
    """Magnitudes of the weakest 2% of the bins of each octave band, one band after another."""
    strong: np.ndarray
    """Magnitudes of the strongest 2%."""
    power: float
    few: list[int]
    """How many columns of ``weak`` and ``strong`` belong to each octave band."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Window and filter banks for one sample rate."""

    window: np.ndarray
    mel: csr_array
    fine: csr_array
    chroma: np.ndarray
    octaves: list[tuple[slice, int]]

    @property
    def few(self) -> list[int]:
        """How many bins of each octave band are its 2%."""
        return [few for _, few in self.octaves]


@cache
def filters(rate: int) -> Filters:
    """The filters for a rate, made once."""
    window, mel, fine = (each.astype(np.float32) for each in (hann(FFT), htk(rate, FFT, MEL), slaney(rate, FFT, FINE)))
    return Filters(window, mel, fine, chroma(rate, FFT), octaves(rate, FFT, CONTRAST))


def measure(blocks: Iterable[np.ndarray], rate: int) -> Spectra:
    """The spectra of a sound that comes in blocks of float32 samples; how it is cut into blocks does not matter."""
    bank, energy = filters(rate), Energy()
    rows: list[tuple[np.ndarray, ...]] = []
    for frames in _frames(energy.of(blocks)):
        rows += [_rows(frames[at : at + _AT_ONCE], bank) for at in range(0, len(frames), _AT_ONCE)]
    mel, fine, pitch, weak, strong = (np.concatenate(part) for part in zip(*rows, strict=True))
    return Spectra(mel, fine, pitch, weak, strong, energy.mean, bank.few)


class Energy:
    """Adds up the squares of the samples that pass."""

    def __init__(self) -> None:
        self.total = 0.0
        self.count = 0

    @property
    def mean(self) -> float:
        return self.total / max(self.count, 1)

    def of(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for block in blocks:
            self.total += float(np.square(block, dtype=np.float64).sum())
            self.count += len(block)
            yield block


def _frames(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Frames of the sound between two half frames of zeros, so that frame t has sample t * HOP in its middle."""
    rest = margin = np.zeros(FFT // 2, np.float32)

    def padded() -> Iterator[np.ndarray]:
        yield from blocks
        yield margin

    for block in padded():
        rest = np.concatenate([rest, block])
        count = max(0, 1 + (len(rest) - FFT) // HOP)
        if count:
            yield sliding_window_view(rest, FFT)[: count * HOP : HOP]
            rest = rest[count * HOP :]


def _rows(frames: np.ndarray, bank: Filters) -> tuple[np.ndarray, ...]:
    strength = power(frames, bank.window)
    pitch = np.einsum("tf,cf->tc", strength, bank.chroma)
    strongest = pitch.max(axis=1, keepdims=True)
    pitch /= np.where(strongest < np.finfo(np.float32).tiny, 1, strongest)
    magnitude = np.sqrt(strength)
    ranked = [(np.sort(magnitude[:, bins], axis=1), few) for bins, few in bank.octaves]
    weak = np.concatenate([each[:, :few] for each, few in ranked], axis=1)
    strong = np.concatenate([each[:, -few:] for each, few in ranked], axis=1)
    return through(bank.mel, strength), through(bank.fine, strength), pitch, weak, strong
