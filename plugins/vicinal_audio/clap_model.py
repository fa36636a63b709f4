"""The two networks of a CLAP, computed by transformers: the audio encoder and the text encoder."""

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
from vicinal_audio.clap_dir import ClapDir

__all__ = ["AudioEncoder", "TextEncoder"]

MIN_COSINE = 0.9995
"""``precision: auto`` uses bfloat16 where its vectors have at least this cosine to those of float32."""


class AudioEncoder:
    """Encodes log-mel spectrograms."""

    def __init__(self, model_dir: ClapDir, device: Device, precision: Precision, batch_size: int) -> None:
        self.device, self.batch_size = torch_device(device), batch_size
        self.network = load_model(transformers.ClapAudioModelWithProjection, model_dir.path, self.device)
        self.channels = 4 if model_dir.config.get("audio_config", {}).get("enable_fusion") else 1
        self.use_bf16 = precision == "bf16"
        if precision == "auto" and has_native_bfloat16(self.device):
            self.use_bf16 = self._bf16_matches_fp32(model_dir)

    def encode(self, mels: np.ndarray) -> np.ndarray:
        """Vectors of ``(n, frames, bands)`` spectrograms, ``(n, dimension)`` float32 of length 1."""
        batches = [mels[row : row + self.batch_size] for row in range(0, len(mels), self.batch_size)]

        def encode_batch(batch: np.ndarray) -> np.ndarray:
            return self._encode_batch(batch, self.use_bf16)

        if self.device.type != "cpu":
            return np.concatenate([encode_batch(batch) for batch in batches])
        return np.concatenate(parallel_map(encode_batch, lambda _: batches))

    def _encode_batch(self, mels: np.ndarray, use_bf16: bool) -> np.ndarray:
        inputs = torch.from_numpy(mels).to(self.device)[:, None].expand(-1, self.channels, -1, -1)
        is_longer = torch.zeros(len(mels), 1, dtype=torch.bool, device=self.device)
        autocast: Any = torch.autocast(self.device.type, torch.bfloat16) if use_bf16 else nullcontext()
        with torch.inference_mode(), autocast:
            vectors = self.network(input_features=inputs, is_longer=is_longer).audio_embeds
        return _l2_normalize(vectors)

    def _bf16_matches_fp32(self, model_dir: ClapDir) -> bool:
        config = model_dir.feature_extractor_config
        frames = int(config["max_length_s"] * config["sampling_rate"]) // int(config["hop_length"]) + 1
        time, band = np.arange(frames)[:, None], np.arange(int(config["feature_size"]))[None]
        probe = (-50 + 30 * np.sin(time / 7) * np.cos(band / 5) - band / 2).astype(np.float32)[None]
        fp32, bf16 = (self._encode_batch(probe, use_bf16)[0] for use_bf16 in (False, True))
        return float(fp32 @ bf16) >= MIN_COSINE


class TextEncoder:
    """Encodes sentences."""

    def __init__(self, model_dir: ClapDir, device: Device) -> None:
        self.device = torch_device(device)
        self.network = load_model(transformers.ClapTextModelWithProjection, model_dir.path, self.device)
        positions = int(model_dir.config.get("text_config", {}).get("max_position_embeddings", 514))
        self.tokenizer = Tokenizer(model_dir.path, positions - 2, self.device)  # RoBERTa's positions start at 2

    def encode(self, sentences: Sequence[str]) -> np.ndarray:
        """Vectors of sentences, ``(n, dimension)`` float32 of length 1."""
        with torch.inference_mode():
            return _l2_normalize(self.network(**self.tokenizer(sentences)).text_embeds)


def _l2_normalize(vectors: torch.Tensor) -> np.ndarray:
    normalized: np.ndarray = normalize(vectors.float(), dim=-1).cpu().numpy()
    return normalized
