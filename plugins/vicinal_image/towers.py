"""The two networks of a CLIP, by transformers: one sees, the other reads. Each is loaded when it is first needed."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor

from vicinal.errors import PluginError
from vicinal.hardware import Device, torch_device
from vicinal_image.hub import ClipFolder
from vicinal_image.run import Build, Network

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
        self.longest = folder.longest
        self.model = _load(transformers.CLIPTextModelWithProjection, folder, self.device)
        with _explained(folder):
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder.path), local_files_only=True)

    def encode(self, sentences: Sequence[str]) -> np.ndarray:
        """Vectors of sentences, ``(n, dimension)`` float32, not normalised."""
        tokens = self.tokenizer(
            list(sentences), padding=True, truncation=True, max_length=self.longest, return_tensors="pt"
        )
        inputs = {name: tokens[name].to(self.device) for name in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            found: np.ndarray = self.model(**inputs).text_embeds.float().cpu().numpy()
        return found


def _load(kind: Any, folder: ClipFolder, device: torch.device) -> Any:
    with _explained(folder):
        config = transformers.CLIPConfig.from_pretrained(str(folder.path), local_files_only=True)
        part = config.vision_config if kind is transformers.CLIPVisionModelWithProjection else config.text_config
        part.projection_dim = config.projection_dim  # the whole model's counts; a part alone would take its own
        model, told = kind.from_pretrained(
            str(folder.path), config=part, local_files_only=True, dtype=torch.float32, output_loading_info=True
        )
    if lost := sorted(told["missing_keys"]):
        raise PluginError(
            f"{folder.path} lacks {len(lost)} of the network's weights, {lost[0]} for one", hint="fetch the model again"
        )
    return model.eval().to(device)


@contextmanager
def _explained(folder: ClipFolder) -> Iterator[None]:
    """Without progress bars and advice on stderr; a failure says which folder it is about."""
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        raise PluginError(f"transformers cannot load {folder.path}: {error}", hint="fetch the model again") from error
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
