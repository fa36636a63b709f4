"""Images and sentences in one space by CLIP (Radford et al. 2021, https://arxiv.org/abs/2103.00020), by transformers.

A collection of images is searched by an image or by a sentence. The weights are on the Hugging Face hub, not in
vicinal.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import Field

from vicinal import Item, Segment, Space
from vicinal.plugin.params import ModelName
from vicinal.toolkit.torch_runtime import locked_cached_property
from vicinal.toolkit.vectors import l2_normalize
from vicinal.types import TextQuery
from vicinal_image.base import ImageEncoder
from vicinal_image.clip_dir import ClipDir, resolve_clip
from vicinal_image.preprocess import Preprocessing

if TYPE_CHECKING:
    import numpy as np

    from vicinal_image.clip_model import ClipTextEncoder
    from vicinal_image.inference import NetworkFactory

__all__ = ["Clip"]

_SUFFIXES = (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class Clip(ImageEncoder):
    """Encodes images; a query is an image or a sentence."""

    query_modalities = ("image", "text")

    class Params(ImageEncoder.Params):
        model: ModelName
        """A CLIP on the Hugging Face hub (``openai/clip-vit-base-patch32``), or the folder of one."""
        # With 16 images a wide layer of ViT-L/14 takes more than 32 MB, which glibc gives back to the system each time.
        batch_size: int = Field(default=8, ge=1, le=4096)
        """Images computed together. 8 are best on a CPU, 64 to 256 on a GPU."""

    @property
    def space(self) -> Space:
        return Space(self._model_dir.dimension, "float", "COSINE")

    @property
    def signature(self) -> str:
        """Hash of the model's files, preprocessing and precision.

        Raises:
            DependencyError: the model is not on this machine and cannot be downloaded.
        """
        return f"clip/{self._model_dir.hash}/{self._preprocessing_tag}/l2"

    @property
    def preprocessing(self) -> Preprocessing:
        return self._model_dir.preprocessing

    def decode_query(self, query: Any) -> list[Segment]:
        """Prepare an image if the query is bytes, an image of Pillow or the path of a file, else a sentence.

        ``text:`` before a sentence makes it one, though a file has that name.

        Raises:
            ItemError: the file cannot be read, or the sentence is empty.
        """
        sentence = TextQuery.parse(query, _SUFFIXES)
        return self.decode(Item("query", query)) if sentence is None else [Segment(sentence)]

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        """Encode crops and sentences: ``(n, dimension)`` float32 of length 1."""
        import numpy as np

        vectors = np.zeros((len(samples), self.space.dimension), np.float32)
        text_rows = [row for row, sample in enumerate(samples) if isinstance(sample, TextQuery)]
        image_rows = [row for row, sample in enumerate(samples) if not isinstance(sample, TextQuery)]
        if text_rows:
            vectors[text_rows] = self._text_encoder.encode([samples[row] for row in text_rows])
        if image_rows:
            vectors[image_rows] = super().encode([samples[row] for row in image_rows])
        return l2_normalize(vectors)

    @cached_property
    def _model_dir(self) -> ClipDir:
        return resolve_clip(self.params.model)

    @locked_cached_property
    def _text_encoder(self) -> ClipTextEncoder:
        from vicinal_image.clip_model import ClipTextEncoder

        return ClipTextEncoder(self._model_dir, self.params.device)

    def _network_factory(self) -> NetworkFactory:
        from vicinal_image.clip_model import image_encoder_factory

        return image_encoder_factory(self._model_dir)
