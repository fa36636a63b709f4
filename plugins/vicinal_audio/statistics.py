"""A sound's spectra as one vector: statistics over time, standardized, weighted by group, of length 1.

    E      power of a frame; frames more than 40 dB below the loudest do not count
    dB     10 log10, at most 40 dB below the greatest value
    M      the first 20 cosines of dB of mel power of a sound whose loudest frame has 1
                                                 20, as librosa.feature.mfcc over power_to_db(top_db=40)
    D      slope of M over 9 frames              20, as librosa.feature.delta
    C      chroma                                12, as librosa.feature.chroma_stft(tuning=0.0)
    S      peaks against valleys in dB            7, as librosa.feature.spectral_contrast of magnitudes at most 40 dB
                                                     below the greatest
    H      shape of the mel bands: centroid, bandwidth (in bands, of the power above the floor of 40 dB), and flatness
           (dB of the geometric over the arithmetic mean: Dubnov 2004)
    V      the level, dB of E: mean rise from frame to frame (attack), logarithms of mean and median fall (decay) and
           of the steps' deviation, deviation of the level
    x      mean and deviation over time of M, C, S and H, weighted by E, the deviation of D, and V: 109 numbers
    z      (x - MEAN) / STD, between -3 and 3, times the root of the weight of its group over its size
    v      z / |z|

Forty decibels, not librosa's eighty: what is weaker is noise, and dominates the rest when noise is added. Weighting by
E follows how loud a sound is to a listener: what decays or is silent counts little. Centroid, flatness and the rest
are those of Peeters 2004 ("A large set of audio features for sound description"), without what depends on where a sound
is cut (attack time, temporal centroid, duration): with them a clip finds its sound in 84 in place of 92% of the cases.

``benchmarks/sounds_families.py`` chose these features and ``GROUP_WEIGHTS`` on one half of its sounds and judges them
on the other. The mean of D is left out: it is the difference between a sound's end and its start over its length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import dct

from vicinal.errors import ItemError
from vicinal.toolkit.vectors import l2_normalize
from vicinal_audio.normalization import GROUP_SIZES, MEAN, STD
from vicinal_audio.spectrogram import Spectra

__all__ = ["GROUP_WEIGHTS", "N_MFCC", "standardize_statistics", "summarize_spectra"]

N_MFCC = 20
GROUP_WEIGHTS = np.array([1.0, 1.5, 0.4, 0.3, 0.6, 1.5, 1.0, 0.2, 0.6, 0.3])
_TOP_DB = 40.0
_FLOOR = np.float32(10 ** (-_TOP_DB / 10))
_MAX_DEVIATIONS = 3.0
_DELTA_KERNEL = np.arange(-4, 5, dtype=np.float32) / 60


def summarize_spectra(spectra: Spectra) -> np.ndarray:
    """The statistics x of a sound, ``(109,)`` float32.

    Raises:
        ItemError: it has nothing above 25 Hz.
    """
    if spectra.power.max() < np.finfo(np.float32).tiny:
        raise ItemError("the sound is silent above 25 Hz")
    counts = spectra.power > _FLOOR * spectra.power.max()
    weights = spectra.power[counts].astype(np.float64)
    weights /= weights.sum()
    decibels = _power_to_db(spectra.mel / spectra.power.max())[counts]
    mfcc = dct(decibels, axis=1, norm="ortho")[:, :N_MFCC]
    series = (
        mfcc,
        _compute_delta(mfcc),
        spectra.chroma[counts],
        _spectral_contrast(spectra)[counts],
        _mel_shape(decibels),
    )
    moments = [_weighted_moments(each, weights) for each in series]
    del moments[1][0]
    parts = [part for pair in moments for part in pair]
    return np.concatenate([*parts, _level_changes(spectra.power)]).astype(np.float32)


def standardize_statistics(rows: Sequence[np.ndarray]) -> np.ndarray:
    """The vectors v of statistics x, ``(n, 109)`` float32."""
    vectors = (np.stack(rows) - MEAN) / STD
    np.clip(vectors, -_MAX_DEVIATIONS, _MAX_DEVIATIONS, out=vectors)
    vectors *= np.sqrt(np.repeat(GROUP_WEIGHTS / GROUP_SIZES, GROUP_SIZES))
    return l2_normalize(vectors).astype(np.float32)


def _weighted_moments(series: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
    """Mean and deviation over time."""
    mean = np.einsum("t,tc->c", weights, series)
    return [mean, np.sqrt(np.einsum("t,tc->c", weights, np.square(series - mean)))]


def _power_to_db(power: np.ndarray) -> np.ndarray:
    decibels: np.ndarray = 10 * np.log10(np.maximum(power, _FLOOR * power.max()))
    return decibels


def _spectral_contrast(spectra: Spectra) -> np.ndarray:
    floor = spectra.peak.max() * np.sqrt(_FLOOR)
    starts = np.cumsum([0, *spectra.band_counts[:-1]])
    valley, peak = (np.add.reduceat(np.maximum(each, floor), starts, axis=1) for each in (spectra.valley, spectra.peak))
    contrast: np.ndarray = 10 * np.log10(peak / valley)
    return contrast


def _mel_shape(decibels: np.ndarray) -> np.ndarray:
    """H of each frame, ``(frames, 3)``."""
    power = 10 ** (decibels / 10)
    above = np.maximum(power - 1.01 * _FLOOR * power.max(), 0)  # 1%: rounding is no power
    above /= np.maximum(above.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    bands = np.arange(above.shape[1], dtype=np.float32)
    centroid = np.einsum("tb,b->t", above, bands)
    variance = np.einsum("tb,tb->t", above, np.square(bands - centroid[:, None]))
    flatness = decibels.mean(axis=1) - 10 * np.log10(power.mean(axis=1))
    return np.stack([centroid, np.sqrt(variance), flatness], axis=1)


def _level_changes(power: np.ndarray) -> np.ndarray:
    """V, from the floor before the first frame that counts to the floor after the last one, ``(5,)``."""
    level = _power_to_db(power / power.max())
    counting = np.flatnonzero(level > -_TOP_DB)
    level = level[counting[0] : counting[-1] + 1]
    steps = np.diff(level, prepend=-_TOP_DB, append=-_TOP_DB)
    rises, falls = steps[steps > 0], -steps[steps < 0]
    logs = np.log(0.1 + np.array([falls.mean(), np.median(falls), steps.std()]))
    return np.array([rises.mean(), *logs, level.std()])


def _compute_delta(series: np.ndarray) -> np.ndarray:
    """Slope of the line through 9 frames; the first and the last four frames have that of the nearest nine."""
    size, margin = len(series), len(_DELTA_KERNEL) // 2
    series = np.pad(series, ((0, max(0, len(_DELTA_KERNEL) - size)), (0, 0)), mode="edge")
    slopes = np.einsum("tck,k->tc", sliding_window_view(series, len(_DELTA_KERNEL), axis=0), _DELTA_KERNEL)
    return np.pad(slopes, ((margin, margin), (0, 0)), mode="edge")[:size]
