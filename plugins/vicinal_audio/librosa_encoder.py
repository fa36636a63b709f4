"""Sounds by features of librosa that the YAML names, so that a team can try what suits its sounds.

    f      a feature, ``librosa.feature.NAME(y=samples, sr=sample_rate, …)``, a row of numbers a frame
    x      mean and deviation over time of each number of each f
    z      (x - mean) / deviation, which ``fit`` learns from the solution's own sounds; between -3 and 3
    v      z, each feature's part divided by the root of its size, so that 384 numbers of a tempogram weigh as much as
           20 of an MFCC; of length 1

Features have different units: without the standardization the spectral rolloff, in thousands of hertz, would be all
that counts.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pydantic import Field

from vicinal import Item, ItemError, Space
from vicinal.toolkit.torch_runtime import locked_cached_property
from vicinal_audio.base import AudioEncoderBase
from vicinal_audio.librosa_features import Feature, FeatureEntry, to_feature

if TYPE_CHECKING:
    import numpy as np

    from vicinal.plugin.state import State
    from vicinal_audio.librosa_extractor import FeatureExtractor

__all__ = ["LibrosaEncoder"]

MAX_FIT_ITEMS = 200
"""Sounds that ``fit`` reads: the deviation of 200 is within 10% of that of all, at 0.1 to 0.5 s a sound."""

_MAX_DEVIATIONS = 3.0
_MIN_RELATIVE_DEVIATION = 1e-6


class LibrosaEncoder(AudioEncoderBase):
    """Encodes sounds; content and query are paths of files."""

    encode_is_thread_safe = True

    class Params(AudioEncoderBase.Params):
        features: list[FeatureEntry] = Field(
            default=["mfcc", "chroma_cqt", "spectral_contrast"], min_length=1, max_length=64
        )
        """Frame features of ``librosa.feature``, each a name or a name with parameters (``mfcc: {n_mfcc: 13}``)."""
        sample_rate: int = Field(default=22_050, ge=8_000, le=96_000)
        """Samples per second to which every sound is resampled; frequencies above half of it are lost."""
        max_seconds: float = Field(default=600, gt=0)
        """A longer sound is a failure: librosa holds all of it, half a megabyte a second, unless `window` splits it."""

    params: Params

    @property
    def space(self) -> Space:
        return Space(2 * sum(feature.size for feature in self._features), "float", "COSINE")

    @property
    def signature(self) -> str:
        """The version of librosa, features with their parameters, sample rate, and how sounds are split."""
        release = ".".join(version("librosa").split(".")[:2])
        features = "+".join(map(_feature_tag, self._features))
        return f"librosa/1/{release}/{features}/rate={self.sample_rate}/{self._windowing_tag}"

    @property
    def sample_rate(self) -> int:
        return int(self.params.sample_rate)

    @property
    def encode_batch_size(self) -> int:
        return 128

    def _make_sample(self, blocks: Iterable[np.ndarray]) -> Any:
        """Mean and deviation of each number of each feature, ``(dimension,)`` float32."""
        import numpy as np

        return self._extractor.summarize(np.concatenate(list(blocks)))

    def fit(self, items: Iterable[Item]) -> State:
        """Learn mean and deviation of each number over the sounds, at most 200 of them, drawn at random.

        Raises:
            ItemError: no sound can be read, or all that can be have the same features.
        """
        import numpy as np

        _ = self._extractor  # what is wrong with the parameters ends the run, and is not the sounds' fault
        drawn = _draw_items(items, MAX_FIT_ITEMS)
        with ThreadPoolExecutor(os.cpu_count() or 1, "vicinal-fit") as pool:
            results = list(pool.map(self._decode_or_error, drawn))
        readable = [result for result in results if not isinstance(result, ItemError)]
        if not readable:
            raise ItemError(f"none of {len(results)} sounds can be read: {results[0]}" if results else "no sounds")
        statistics = np.stack([segment.sample for segments in readable for segment in segments]).astype(np.float64)
        mean, deviation = statistics.mean(axis=0), statistics.std(axis=0)
        differs = deviation > _MIN_RELATIVE_DEVIATION * np.abs(mean)
        if not differs.any():
            raise ItemError("all sounds that can be read have the same features; at least two that differ are needed")
        scale = np.where(differs, deviation, np.inf)  # what is the same in all of them does not count
        return {"mean": mean.astype(np.float32), "scale": scale.astype(np.float32)}

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        """Vectors of statistics, ``(n, dimension)`` float32 of length 1."""
        import numpy as np

        from vicinal.toolkit.vectors import l2_normalize

        if not samples:
            return np.zeros((0, self.space.dimension), np.float32)
        vectors = (np.stack(samples) - self.state["mean"]) / self.state["scale"]
        np.clip(vectors, -_MAX_DEVIATIONS, _MAX_DEVIATIONS, out=vectors)
        sizes = [2 * feature.size for feature in self._features]
        vectors /= np.sqrt(np.repeat(sizes, sizes))
        return l2_normalize(vectors)

    @cached_property
    def _features(self) -> list[Feature]:
        return [to_feature(entry) for entry in self.params.features]

    @locked_cached_property
    def _extractor(self) -> FeatureExtractor:
        from vicinal_audio.librosa_extractor import FeatureExtractor

        return FeatureExtractor(self._features, self.sample_rate)


def _draw_items(items: Iterable[Item], count: int) -> list[Item]:
    """Draw items at random, the same ones each time; all of them where there are no more."""
    drawn: list[Item] = []
    generator = random.Random(0)
    for number, item in enumerate(items):
        if number < count:
            drawn.append(item)
        elif (place := generator.randrange(number + 1)) < count:
            drawn[place] = item
    return drawn


def _feature_tag(feature: Feature) -> str:
    parameters = ",".join(f"{name}={value!r}" for name, value in sorted(feature.parameters.items()))
    return f"{feature.name}({parameters})" if parameters else feature.name
