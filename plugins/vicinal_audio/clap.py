"""Encodes sounds and sentences in one space by CLAP (Wu et al. 2023, https://arxiv.org/abs/2211.06687).

A collection of sounds can be searched with a sound or with a sentence. transformers computes the network; its weights
are on the Hugging Face hub, not in vicinal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from vicinal import AUDIO, TEXT, Item, Segment, Space
from vicinal.plugin.params import ModelName
from vicinal.toolkit.torch_runtime import locked_cached_property
from vicinal.types import TextQuery
from vicinal_audio.base import AudioEncoderBase
from vicinal_audio.clap_dir import ClapDir, resolve_clap

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Clap"]

MAX_CHUNKS = 16
"""Of one sound: a chunk takes 256 KB of memory, and the network about a second."""

_SUFFIXES = (".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma")


class Clap(AudioEncoderBase):
    """Encodes sounds; content is the path of a file, a query is a path or a sentence.

    The network takes ten seconds at most. A longer sound, or window, is split into chunks of that length, and its
    vector is the mean of theirs; of a sound with more than 16 chunks, 9 to 16 evenly spaced ones are encoded.
    """

    query_modalities = (AUDIO, TEXT)
    encode_is_thread_safe = True
    min_seconds: ClassVar[float] = 0.0

    class Params(AudioEncoderBase.Params):
        model: ModelName = "laion/clap-htsat-unfused"
        """A CLAP on the Hugging Face hub, or the folder of one."""
        # With 8 chunks a layer of the full-size network takes more than 32 MB, which glibc returns each time.
        batch_size: int = Field(default=4, ge=1, le=1024)
        """Chunks computed together. 4 are best on a CPU, 64 and more on a GPU."""
        precision: Literal["auto", "fp32", "bf16"] = "auto"
        """``auto``: bfloat16 where the processor supports it and the vectors match those of float32; else float32."""
        device: Literal["auto", "cpu", "cuda"] = "auto"
        """``auto`` is a GPU where torch finds one."""

    params: Params

    @property
    def space(self) -> Space:
        return Space(self._model_dir.dimension, "float", "COSINE")

    @property
    def signature(self) -> str:
        """Hash of the model's files, how sounds are split, and the configured precision."""
        return f"clap/1/{self._model_dir.hash}/{self.params.precision}/{self._windowing_tag}"

    @property
    def sample_rate(self) -> int:
        return int(self._model_dir.feature_extractor_config["sampling_rate"])

    @property
    def encode_batch_size(self) -> int:
        return 32

    def _make_sample(self, blocks: Iterable[np.ndarray]) -> Any:
        """The log-mel spectrograms of the chunks, ``(chunks, frames, bands)`` float32."""
        import numpy as np

        from vicinal_audio import decode

        extractor = self._feature_extractor
        seconds = extractor.max_samples / self.sample_rate
        mels: list[np.ndarray] = []
        stride = 1
        for number, chunk in enumerate(decode.split_windows(blocks, self.sample_rate, seconds, seconds)):
            if number % stride == 0:
                if len(mels) == MAX_CHUNKS:
                    mels, stride = mels[::2], 2 * stride
                mels.append(extractor.log_mel(chunk.samples))
        return np.stack(mels)

    def decode_query(self, query: str | Path) -> list[Segment]:
        """Read a sound if the query is the path of a file; else it is a sentence, always so after ``text:``.

        Raises:
            ItemError: the file cannot be read, or the sentence is empty.
        """
        sentence = TextQuery.parse(query, _SUFFIXES)
        return self.decode(Item("query", query)) if sentence is None else [Segment(sentence)]

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        """Vectors of spectrograms and sentences, ``(n, dimension)`` float32 of length 1."""
        import numpy as np

        vectors = np.zeros((len(samples), self.space.dimension), np.float32)
        text_rows = [row for row, sample in enumerate(samples) if isinstance(sample, TextQuery)]
        audio_rows = [row for row, sample in enumerate(samples) if not isinstance(sample, TextQuery)]
        if text_rows:
            vectors[text_rows] = self._text_encoder.encode([samples[row] for row in text_rows])
        if audio_rows:
            chunks = self._audio_encoder.encode(np.concatenate([samples[row] for row in audio_rows]))
            counts = np.array([len(samples[row]) for row in audio_rows])
            sums = np.add.reduceat(chunks, np.cumsum(counts) - counts, axis=0)
            vectors[audio_rows] = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return vectors

    @cached_property
    def _model_dir(self) -> ClapDir:
        return resolve_clap(self.params.model)

    @locked_cached_property
    def _feature_extractor(self) -> Any:
        from vicinal_audio.clap_features import ClapFeatureExtractor

        return ClapFeatureExtractor(self._model_dir.feature_extractor_config)

    @locked_cached_property
    def _audio_encoder(self) -> Any:
        from vicinal_audio.clap_model import AudioEncoder

        return AudioEncoder(self._model_dir, self.params.device, self.params.precision, self.params.batch_size)

    @locked_cached_property
    def _text_encoder(self) -> Any:
        from vicinal_audio.clap_model import TextEncoder

        return TextEncoder(self._model_dir, self.params.device)
