"""Sounds by the pretrained networks of torchaudio: wav2vec 2, HuBERT and WavLM, for speech and speakers.

    x      samples at 16,000 Hz
    h      the outputs of one layer of the network, a row for every 20 ms
    v      the mean of h over time, of length 1

The layers differ in what they tell: of WavLM and HuBERT the lower third tells speakers apart, the middle to the upper
third what is said (Pasad et al. 2023, https://arxiv.org/abs/2211.03929). The weights are torchaudio's, not in vicinal.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, TypeAdapter, ValidationInfo, field_validator, model_validator

from vicinal import LocalPath, Space
from vicinal.toolkit.hashing import hash_file
from vicinal.toolkit.models import LocalModel, Model, WeightsUrl
from vicinal.toolkit.torch_hub import require_available
from vicinal.toolkit.torch_runtime import Device, Precision, choose_batch_size, locked_cached_property
from vicinal_audio.base import AudioEncoderBase
from vicinal_audio.chunks import sample_chunks, sum_chunks
from vicinal_audio.torchaudio_bundles import BUNDLES, SAMPLE_RATE, Bundle

if TYPE_CHECKING:
    import numpy as np

    from vicinal_audio.torchaudio_model import Network

__all__ = ["ALTERNATIVE_HINT", "TorchaudioEncoder"]

ALTERNATIVE_HINT = "the encoder melstats needs no weights and works offline"
CHUNK_SECONDS = 20
"""What the network takes at once: attention costs time and memory by the square of the length."""
MAX_CHUNKS = 8
"""Of one sound: a chunk takes 1.3 MB of memory."""

_PRETRAINED, _RANDOM = "pretrained", "random"
_SUFFIXES = (".pth", ".pt", ".bin", ".safetensors")
_PATH = TypeAdapter(LocalPath)


class TorchaudioEncoder(AudioEncoderBase):
    """Encodes sounds; content and query are paths of files.

    A sound, or window, of more than 20 s is split into chunks of that length, and its vector is the mean of theirs; of
    more than 8 chunks, 5 to 8 evenly spaced ones are encoded.
    """

    encode_is_thread_safe = True

    class Params(AudioEncoderBase.Params):
        bundle: str = Field(json_schema_extra={"enum": list(BUNDLES)})
        """A network of ``torchaudio.pipelines``, by its name there: ``WAVLM_BASE_PLUS``, ``HUBERT_BASE``…"""
        layer: int | None = Field(default=None, ge=1, le=48)
        """Whose outputs are averaged, from 1; the last by default. Lower ones tell speakers, upper ones words."""
        weights: str = _PRETRAINED
        """``pretrained`` (torchaudio's, from torch.hub's cache or by a download), the path of a state dict (.pth,
        .safetensors), or ``random``."""
        seed: int = Field(default=0, ge=0)
        """Of ``weights: random``."""
        batch_size: int = Field(default=2, ge=1, le=1024)
        """Chunks computed together. 1 to 4 are best on a CPU; on a GPU the default is 16."""
        precision: Precision = "auto"
        """``auto``: bfloat16 where the processor supports it and the vectors match those of float32; else float32."""
        device: Device = "auto"
        """``auto`` is a GPU where torch finds one."""

        @field_validator("bundle")
        @classmethod
        def _check_bundle(cls, bundle: str) -> str:
            if bundle not in BUNDLES:
                near = difflib.get_close_matches(bundle.upper(), BUNDLES, n=1)
                meant = f" (did you mean {near[0]}?)" if near else ""
                raise ValueError(f"torchaudio has no bundle {bundle!r}{meant}; these are: {', '.join(BUNDLES)}")
            return bundle

        @field_validator("weights")
        @classmethod
        def _check_weights(cls, weights: str, info: ValidationInfo) -> str:
            if weights in (_PRETRAINED, _RANDOM):
                return weights
            if not weights.endswith(_SUFFIXES):
                raise ValueError(f"write {_PRETRAINED}, {_RANDOM}, or the path of a file ({', '.join(_SUFFIXES)})")
            path: Path = _PATH.validate_python(weights, context=info.context)
            return str(path)

        @model_validator(mode="after")
        def _check_layer(self) -> TorchaudioEncoder.Params:
            if self.layer is not None and self.layer > (layers := BUNDLES[self.bundle].layers):
                raise ValueError(f"layer: {self.bundle} has {layers} layers")
            return self

    params: Params

    @property
    def space(self) -> Space:
        return Space(self._bundle.dimension, "float", "COSINE")

    @property
    def signature(self) -> str:
        """The network, its weights, the layer, the configured precision, and how sounds are split.

        Raises:
            DependencyError: the weights are not on this machine and cannot be downloaded.
        """
        params, network = self.params, f"{self.params.bundle}/{self._weights_tag}/layer={self._layer}"
        return f"torchaudio/1/{network}/{params.precision}/{self._windowing_tag}"

    def list_models(self) -> list[Model]:
        return [] if self.params.weights == _RANDOM else [self._model]

    @property
    def sample_rate(self) -> int:
        return SAMPLE_RATE

    @property
    def encode_batch_size(self) -> int:
        return 16

    def _make_sample(self, blocks: Iterable[np.ndarray]) -> Any:
        """The samples of the chunks, ``(chunks, samples)`` float32."""
        import numpy as np

        return np.stack(sample_chunks(blocks, SAMPLE_RATE, CHUNK_SECONDS, MAX_CHUNKS, np.ascontiguousarray))

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        """Vectors of chunks, ``(n, dimension)`` float32 of length 1."""
        import numpy as np

        from vicinal.toolkit.vectors import l2_normalize

        vectors = np.zeros((len(samples), self.space.dimension), np.float32)
        rows_of: dict[int, list[int]] = {}
        for row, sample in enumerate(samples):
            rows_of.setdefault(sample.shape[1], []).append(row)
        for rows in rows_of.values():  # of like length: padding would change what group norm makes of the others
            chunks = [samples[row] for row in rows]
            vectors[rows] = sum_chunks(self._network.encode(np.concatenate(chunks)), chunks)
        return l2_normalize(vectors)

    @property
    def quality_note(self) -> str:
        if self.params.weights != _RANDOM:
            return ""
        return f"the weights are random: the network has learnt nothing; write `weights: {_PRETRAINED}`"

    @property
    def _bundle(self) -> Bundle:
        return BUNDLES[self.params.bundle]

    @property
    def _layer(self) -> int:
        return self.params.layer or self._bundle.layers

    @property
    def _weights_tag(self) -> str:
        """What tells weights from others: for those of a file the start of its SHA-256, for random ones their seed."""
        if self.params.weights == _RANDOM:
            return f"{_RANDOM}-{self.params.seed}"
        if self.params.weights == _PRETRAINED:
            require_available(self._bundle.url, ALTERNATIVE_HINT)
            return _PRETRAINED
        return hash_file(self._model.resolve())[:16]

    @property
    def _model(self) -> Model:
        """What has the weights."""
        if self.params.weights == _PRETRAINED:
            return WeightsUrl(self._bundle.url, ALTERNATIVE_HINT)
        return LocalModel(Path(self.params.weights), ALTERNATIVE_HINT)

    @locked_cached_property
    def _network(self) -> Network:
        from vicinal_audio.torchaudio_model import Network

        params = self.params
        weights = params.seed if params.weights == _RANDOM else self._model.resolve()
        batch_size = choose_batch_size(params, gpu=16)
        return Network(params.bundle, self._layer, weights, params.device, params.precision, batch_size)
