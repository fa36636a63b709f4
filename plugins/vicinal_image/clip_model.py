"""The two networks of a CLIP, by transformers: one sees, the other reads. Each is loaded when it is first needed."""

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
from vicinal_image.clip_dir import ClipFolder
from vicinal_image.inference import Build, Network

__all__ = ["Reader", "eye"]


def eye(folder: ClipFolder) -> Build:
    """How the network that sees is made; a lower precision is one of its matrix products alone."""

    @functools.cache
    def load(device: torch.device) -> Any:
        return _load(transformers.CLIPVisionModelWithProjection, folder, device)

    def build(dtype: torch.dtype, device: torch.device) -> Network:
        model = load(device)

        def see(pixels: Tensor) -> Tensor:
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                found: Tensor = model(pixel_values=pixels).image_embeds
            return found.float()

        return see

    return build


class Reader:
    """Sentences to vectors, in float32."""

    def __init__(self, folder: ClipFolder, device: Device) -> None:
        self.device = torch_device(device)
        self.model = _load(transformers.CLIPTextModelWithProjection, folder, self.device)
        self.tokenizer = Tokenizer(folder.path, folder.longest, self.device)

    def encode(self, sentences: Sequence[str]) -> np.ndarray:
        """Vectors of sentences, ``(n, dimension)`` float32, not normalised."""
        with torch.inference_mode():
            found: np.ndarray = self.model(**self.tokenizer(sentences)).text_embeds.float().cpu().numpy()
        return found


def _load(kind: Any, folder: ClipFolder, device: torch.device) -> Any:
    with errors_as_plugin_error(folder.path):
        config = transformers.CLIPConfig.from_pretrained(str(folder.path), local_files_only=True)
        part = config.vision_config if kind is transformers.CLIPVisionModelWithProjection else config.text_config
        part.projection_dim = config.projection_dim  # the whole model's counts; a part alone would take its own
    return load_model(kind, folder.path, device, config=part)
