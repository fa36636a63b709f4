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

    Samples that are not finite, and up to eight that stand out from all others, take the mean of their neighbours.
    A channel whose correlation with the loudest one is below -0.5 is turned round: else they cancel.
    """
    for channel in channels:
        _repair_spikes(channel)
    mono: np.ndarray = channels[0] if len(channels) == 1 else np.einsum("c,cn->n", _channel_signs(channels), channels)
    return mono if len(channels) == 1 else mono / len(channels)


def _channel_signs(channels: np.ndarray) -> np.ndarray:
    """-1 for each channel of inverted polarity, else 1; constants (DC) do not count.

    The sums are einsum's, not BLAS's, whose threads would compete with those that decode other sounds.
    """
    means = channels.mean(axis=1)
    deviations = np.sqrt(np.maximum(np.einsum("cn,cn->c", channels, channels) / channels.shape[1] - means**2, 0))
    loudest = deviations.argmax()
    covariances = np.einsum("cn,n->c", channels, channels[loudest]) / channels.shape[1] - means * means[loudest]
    is_inverted = covariances < _MIN_CORRELATION * deviations * deviations[loudest]
    return np.where(is_inverted, -1, 1).astype(np.float32)


def _repair_spikes(channel: np.ndarray) -> None:
    """Replace in place samples that are no part of a sound by the line between those beside them."""
    peak = float(max(channel.max(), -channel.min()))
    energy = float(np.einsum("n,n", channel, channel)) if peak < _MAX_AMPLITUDE else np.inf  # both false for NaN, too
    if peak**2 <= _SPIKE_SHARE * energy < np.inf:
        return
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
