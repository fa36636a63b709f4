"""A BERT in torch, for many texts: nothing but the encoder, its matrix products in bfloat16 where that is quick.

It is built from the weights' file directly, because importing transformers takes seconds. Sums, normalisations and the
pooling stay in float32, which keeps vectors true: the least cosine to float32 is 0.9999 for MiniLM, where a model that
is bfloat16 throughout falls to 0.996. Architecture: Devlin et al. 2019, https://arxiv.org/abs/1810.04805.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vicinal.toolkit.torch_runtime import parallel_map, run_single_threaded
from vicinal_text.bert_script import Forward, scripted
from vicinal_text.model_dir import ModelFolder
from vicinal_text.safetensors_reader import tensors

__all__ = ["Bert"]

_ONE_THREAD = 64
"""Up to so many tokens one thread computes: several gain a query little, and on a machine that does other things they
wait for each other (measured with three busy processes on two cores: 25 ms on one thread, 240 ms on two). More are cut
into equal parts for the threads side by side."""


class Bert:
    """Encodes padded batches of tokenized texts."""

    def __init__(self, folder: ModelFolder, device: torch.device, dtype: torch.dtype, batch_size: int) -> None:
        config = folder.config
        self.device, self.dtype, self.batch_size = device, dtype, batch_size
        weights = {
            name.removeprefix("bert."): torch.from_numpy(array).to(device)
            for name, array in tensors(folder.path / "model.safetensors").items()
        }
        kinds = weights["embeddings.token_type_embeddings.weight"]
        matrices, biases, norms = _layers(weights, int(config["num_hidden_layers"]))
        packed, is_packed = _packed([matrix.to(dtype) for matrix in matrices])
        self._forward = scripted(
            Forward(
                weights["embeddings.word_embeddings.weight"],
                weights["embeddings.position_embeddings.weight"] + kinds[0],
                packed,
                [bias.to(dtype) for bias in biases],
                norms,
                packed=is_packed,
                heads=int(config["num_attention_heads"]),
                epsilon=float(config.get("layer_norm_eps", 1e-12)),
                cls=folder.poolings[0] == "cls",
            )
        )
        self._dimension = int(config["hidden_size"])

    def encode(self, tokens: Sequence[Sequence[int]]) -> np.ndarray:
        """Vectors of tokenized texts, ``(n, dimension)`` float32 of length 1; texts of one length go together."""
        lengths = [len(ids) for ids in tokens]
        vectors = np.empty((len(tokens), self._dimension), np.float32)

        def compute(rows: Sequence[int]) -> None:
            with torch.inference_mode():  # of the thread that runs it
                vectors[rows] = self._batch([tokens[row] for row in rows]).cpu().numpy()

        if self.device.type != "cpu":
            list(map(compute, batches(lengths, self.batch_size)))
        elif (total := sum(lengths)) <= _ONE_THREAD:
            run_single_threaded(lambda: compute(range(len(tokens))))
        else:  # a long batch that is the last one would leave the other threads idle
            most = 2 * total // _ONE_THREAD
            parallel_map(compute, lambda threads: batches(lengths, self.batch_size, min(threads, most))[::-1])
        return vectors

    def _batch(self, tokens: Sequence[Sequence[int]]) -> Tensor:
        lengths = torch.tensor([len(ids) for ids in tokens])
        longest = int(lengths.max())
        padded = np.zeros((len(tokens), longest), np.int64)
        for row, ids in enumerate(tokens):
            padded[row, : len(ids)] = ids
        real = torch.arange(longest) < lengths[:, None]
        inputs = [each.to(self.device) for each in (torch.from_numpy(padded), real, lengths)]
        vectors: Tensor = self._forward(*inputs)
        return vectors


def _layers(weights: dict[str, Tensor], count: int) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Matrices, their biases, and normalisations in the order of ``forward``."""
    matrices, biases, norms = [], [], [*_norm(weights, "embeddings")]
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
        norms += [*_norm(weights, f"{layer}attention.output"), *_norm(weights, f"{layer}output")]
    return matrices, biases, norms


def batches(lengths: Sequence[int], size: int, least: int = 1) -> list[list[int]]:
    """Rows sorted by length, in batches of at most ``size`` texts and ``128 * size`` tokens with their padding.

    With few rows, ``least`` batches of about as many tokens.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    share = sum(lengths) / least
    cut: list[list[int]] = []
    tokens = 0
    for row in order:
        fits = cut and len(cut[-1]) < size and (len(cut[-1]) + 1) * lengths[row] <= 128 * size
        if not fits or (len(cut) < least and tokens + lengths[row] / 2 > share * len(cut)):
            cut.append([])
        cut[-1].append(row)
        tokens += lengths[row]
    return cut


def _norm(weights: dict[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    return weights[f"{name}.LayerNorm.weight"], weights[f"{name}.LayerNorm.bias"]


def _packed(matrices: list[Tensor]) -> tuple[list[Tensor], bool]:
    """The matrices as oneDNN likes them best, and True; or as they are, and False, where that is not to be had.

    torch.compile uses the same operators; they make one query take 5 ms instead of 9, and a batch a fifth less. They
    are not public, so whatever goes wrong with them leaves the ordinary product.
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
