"""Sounds and sentences in one space by CLAP (Wu et al. 2023, https://arxiv.org/abs/2211.06687), through transformers.

A collection of sounds is asked by a sound or by a sentence. Its weights are on the Hugging Face hub, not in vicinal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from vicinal import Item, Segment, Space
from vicinal.plugin.params import ModelName
from vicinal.toolkit.torch_runtime import locked_cached_property
from vicinal.types import TextQuery
from vicinal_audio.base import SoundEncoder
from vicinal_audio.clap_dir import ClapFolder, locate

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Clap"]

MOST_PIECES = 16
"""Of a sound; a piece takes 256 KB of memory, and the network a second or so."""

_ENDINGS = (".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma")


class Clap(SoundEncoder):
    """Encodes sounds; content is the path of a file, a query that or a sentence.

    The network hears ten seconds at most. A longer sound, or window, is cut into pieces of that length, and its vector
    is the mean of theirs; of a sound with more than 16 pieces, 9 to 16 that are evenly spread.
    """

    query_modalities = ("audio", "text")
    encode_is_thread_safe = True
    shortest: ClassVar[float] = 0.0

    class Params(SoundEncoder.Params):
        model: ModelName = "laion/clap-htsat-unfused"
        """A CLAP on the Hugging Face hub, or the folder of one."""
        # With 8 pieces a layer of the full-size network takes more than 32 MB, which glibc gives back each time.
        batch_size: int = Field(default=4, ge=1, le=1024)
        """Pieces computed together. 4 are best on a CPU, 64 and more on a GPU."""
        precision: Literal["auto", "fp32", "bf16"] = "auto"
        """``auto``: bfloat16 where the processor has it and vectors stay true, else float32."""
        device: Literal["auto", "cpu", "cuda"] = "auto"
        """``auto`` is a GPU where torch finds one."""

    @property
    def space(self) -> Space:
        return Space(self._folder.dimension, "float", "COSINE")

    @property
    def signature(self) -> str:
        """Hash of the model's files, how sounds are cut, and the precision that was asked for."""
        return f"clap/1/{self._folder.hash}/{self.params.precision}/{self._cut}"

    @property
    def rate(self) -> int:
        return int(self._folder.hearing["sampling_rate"])

    @property
    def encode_batch_size(self) -> int:
        return 32

    def _sample(self, parts: Iterable[np.ndarray]) -> Any:
        import numpy as np

        from vicinal_audio import decode

        hearing, seconds = self._hearing, self._hearing.longest / self.rate
        mels: list[np.ndarray] = []
        stride = 1
        for number, piece in enumerate(decode.windows(parts, self.rate, seconds, seconds)):
            if number % stride == 0:
                if len(mels) == MOST_PIECES:
                    mels, stride = mels[::2], 2 * stride
                mels.append(hearing.mel(piece.samples))
        return np.stack(mels)

    def decode_query(self, query: str | Path) -> list[Segment]:
        """A sound, if it is the path of a file; else a sentence. ``text:`` before it makes it a sentence anyway.

        Raises:
            ItemError: the file cannot be read, or the sentence is empty.
        """
        sentence = TextQuery.parse(query, _ENDINGS)
        return self.decode(Item("query", query)) if sentence is None else [Segment(sentence)]

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        """Vectors of spectrograms and sentences, ``(n, dimension)`` float32 of length 1."""
        import numpy as np

        vectors = np.zeros((len(samples), self.space.dimension), np.float32)
        read = [row for row, sample in enumerate(samples) if isinstance(sample, TextQuery)]
        heard = [row for row, sample in enumerate(samples) if not isinstance(sample, TextQuery)]
        if read:
            vectors[read] = self._reader.encode([samples[row] for row in read])
        if heard:
            pieces = self._ear.encode(np.concatenate([samples[row] for row in heard]))
            counts = np.array([len(samples[row]) for row in heard])
            means = np.add.reduceat(pieces, np.cumsum(counts) - counts, axis=0)
            vectors[heard] = means / np.linalg.norm(means, axis=1, keepdims=True)
        return vectors

    @cached_property
    def _folder(self) -> ClapFolder:
        return locate(self.params.model)

    @locked_cached_property
    def _hearing(self) -> Any:
        from vicinal_audio.clap_features import Hearing

        return Hearing(self._folder.hearing)

    @locked_cached_property
    def _ear(self) -> Any:
        from vicinal_audio.clap_model import Ear

        return Ear(self._folder, self.params.device, self.params.precision, self.params.batch_size)

    @locked_cached_property
    def _reader(self) -> Any:
        from vicinal_audio.clap_model import Reader

        return Reader(self._folder, self.params.device)
