"""The image encoder and the text encoder of a CLIP, by transformers; each is loaded when it is first needed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor

from vicinal.toolkit.torch_runtime import Device, torch_device
from vicinal.toolkit.transformers_loading import Tokenizer, errors_as_plugin_error, load_model
from vicinal_image.clip_dir import ClipDir
from vicinal_image.inference import Network, NetworkFactory

__all__ = ["ClipTextEncoder", "image_encoder_factory"]


def image_encoder_factory(model_dir: ClipDir) -> NetworkFactory:
    """Return a factory of the image encoder; below float32 only its matrix products have the lower precision."""

    @functools.cache
    def load(device: torch.device) -> Any:
        return _load_encoder(transformers.CLIPVisionModelWithProjection, model_dir, device)

    def build(dtype: torch.dtype, device: torch.device) -> Network:
        model = load(device)

        def forward(pixels: Tensor) -> Tensor:
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                embeds: Tensor = model(pixel_values=pixels).image_embeds
            return embeds.float()

        return forward

    return build


class ClipTextEncoder:
    """Encodes sentences, in float32."""

    def __init__(self, model_dir: ClipDir, device: Device) -> None:
        self.device = torch_device(device)
        self.model = _load_encoder(transformers.CLIPTextModelWithProjection, model_dir, self.device)
        self.tokenizer = Tokenizer(model_dir.path, model_dir.max_tokens, self.device)

    def encode(self, sentences: Sequence[str]) -> np.ndarray:
        """Encode sentences: ``(n, dimension)`` float32, not normalised."""
        with torch.inference_mode():
            embeds: np.ndarray = self.model(**self.tokenizer(sentences)).text_embeds.float().cpu().numpy()
        return embeds


def _load_encoder(kind: Any, model_dir: ClipDir, device: torch.device) -> Any:
    with errors_as_plugin_error(model_dir.path):
        config = transformers.CLIPConfig.from_pretrained(str(model_dir.path), local_files_only=True)
        part = config.vision_config if kind is transformers.CLIPVisionModelWithProjection else config.text_config
        part.projection_dim = config.projection_dim  # the whole model's counts; an encoder alone would take its own
    return load_model(kind, model_dir.path, device, config=part)
