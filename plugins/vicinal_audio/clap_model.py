"""The two networks of a CLAP, computed by transformers: the audio encoder and the text encoder."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import transformers

from vicinal.toolkit.slices import iter_slices
from vicinal.toolkit.torch_runtime import Device, Precision, choose_precision, parallel_map, torch_device
from vicinal.toolkit.transformers_loading import TextEncoder, Tokenizer, load_model
from vicinal.toolkit.vectors import l2_normalize
from vicinal_audio.clap_dir import ClapDir

__all__ = ["AudioEncoder", "load_text_encoder"]


class AudioEncoder:
    """Encodes log-mel spectrograms."""

    def __init__(self, model_dir: ClapDir, device: Device, precision: Precision, batch_size: int) -> None:
        self.device, self.batch_size = torch_device(device), batch_size
        self.network = load_model(transformers.ClapAudioModelWithProjection, model_dir.path, self.device)
        self.channels = 4 if model_dir.config.get("audio_config", {}).get("enable_fusion") else 1
        self.dtype = choose_precision(precision, self.device, partial(self._encode_batch, _probe_mels(model_dir)))

    def encode(self, mels: np.ndarray) -> np.ndarray:
        """Vectors of ``(n, frames, bands)`` spectrograms, ``(n, dimension)`` float32 of length 1."""
        batches = list(iter_slices(mels, self.batch_size))

        def encode_batch(batch: np.ndarray) -> np.ndarray:
            return self._encode_batch(batch, self.dtype)

        if self.device.type != "cpu":
            return l2_normalize(np.concatenate([encode_batch(batch) for batch in batches]))
        return l2_normalize(np.concatenate(parallel_map(encode_batch, lambda _: batches)))

    def _encode_batch(self, mels: np.ndarray, dtype: torch.dtype) -> np.ndarray:
        inputs = torch.from_numpy(mels).to(self.device)[:, None].expand(-1, self.channels, -1, -1)
        is_longer = torch.zeros(len(mels), 1, dtype=torch.bool, device=self.device)
        with torch.inference_mode(), torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            embeds: torch.Tensor = self.network(input_features=inputs, is_longer=is_longer).audio_embeds
        vectors: np.ndarray = embeds.float().cpu().numpy()
        return vectors


def load_text_encoder(model_dir: ClapDir, device: Device) -> TextEncoder:
    """Load the text encoder, in float32."""
    target = torch_device(device)
    model = load_model(transformers.ClapTextModelWithProjection, model_dir.path, target)
    positions = int(model_dir.config.get("text_config", {}).get("max_position_embeddings", 514))
    return TextEncoder(model, Tokenizer(model_dir.path, positions - 2, target))  # RoBERTa's positions start at 2


def _probe_mels(model_dir: ClapDir) -> np.ndarray:
    """One spectrogram of waves, ``(1, frames, bands)``."""
    config = model_dir.feature_extractor_config
    frames = int(config["max_length_s"] * config["sampling_rate"]) // int(config["hop_length"]) + 1
    time, band = np.arange(frames)[:, None], np.arange(int(config["feature_size"]))[None]
    return (-50 + 30 * np.sin(time / 7) * np.cos(band / 5) - band / 2).astype(np.float32)[None]
