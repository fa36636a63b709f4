"""The networks of a CLAP, by transformers: one hears, the other reads. Each is loaded when it is first needed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
import transformers
from torch.nn.functional import normalize

from vicinal.toolkit.torch_runtime import Device, Precision, has_native_bfloat16, parallel_map, torch_device
from vicinal.toolkit.transformers_loading import Tokenizer, load_model
from vicinal_audio.clap_dir import ClapFolder

__all__ = ["Ear", "Reader"]

TRUE = 0.9995
"""The least cosine to float32 at which bfloat16 is used by itself."""


class Ear:
    """Log-mel spectrograms to vectors."""

    def __init__(self, folder: ClapFolder, device: Device, precision: Precision, batch_size: int) -> None:
        self.device, self.batch_size = torch_device(device), batch_size
        self.network = load_model(transformers.ClapAudioModelWithProjection, folder.path, self.device)
        self.channels = 4 if folder.config.get("audio_config", {}).get("enable_fusion") else 1
        self.lowered = precision == "bf16"
        if precision == "auto" and has_native_bfloat16(self.device):
            self.lowered = self._stays_true(folder)

    def encode(self, mels: np.ndarray) -> np.ndarray:
        """Vectors of ``(n, frames, bands)`` spectrograms, ``(n, dimension)`` float32 of length 1."""
        batches = [mels[row : row + self.batch_size] for row in range(0, len(mels), self.batch_size)]

        def vectors(batch: np.ndarray) -> np.ndarray:
            return self._batch(batch, self.lowered)

        if self.device.type != "cpu":
            return np.concatenate([vectors(batch) for batch in batches])
        return np.concatenate(parallel_map(vectors, lambda _: batches))

    def _batch(self, mels: np.ndarray, lowered: bool) -> np.ndarray:
        inputs = torch.from_numpy(mels).to(self.device)[:, None].expand(-1, self.channels, -1, -1)
        longer = torch.zeros(len(mels), 1, dtype=torch.bool, device=self.device)
        with torch.inference_mode(), _lowered(self.device, lowered):
            found = self.network(input_features=inputs, is_longer=longer).audio_embeds
        return _unit(found)

    def _stays_true(self, folder: ClapFolder) -> bool:
        hearing = folder.hearing
        frames = int(hearing["max_length_s"] * hearing["sampling_rate"]) // int(hearing["hop_length"]) + 1
        time, band = np.arange(frames)[:, None], np.arange(int(hearing["feature_size"]))[None]
        probe = (-50 + 30 * np.sin(time / 7) * np.cos(band / 5) - band / 2).astype(np.float32)[None]
        exact, lowered = (self._batch(probe, each)[0] for each in (False, True))
        return float(exact @ lowered) >= TRUE


class Reader:
    """Sentences to vectors."""

    def __init__(self, folder: ClapFolder, device: Device) -> None:
        self.device = torch_device(device)
        self.network = load_model(transformers.ClapTextModelWithProjection, folder.path, self.device)
        longest = int(folder.config.get("text_config", {}).get("max_position_embeddings", 514)) - 2
        self.tokenizer = Tokenizer(folder.path, longest, self.device)

    def encode(self, sentences: Sequence[str]) -> np.ndarray:
        """Vectors of sentences, ``(n, dimension)`` float32 of length 1."""
        with torch.inference_mode():
            return _unit(self.network(**self.tokenizer(sentences)).text_embeds)


def _unit(vectors: torch.Tensor) -> np.ndarray:
    found: np.ndarray = normalize(vectors.float(), dim=-1).cpu().numpy()
    return found


def _lowered(device: torch.device, lowered: bool) -> Any:
    return torch.autocast(device.type, torch.bfloat16) if lowered else nullcontext()
