"""A BERT in torch, for many texts: nothing but the encoder, its matrix products in bfloat16 where that is quick.

It is built from the weights' file directly, because importing transformers takes seconds. Sums, normalisations and the
pooling stay in float32, which keeps vectors true: the least cosine to float32 is 0.9999 for MiniLM, where a model that
is bfloat16 throughout falls to 0.996. Architecture: Devlin et al. 2019, https://arxiv.org/abs/1810.04805.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vicinal_text.folder import ModelFolder
from vicinal_text.weights import tensors

__all__ = ["Bert", "has_quick_bfloat16"]

Affine = tuple[Tensor, Tensor]

_ONE_THREAD = 64
"""Up to so many tokens one thread computes: several gain a query little, and on a machine that does other things they
wait for each other (measured with three busy processes on two cores: 25 ms on one thread, 240 ms on two)."""


def has_quick_bfloat16(device: str) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags)


class Bert:
    """Encodes padded batches of tokenized texts."""

    def __init__(self, folder: ModelFolder, device: str, dtype: torch.dtype, batch_size: int) -> None:
        config = folder.config
        self.device, self.dtype, self.batch_size = torch.device(device), dtype, batch_size
        self.heads = int(config["num_attention_heads"])
        self.epsilon = float(config.get("layer_norm_eps", 1e-12))
        self.pooling = folder.poolings[0]
        weights = {
            name.removeprefix("bert."): torch.from_numpy(array).to(device)
            for name, array in tensors(folder.path / "model.safetensors").items()
        }
        self.words = weights["embeddings.word_embeddings.weight"]
        kinds = weights["embeddings.token_type_embeddings.weight"]
        self.places = weights["embeddings.position_embeddings.weight"] + kinds[0]
        self.norm = _norm(weights, "embeddings")
        with torch.inference_mode():
            self.layers = [_Layer(weights, f"encoder.layer.{n}.", dtype) for n in range(config["num_hidden_layers"])]

    def encode(self, tokens: Sequence[Sequence[int]]) -> np.ndarray:
        """Vectors of tokenized texts, ``(n, dimension)`` float32 of length 1; texts of one length go together."""
        vectors = np.empty((len(tokens), self.words.shape[1]), np.float32)
        with torch.inference_mode(), _threads(1 if sum(map(len, tokens)) <= _ONE_THREAD else None):
            for rows in batches([len(ids) for ids in tokens], self.batch_size):
                vectors[rows] = self._batch([tokens[row] for row in rows]).cpu().numpy()
        return vectors

    def _batch(self, tokens: Sequence[Sequence[int]]) -> Tensor:
        lengths = torch.tensor([len(ids) for ids in tokens])
        longest = int(lengths.max())
        padded = np.zeros((len(tokens), longest), np.int64)
        for row, ids in enumerate(tokens):
            padded[row, : len(ids)] = ids
        words = torch.from_numpy(padded).to(self.device)
        real = (torch.arange(longest) < lengths[:, None]).to(self.device)
        x = self._normal(functional.embedding(words, self.words) + self.places[:longest], self.norm)
        mask = None if bool((lengths == longest).all()) else self._mask(real)
        for layer in self.layers:
            x = self._normal(x + layer.attention(self._attention(x, mask, layer)), layer.attention_norm)
            x = self._normal(x + layer.down(layer.up(x)), layer.norm)
        return functional.normalize(self._pooled(x, real, lengths), dim=1)

    def _mask(self, real: Tensor) -> Tensor:
        """What is added to attention scores: nothing for tokens, minus infinity for padding."""
        mask = torch.zeros(real.shape, dtype=self.dtype, device=self.device)
        return mask.masked_fill_(~real, float("-inf"))[:, None, None, :]

    def _attention(self, x: Tensor, mask: Tensor | None, layer: _Layer) -> Tensor:
        count, length, width = x.shape
        q, k, v = layer.qkv(x).view(count, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return mixed.transpose(1, 2).reshape(count, length, width)

    def _normal(self, x: Tensor, affine: Affine) -> Tensor:
        return functional.layer_norm(x, x.shape[-1:], *affine, self.epsilon)

    def _pooled(self, x: Tensor, real: Tensor, lengths: Tensor) -> Tensor:
        if self.pooling == "cls":
            return x[:, 0]
        return (x * real[..., None]).sum(1) / lengths.to(self.device)[:, None]


class _Layer:
    """The weights of one layer, query, key and value in one matrix."""

    def __init__(self, weights: dict[str, Tensor], prefix: str, dtype: torch.dtype) -> None:
        names = [f"{prefix}attention.self.{name}" for name in ("query", "key", "value")]
        stacked = [torch.cat([weights[f"{name}.{part}"] for name in names]) for part in ("weight", "bias")]
        self.qkv = _Linear(stacked[0], stacked[1], dtype)
        self.attention = _linear(weights, f"{prefix}attention.output.dense", dtype)
        self.attention_norm = _norm(weights, f"{prefix}attention.output")
        self.up = _linear(weights, f"{prefix}intermediate.dense", dtype, "gelu")
        self.down = _linear(weights, f"{prefix}output.dense", dtype)
        self.norm = _norm(weights, f"{prefix}output")


class _Linear:
    """A matrix product with its bias, and GELU where it is asked for; laid out for oneDNN on x86."""

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype, activation: str = "none") -> None:
        packed = _packed(weight.to(dtype))
        self.weight, self.is_packed = (weight.to(dtype), False) if packed is None else (packed, True)
        self.bias, self.activation, self.dtype = bias.to(dtype), activation, dtype

    def __call__(self, x: Tensor) -> Tensor:
        x = x.to(self.dtype)
        if self.is_packed:
            product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, self.activation, [], "none")
            return product
        x = functional.linear(x, self.weight, self.bias)
        return functional.gelu(x) if self.activation == "gelu" else x


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def batches(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Rows sorted by length, in batches of at most ``size`` texts and ``128 * size`` tokens with their padding."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    cut: list[list[int]] = []
    for row in order:
        if not cut or len(cut[-1]) == size or (len(cut[-1]) + 1) * lengths[row] > 128 * size:
            cut.append([])
        cut[-1].append(row)
    return cut


def _linear(weights: dict[str, Tensor], name: str, dtype: torch.dtype, activation: str = "none") -> _Linear:
    return _Linear(weights[f"{name}.weight"], weights[f"{name}.bias"], dtype, activation)


def _norm(weights: dict[str, Tensor], name: str) -> Affine:
    return weights[f"{name}.LayerNorm.weight"], weights[f"{name}.LayerNorm.bias"]


def _packed(weight: Tensor) -> Tensor | None:
    """The weight as oneDNN likes it best, or None where that is not to be had.

    torch.compile uses the same operators; they make one query take 5 ms instead of 9, and a batch a fifth less. They
    are not public, so whatever goes wrong with them leaves the ordinary product.
    """
    if weight.device.type != "cpu" or platform.machine().lower() not in ("x86_64", "amd64"):
        return None
    try:
        packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight)
        probe = torch.zeros(1, weight.shape[1], dtype=weight.dtype)
        torch.ops.mkldnn._linear_pointwise(probe, packed, weight.new_zeros(weight.shape[0]), "gelu", [], "none")
    except (AttributeError, RuntimeError):
        return None
    return packed
