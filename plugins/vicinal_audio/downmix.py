"""Mixes the channels of a sound to one, past what recorders and tools do wrong: inverted channels and lone spikes."""

from __future__ import annotations

import numpy as np

__all__ = ["downmix"]

_MAX_AMPLITUDE = 2.0**16
_MIN_CORRELATION = -0.5
_SPIKE_SHARE = 1 / 16
"""Of a block's energy: a sample that has more of it may be a spike."""
_SPIKE_SAMPLES = 8
"""So many samples of a block may be spikes."""
_SPIKE_RATIO = 8.0
"""A spike is so many times as high as the greatest sample beside them."""


def downmix(channels: np.ndarray) -> np.ndarray:
    """The mean of ``(channels, n)`` float32 samples, ``(n,)``; the channels may be changed.

    Samples that are not finite, and up to eight that stand out from all others, are drawn from their neighbours.
    A channel whose correlation with the loudest one is below -0.5 is turned round: else they cancel.
    """
    peaks = np.maximum(channels.max(axis=1), -channels.min(axis=1)).astype(np.float64)
    energies = np.einsum("cn,cn->c", channels, channels)
    is_plain = (peaks**2 <= _SPIKE_SHARE * energies) & (peaks < _MAX_AMPLITUDE)  # false for NaN, too
    if not is_plain.all():
        for channel in channels:
            _repair_spikes(channel)
        energies = np.einsum("cn,cn->c", channels, channels)
    mono: np.ndarray = channels[0]
    if len(channels) > 1:
        for channel, is_inverted in zip(channels[1:], _find_inverted(channels, energies)[1:], strict=True):
            (np.subtract if is_inverted else np.add)(mono, channel, out=mono)
        mono /= len(channels)
    return mono


def _find_inverted(channels: np.ndarray, energies: np.ndarray) -> np.ndarray:
    """Which channels are of the other polarity than the first one; constants (DC) do not count.

    The sums are einsum's, not BLAS's, whose threads would compete with those that decode other sounds.
    """
    size = channels.shape[1]
    means = channels.mean(axis=1)
    deviations = np.sqrt(np.maximum(energies / size - means**2, 0))
    loudest = deviations.argmax()
    covariances = np.einsum("cn,n->c", channels, channels[loudest]) / size - means * means[loudest]
    differs = covariances < _MIN_CORRELATION * deviations * deviations[loudest]
    is_inverted: np.ndarray = differs != differs[0]
    return is_inverted


def _repair_spikes(channel: np.ndarray) -> None:
    """Replace in place samples that are no part of a sound by the line between those beside them."""
    magnitudes = np.nan_to_num(np.abs(channel), nan=np.inf, posinf=np.inf)
    is_spike = magnitudes > min(_spike_limit(magnitudes), _MAX_AMPLITUDE)
    if is_spike.all():
        channel[:] = 0
    elif is_spike.any():
        channel[is_spike] = np.interp(np.flatnonzero(is_spike), np.flatnonzero(~is_spike), channel[~is_spike])


def _spike_limit(magnitudes: np.ndarray) -> float:
    """Infinite where nothing but the greatest samples can be heard: a click, which is a sound."""
    finite = magnitudes[np.isfinite(magnitudes)]
    if len(finite) <= _SPIKE_SAMPLES:
        return np.inf
    greatest = float(np.partition(finite, -_SPIKE_SAMPLES - 1)[-_SPIKE_SAMPLES - 1])
    return _SPIKE_RATIO * greatest or np.inf
