"""Encodes sounds and sentences in one space by CLAP (Wu et al. 2023, https://arxiv.org/abs/2211.06687).

A collection of sounds can be searched with a sound or with a sentence. transformers computes the network; its weights
are on the Hugging Face hub, not in vicinal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from vicinal import AUDIO, TEXT, Space
from vicinal.plugin.dual_encoder import DualEncoder, TextEncoder
from vicinal.plugin.params import ModelName
from vicinal.toolkit.models import Model
from vicinal.toolkit.torch_runtime import Device, Precision, choose_batch_size, locked_cached_property
from vicinal_audio.base import AudioEncoderBase
from vicinal_audio.chunks import sample_chunks, sum_chunks
from vicinal_audio.clap_dir import ClapDir, make_clap_model, resolve_clap

if TYPE_CHECKING:
    import numpy as np

    from vicinal_audio.clap_model import AudioEncoder

__all__ = ["Clap"]

MAX_CHUNKS = 16
"""Of one sound: a chunk takes 256 KB of memory, and the network about a second."""


class Clap(DualEncoder, AudioEncoderBase):
    """Encodes sounds; content is the path of a file, a query is a path or a sentence.

    The network takes ten seconds at most. A longer sound, or window, is split into chunks of that length, and its
    vector is the mean of theirs; of a sound with more than 16 chunks, 9 to 16 evenly spaced ones are encoded.
    """

    query_modalities = (AUDIO, TEXT)
    file_suffixes = (".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma")
    encode_is_thread_safe = True
    min_seconds: ClassVar[float] = 0.0

    class Params(AudioEncoderBase.Params):
        model: ModelName = "laion/clap-htsat-unfused"
        """A CLAP on the Hugging Face hub, or the folder of one."""
        # With 8 chunks a layer of the full-size network takes more than 32 MB, which glibc returns each time.
        batch_size: int = Field(default=4, ge=1, le=1024)
        """Chunks computed together. 4 are best on a CPU; on a GPU the default is 32."""
        precision: Precision = "auto"
        """``auto``: bfloat16 where the processor supports it and the vectors match those of float32; else float32."""
        device: Device = "auto"
        """``auto`` is a GPU where torch finds one."""

    params: Params

    @property
    def space(self) -> Space:
        return Space(self._model_dir.projection_dim, "float", "COSINE")

    @property
    def signature(self) -> str:
        """Hash of the model's files, how sounds are split, and the configured precision."""
        return f"clap/1/{self._model_dir.hash}/{self.params.precision}/{self._windowing_tag}"

    def list_models(self) -> list[Model]:
        return [make_clap_model(self.params.model)]

    @property
    def sample_rate(self) -> int:
        return int(self._model_dir.feature_extractor_config["sampling_rate"])

    @property
    def encode_batch_size(self) -> int:
        return 32

    def _make_sample(self, blocks: Iterable[np.ndarray]) -> Any:
        """The log-mel spectrograms of the chunks, ``(chunks, frames, bands)`` float32."""
        import numpy as np

        extractor = self._feature_extractor
        seconds = extractor.max_samples / self.sample_rate
        return np.stack(sample_chunks(blocks, self.sample_rate, seconds, MAX_CHUNKS, extractor.log_mel))

    def _encode_files(self, samples: Sequence[Any]) -> np.ndarray:
        """The sum of the vectors of each sound's chunks."""
        import numpy as np

        return sum_chunks(self._audio_encoder.encode(np.concatenate(samples)), samples)

    @cached_property
    def _model_dir(self) -> ClapDir:
        return resolve_clap(self.params.model)

    @locked_cached_property
    def _feature_extractor(self) -> Any:
        from vicinal_audio.clap_features import ClapFeatureExtractor

        return ClapFeatureExtractor(self._model_dir.feature_extractor_config)

    @locked_cached_property
    def _audio_encoder(self) -> AudioEncoder:
        from vicinal_audio.clap_model import AudioEncoder

        batch_size = choose_batch_size(self.params, gpu=32)
        return AudioEncoder(self._model_dir, self.params.device, self.params.precision, batch_size)

    @locked_cached_property
    def _text_encoder(self) -> TextEncoder:
        from vicinal_audio.clap_model import load_text_encoder

        return load_text_encoder(self._model_dir, self.params.device)
