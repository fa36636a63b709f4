"""The image encoder and the text encoder of a CLIP, by transformers; each is loaded when it is first needed."""

from __future__ import annotations

import functools
from typing import Any

import torch
import transformers
from torch import Tensor

from vicinal.toolkit.torch_runtime import Device, torch_device
from vicinal.toolkit.transformers_loading import TextEncoder, Tokenizer, errors_as_plugin_error, load_model
from vicinal_image.clip_dir import ClipDir
from vicinal_image.inference import Network, NetworkFactory

__all__ = ["image_encoder_factory", "load_text_encoder"]


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


def load_text_encoder(model_dir: ClipDir, device: Device) -> TextEncoder:
    """Load the text encoder, in float32."""
    target = torch_device(device)
    model = _load_encoder(transformers.CLIPTextModelWithProjection, model_dir, target)
    return TextEncoder(model, Tokenizer(model_dir.path, model_dir.max_tokens, target))


def _load_encoder(kind: Any, model_dir: ClipDir, device: torch.device) -> Any:
    with errors_as_plugin_error(model_dir.path):
        config = transformers.CLIPConfig.from_pretrained(str(model_dir.path), local_files_only=True)
        part = config.vision_config if kind is transformers.CLIPVisionModelWithProjection else config.text_config
        part.projection_dim = config.projection_dim  # the whole model's counts; an encoder alone would take its own
    return load_model(kind, model_dir.path, device, config=part)
