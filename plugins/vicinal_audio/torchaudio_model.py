"""The networks of ``torchaudio.pipelines``, with published, one's own or random weights."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchaudio

from vicinal.errors import PluginError
from vicinal.toolkit.slices import iter_slices
from vicinal.toolkit.torch_hub import load_state_dict
from vicinal.toolkit.torch_runtime import Device, Precision, choose_precision, parallel_map, torch_device
from vicinal_audio.torchaudio_bundles import SAMPLE_RATE

__all__ = ["Network"]

_BUILDERS = {"Wav2Vec2": torchaudio.models.wav2vec2_model, "WavLM": torchaudio.models.wavlm_model}
_HEAD = "aux."
"""The names of the last layer, which spells out speech; features come from before it."""


class Network:
    """Averages the outputs of one layer over time; ``weights`` are a file with a state dict, or a seed."""

    def __init__(
        self, bundle: str, layer: int, weights: Path | int, device: Device, precision: Precision, batch_size: int
    ) -> None:
        published = getattr(torchaudio.pipelines, bundle)
        self.device, self.layer, self.batch_size = torch_device(device), layer, batch_size
        self.normalizes_waveform = bool(published._normalize_waveform)
        self.model = _build_model(published, weights).eval().to(self.device)
        self.dtype = choose_precision(precision, self.device, partial(self._encode_batch, _probe_waveforms()))

    def encode(self, waveforms: np.ndarray) -> np.ndarray:
        """Vectors of waveforms of one length, ``(n, samples)``: ``(n, dimension)`` float32, of any length."""
        batches = list(iter_slices(waveforms, self.batch_size))

        def encode_batch(batch: np.ndarray) -> np.ndarray:
            return self._encode_batch(batch, self.dtype)

        if self.device.type != "cpu":
            return np.concatenate([encode_batch(batch) for batch in batches])
        return np.concatenate(parallel_map(encode_batch, lambda _: batches))

    def _encode_batch(self, waveforms: np.ndarray, dtype: torch.dtype) -> np.ndarray:
        inputs = torch.from_numpy(waveforms).to(self.device)
        if self.normalizes_waveform:  # each by itself, where torchaudio's own normalizes a batch as one
            inputs = torch.nn.functional.layer_norm(inputs, inputs.shape[1:])
        with torch.inference_mode(), torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            outputs, _ = self.model.extract_features(inputs, num_layers=self.layer)
        means: np.ndarray = outputs[-1].float().mean(dim=1).cpu().numpy()
        return means


def _build_model(published: Any, weights: Path | int) -> Any:
    """The network of a bundle without its head.

    Raises:
        PluginError: the weights are of another network.
    """
    build = partial(_BUILDERS[published._model_type], **{**published._params, "aux_num_out": None})
    if isinstance(weights, int):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(weights)
            return build()
    model = build()
    state_dict = load_state_dict(weights)
    tensors = {name.removeprefix("model."): tensor for name, tensor in state_dict.items()}
    try:
        model.load_state_dict({name: tensor for name, tensor in tensors.items() if not name.startswith(_HEAD)})
    except RuntimeError as error:  # torch lists every tensor that is missing, unknown or of another shape
        lines = [line.strip() for line in str(error).splitlines()]
        reason = lines[1] if len(lines) > 1 else lines[0]
        raise PluginError(
            f"the weights in {weights} do not fit: {reason[:300]}", hint="are they of another bundle?"
        ) from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in model.state_dict().values()):
        raise PluginError(f"the weights in {weights} contain NaN or infinity", hint="download or save the file again")
    return model


def _probe_waveforms() -> np.ndarray:
    """Two seconds that rise and fall in pitch and loudness as speech does, ``(1, samples)``."""
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    pitch = 2 * np.pi * (140 * time + 6 * np.sin(2 * np.pi * 1.5 * time))
    voice = sum(np.sin(number * pitch) / number for number in range(1, 12))
    noise = np.random.default_rng(0).standard_normal(len(time))
    loudness = 0.5 + 0.5 * np.sin(2 * np.pi * 3 * time)
    probe: np.ndarray = (loudness * (0.1 * voice + 0.01 * noise)).astype(np.float32)
    return probe[None]
