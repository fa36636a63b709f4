"""A BERT in torch, for many texts: nothing but the encoder, its matrix products in bfloat16 where that is fast.

It is built from the file of weights directly, because importing transformers takes seconds. Sums, normalizations and
the pooling stay in float32, which keeps vectors accurate: the least cosine to float32 is 0.9999 for MiniLM, where a
model that is bfloat16 throughout falls to 0.996. Architecture: Devlin et al. 2019, https://arxiv.org/abs/1810.04805.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from vicinal.toolkit.torch_runtime import parallel_map, run_single_threaded
from vicinal_text.bert_script import BertForward, compile_torchscript
from vicinal_text.model_dir import SentenceModelDir

__all__ = ["Bert", "batch_by_length"]

_SINGLE_THREAD_TOKENS = 64
"""One thread computes up to this many tokens: several threads speed up a query little, and on a busy machine they wait
for each other (measured with three busy processes on two cores: 25 ms on one thread, 240 ms on two). More tokens are
split into equal parts, one for each thread."""


class Bert:
    """Encodes padded batches of tokenized texts."""

    def __init__(self, model_dir: SentenceModelDir, device: torch.device, dtype: torch.dtype, batch_size: int) -> None:
        config = model_dir.config
        self.device, self.dtype, self.batch_size = device, dtype, batch_size
        weights = _map_weights(model_dir.path / "model.safetensors", device)
        token_types = weights["embeddings.token_type_embeddings.weight"]
        matrices, biases, norms = _collect_layers(weights, int(config["num_hidden_layers"]))
        matrices, is_packed = _prepack_onednn([matrix.to(dtype) for matrix in matrices])
        self._forward = compile_torchscript(
            BertForward(
                weights["embeddings.word_embeddings.weight"],
                weights["embeddings.position_embeddings.weight"] + token_types[0],
                matrices,
                [bias.to(dtype) for bias in biases],
                norms,
                is_packed=is_packed,
                heads=int(config["num_attention_heads"]),
                epsilon=float(config.get("layer_norm_eps", 1e-12)),
                cls_pooling=model_dir.pooling_modes[0] == "cls",
            )
        )
        self._dimension = int(config["hidden_size"])

    def encode(self, tokens: Sequence[Sequence[int]]) -> np.ndarray:
        """Vectors of tokenized texts, ``(n, dimension)`` float32 of length 1; texts of like length are batched."""
        lengths = [len(ids) for ids in tokens]
        vectors = np.empty((len(tokens), self._dimension), np.float32)

        def compute(rows: Sequence[int]) -> None:
            with torch.inference_mode():  # it applies to the current thread only
                vectors[rows] = self._encode_batch([tokens[row] for row in rows]).cpu().numpy()

        if self.device.type != "cpu":
            list(map(compute, batch_by_length(lengths, self.batch_size)))
        elif (total := sum(lengths)) <= _SINGLE_THREAD_TOKENS:
            run_single_threaded(lambda: compute(range(len(tokens))))
        else:  # the longest batches first: while the last batch is computed, the other threads are idle
            max_parts = 2 * total // _SINGLE_THREAD_TOKENS
            parallel_map(
                compute, lambda threads: batch_by_length(lengths, self.batch_size, min(threads, max_parts))[::-1]
            )
        return vectors

    def _encode_batch(self, tokens: Sequence[Sequence[int]]) -> Tensor:
        lengths = torch.tensor([len(ids) for ids in tokens])
        longest = int(lengths.max())
        padded = np.zeros((len(tokens), longest), np.int64)
        for row, ids in enumerate(tokens):
            padded[row, : len(ids)] = ids
        attention_mask = torch.arange(longest) < lengths[:, None]
        inputs = [each.to(self.device) for each in (torch.from_numpy(padded), attention_mask, lengths)]
        vectors: Tensor = self._forward(*inputs)
        return vectors


def batch_by_length(lengths: Sequence[int], batch_size: int, min_batches: int = 1) -> list[list[int]]:
    """Rows sorted by length, in batches of at most ``batch_size`` texts and ``128 * batch_size`` padded tokens.

    Few rows make ``min_batches`` batches of about as many tokens.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    share = sum(lengths) / min_batches
    batches: list[list[int]] = []
    tokens = 0
    for row in order:
        fits = batches and len(batches[-1]) < batch_size and (len(batches[-1]) + 1) * lengths[row] <= 128 * batch_size
        if not fits or (len(batches) < min_batches and tokens + lengths[row] / 2 > share * len(batches)):
            batches.append([])
        batches[-1].append(row)
        tokens += lengths[row]
    return batches


def _map_weights(path: Path, device: torch.device) -> dict[str, Tensor]:
    """The tensors of a file in float32. On a CPU they map the file, so that processes share their pages."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    return {name.removeprefix("bert."): tensor.to(device, torch.float32) for name, tensor in tensors.items()}


def _collect_layers(weights: dict[str, Tensor], count: int) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Matrices, their biases, and layer norms in the order in which ``BertForward.forward`` uses them."""
    matrices, biases, norms = [], [], [*_layer_norm_weights(weights, "embeddings")]
    for number in range(count):
        layer = f"encoder.layer.{number}."
        qkv = [f"{layer}attention.self.{name}" for name in ("query", "key", "value")]
        for names in (
            qkv,
            [f"{layer}attention.output.dense"],
            [f"{layer}intermediate.dense"],
            [f"{layer}output.dense"],
        ):
            matrices.append(torch.cat([weights[f"{name}.weight"] for name in names]))
            biases.append(torch.cat([weights[f"{name}.bias"] for name in names]))
        norms += _layer_norm_weights(weights, f"{layer}attention.output")
        norms += _layer_norm_weights(weights, f"{layer}output")
    return matrices, biases, norms


def _layer_norm_weights(weights: dict[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    return weights[f"{name}.LayerNorm.weight"], weights[f"{name}.LayerNorm.bias"]


def _prepack_onednn(matrices: list[Tensor]) -> tuple[list[Tensor], bool]:
    """The matrices in oneDNN's blocked layout, and True; or as they are, and False, where that is not available.

    torch.compile uses the same operators; they make one query take 5 ms instead of 9, and a batch a fifth less. They
    are not public, so any error from them falls back to the ordinary product.
    """
    if matrices[0].device.type != "cpu" or platform.machine().lower() not in ("x86_64", "amd64"):
        return matrices, False
    try:
        packed = [torch.ops.mkldnn._reorder_linear_weight(matrix) for matrix in matrices]
        first = matrices[0]
        probe = torch.zeros(1, first.shape[1], dtype=first.dtype)
        torch.ops.mkldnn._linear_pointwise(probe, packed[0], first.new_zeros(first.shape[0]), "gelu", [], "none")
    except (AttributeError, RuntimeError):
        return matrices, False
    return packed, True
