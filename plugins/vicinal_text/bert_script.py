"""The computation of a BERT, from tokens to vectors, in the part of Python that TorchScript reads.

Run by TorchScript it holds the interpreter's lock for none of its time, so that batches side by side, a search, and
requests go on beside it; step by step each of a hundred operations would ask for the lock again. A query alone takes a
third less time in bfloat16, too. The vectors are the same, bit by bit.

TorchScript is deprecated in favour of compilers that need one of C++ and minutes, and goes on being shipped. A torch
without it computes step by step.
"""

# No `from __future__ import annotations`: TorchScript reads the types of a module's attributes as they are.

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Forward", "scripted"]


class Forward(nn.Module):  # type: ignore[misc]
    """Tokens to vectors.

    Args:
        vocabulary: embeddings of words, ``(words, dimension)``.
        places: embeddings of positions, those of the first kind of token included, ``(positions, dimension)``.
        matrices: four a layer: query, key and value in one, attention's output, up, down.
        biases: of each matrix.
        norms: weight and bias of the embeddings' normalisation, then of two a layer.
        packed: whether the matrices are laid out by oneDNN.
        heads: of attention.
        epsilon: of normalisations.
        cls: whether the first token's vector is the text's; else the mean of all.
    """

    matrices: list[Tensor]
    biases: list[Tensor]
    norms: list[Tensor]

    def __init__(
        self,
        vocabulary: Tensor,
        places: Tensor,
        matrices: list[Tensor],
        biases: list[Tensor],
        norms: list[Tensor],
        *,
        packed: bool,
        heads: int,
        epsilon: float,
        cls: bool,
    ) -> None:
        super().__init__()
        self.vocabulary, self.places = vocabulary, places
        self.matrices, self.biases, self.norms = matrices, biases, norms
        self.packed, self.heads, self.epsilon, self.cls = packed, heads, epsilon, cls
        self.width = int(places.shape[1])
        self.dtype = biases[0].dtype

    def forward(self, words: Tensor, real: Tensor, lengths: Tensor) -> Tensor:
        """Vectors of length 1, ``(n, dimension)`` float32.

        Args:
            words: token ids, ``(n, longest)``.
            real: which of them are no padding, ``(n, longest)``.
            lengths: how many, ``(n,)``.
        """
        count, longest = words.size(0), words.size(1)
        mask: Tensor | None = None
        if not bool(real.all()):
            added = torch.zeros(real.shape, dtype=self.dtype, device=words.device).masked_fill_(~real, float("-inf"))
            mask = added.unsqueeze(1).unsqueeze(1)
        x = functional.embedding(words, self.vocabulary) + self.places[:longest]
        x = self.normal(x, 0)
        for layer in range(len(self.matrices) // 4):
            first = 4 * layer
            qkv = self.product(x, first, "none").view(count, longest, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], attn_mask=mask)
            mixed = mixed.transpose(1, 2).reshape(count, longest, self.width)
            x = self.normal(x + self.product(mixed, first + 1, "none"), 2 * layer + 1)
            inner = self.product(x, first + 2, "gelu")
            x = self.normal(x + self.product(inner, first + 3, "none"), 2 * layer + 2)
        pooled = x[:, 0] if self.cls else (x * real.unsqueeze(-1)).sum(1) / lengths.unsqueeze(-1)
        return functional.normalize(pooled, dim=1)

    def normal(self, x: Tensor, number: int) -> Tensor:
        """A normalisation, in float32."""
        return functional.layer_norm(x, [self.width], self.norms[2 * number], self.norms[2 * number + 1], self.epsilon)

    def product(self, x: Tensor, number: int, activation: str) -> Tensor:
        """A matrix product with its bias, and GELU where it is asked for."""
        x, matrix, bias = x.to(self.dtype), self.matrices[number], self.biases[number]
        if self.packed:
            product: Tensor = torch.ops.mkldnn._linear_pointwise(x, matrix, bias, activation, [], "none")
            return product
        x = functional.linear(x, matrix, bias)
        return functional.gelu(x) if activation == "gelu" else x


def scripted(module: Forward) -> Any:
    """The module by TorchScript, or itself where that is not to be had.

    Nobody may keep tensors of it: TorchScript asks for the interpreter's lock each time it uses one that Python knows.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.jit.script(module)
        except Exception:  # whatever it is, the module computes the same without
            return module
