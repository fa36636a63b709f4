"""Images and sentences in one space by CLIP (Radford et al. 2021, https://arxiv.org/abs/2103.00020), by transformers.

A collection of images is searched by an image or by a sentence. The weights are on the Hugging Face hub, not in
vicinal.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import Field

from vicinal import IMAGE, TEXT, Space
from vicinal.plugin.dual_encoder import DualEncoder, TextEncoder
from vicinal.plugin.params import ModelName
from vicinal.toolkit.models import Model
from vicinal.toolkit.torch_runtime import locked_cached_property
from vicinal_image.base import ImageEncoder
from vicinal_image.clip_dir import ClipDir, make_clip_model, resolve_clip
from vicinal_image.preprocess import Preprocessing

if TYPE_CHECKING:
    import numpy as np

    from vicinal_image.inference import NetworkFactory

__all__ = ["Clip"]


class Clip(DualEncoder, ImageEncoder):
    """Encodes images; a query is an image or a sentence."""

    query_modalities = (IMAGE, TEXT)
    file_suffixes = (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

    class Params(ImageEncoder.Params):
        model: ModelName
        """A CLIP on the Hugging Face hub (``openai/clip-vit-base-patch32``), or the folder of one."""
        # With 16 images a wide layer of ViT-L/14 takes more than 32 MB, which glibc gives back to the system each time.
        batch_size: int = Field(default=8, ge=1, le=4096)
        """Images computed together. 8 are best on a CPU; on a GPU the default is 128."""

    params: Params

    @property
    def space(self) -> Space:
        return Space(self._model_dir.projection_dim, "float", "COSINE")

    @property
    def signature(self) -> str:
        """Hash of the model's files, preprocessing and precision.

        Raises:
            DependencyError: the model is not on this machine and cannot be downloaded.
        """
        return f"clip/{self._model_dir.hash}/{self._preprocessing_tag}/l2"

    def list_models(self) -> list[Model]:
        return [make_clip_model(self.params.model)]

    @property
    def preprocessing(self) -> Preprocessing:
        return self._model_dir.preprocessing

    @cached_property
    def _model_dir(self) -> ClipDir:
        return resolve_clip(self.params.model)

    @locked_cached_property
    def _text_encoder(self) -> TextEncoder:
        from vicinal_image.clip_model import load_text_encoder

        return load_text_encoder(self._model_dir, self.params.device)

    def _encode_files(self, samples: Sequence[Any]) -> np.ndarray:
        return self._engine.encode(samples)

    def _network_factory(self) -> NetworkFactory:
        from vicinal_image.clip_model import image_encoder_factory

        return image_encoder_factory(self._model_dir)
