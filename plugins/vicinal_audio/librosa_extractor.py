"""Computes features by librosa, and their mean and deviation over time."""

from __future__ import annotations

import inspect
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from vicinal.errors import ItemError, PluginError
from vicinal_audio.librosa_features import Feature

__all__ = ["FeatureExtractor"]

_PROBE_SECONDS = 2.0
_PATIENCE_SECONDS = 10.0
"""Importing librosa takes 2 to 6 s with numba's cache and 18 to 65 s without: more than this is worth a line."""
_COMPILING = "numba compiles librosa's functions, once on this machine; it takes up to a minute …\n"


class FeatureExtractor:
    """Computes features of samples at one rate.

    Making one computes them of a short probe, so that parameters which librosa refuses are found before any sound is
    read, and numba compiles before several threads need it.

    Raises:
        PluginError: librosa cannot be imported, or refuses a parameter.
    """

    def __init__(self, features: Sequence[Feature], sample_rate: int) -> None:
        probe = _make_probe(sample_rate)
        self._calls = []
        with _report_slow_start():
            for feature in features:
                call = _bind_feature(feature, sample_rate)
                _require_size(feature, _call_librosa(feature, call, probe, PluginError))
                self._calls.append((feature, call))

    def summarize(self, samples: np.ndarray) -> np.ndarray:
        """Mean and deviation over time of each number of each feature: ``(2 * sum of sizes,)`` float32.

        Feature by feature, its means before its deviations.

        Raises:
            ItemError: librosa cannot compute a feature of these samples.
        """
        parts = []
        for feature, call in self._calls:
            series = _call_librosa(feature, call, samples, ItemError)
            parts += [series.mean(axis=1, dtype=np.float64), series.std(axis=1, dtype=np.float64)]
        statistics = np.concatenate(parts).astype(np.float32)
        if not np.isfinite(statistics).all():
            raise ItemError("librosa's features of this sound are not finite")
        return statistics


def _bind_feature(feature: Feature, sample_rate: int) -> Any:
    """The function of librosa with its parameters, the rate among them where it takes one."""
    try:
        import librosa

        function = getattr(librosa.feature, feature.name)
    except Exception as error:  # numba raises RuntimeError where it finds no folder for its cache
        raise PluginError(
            f"librosa cannot be imported: {error}",
            hint="if it is about a cache, set NUMBA_CACHE_DIR to a folder that can be written to",
        ) from error
    rate = {"sr": sample_rate} if "sr" in inspect.signature(function).parameters else {}
    try:
        return partial(function, **rate, **feature.parameters)
    except TypeError as error:
        raise PluginError(f"features: {feature.name}: {error}", hint="sample_rate gives `sr`") from error


def _call_librosa(feature: Feature, call: Any, samples: np.ndarray, error_class: type[Exception]) -> np.ndarray:
    """A feature of samples, ``(size, frames)``; complex ones by their magnitude."""
    try:
        with _without_warnings():
            series = np.atleast_2d(call(y=samples))
    except Exception as error:  # librosa, scipy and numba each have errors of their own
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        raise error_class(f"librosa cannot compute {feature.name}: {first_line}") from error
    return np.abs(series) if np.iscomplexobj(series) else series


def _require_size(feature: Feature, series: np.ndarray) -> None:
    if len(series) != feature.size:
        raise PluginError(
            f"features: {feature.name} has {len(series)} numbers a frame with these parameters, not {feature.size}",
            hint="its parameters contradict each other: n_mfcc is at most n_mels, say",
        )


def _make_probe(sample_rate: int) -> np.ndarray:
    """Two seconds of a tone in noise."""
    time = np.arange(round(_PROBE_SECONDS * sample_rate)) / sample_rate
    noise = np.random.default_rng(0).standard_normal(len(time))
    probe: np.ndarray = (0.3 * np.sin(2 * np.pi * 440 * time) + 0.05 * noise).astype(np.float32)
    return probe


@contextmanager
def _report_slow_start() -> Iterator[None]:
    """Say on stderr what takes so long, if it does: else the first search or run would seem to hang."""
    timer = threading.Timer(_PATIENCE_SECONDS, lambda: sys.stderr.write(_COMPILING))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class _IgnoredWarnings:
    """Ignores warnings while any thread is within; the last one to leave restores the filters.

    ``warnings.catch_warnings`` by itself is not for threads: two that overlap leave the filters of the first behind.
    librosa warns of short sounds ("n_fft=1024 is too large for input signal") and of sounds without a pitch.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._caught = warnings.catch_warnings()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if not self._inside:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._caught.__exit__(None, None, None)


_without_warnings = _IgnoredWarnings()
