"""Choosing what computes: few texts, as queries are, in float32; many in bfloat16 where that is quick and true."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from vicinal.errors import DependencyError
from vicinal.toolkit.torch_runtime import Device, Precision, has_native_bfloat16, locked_cached_property, torch_device
from vicinal_text.model_dir import ModelFolder

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = ["BertEngine", "Engine", "PipelineEngine"]

FEW_TEXTS, FEW_TOKENS = 2, 256
"""Up to so many in one call are a query: the answer to a single one must not wait for lower precision to be loaded."""

_TRUE = 0.999
_PROBE = "A short text that tells whether the vectors of this model stay true in a lower precision."


class Engine(Protocol):
    """What turns texts into vectors, ``(n, dimension)`` float32 of length 1."""

    def encode(self, texts: Sequence[str]) -> np.ndarray: ...


class BertEngine:
    """A plain BERT, see ``ModelFolder.is_plain_bert``."""

    def __init__(self, folder: ModelFolder, precision: Precision, device: Device, batch_size: int) -> None:
        self.folder, self.precision, self.device, self.batch_size = folder, precision, device, batch_size

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of texts; see ``Engine``."""
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        few = len(tokens) <= FEW_TEXTS and sum(map(len, tokens)) <= FEW_TOKENS
        bert = self._few if few else self._many
        vectors: np.ndarray = bert.encode(tokens)
        return vectors

    @locked_cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.folder.path / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.folder.longest)
        return tokenizer

    @locked_cached_property
    def _few(self) -> Any:
        return self._bert(torch_device(self.device), "float32")

    @locked_cached_property
    def _many(self) -> Any:
        device = torch_device(self.device)
        if not _lowers(self.precision, device):
            return self._few
        lowered = self._bert(device, "bfloat16")
        return lowered if self.precision == "bf16" or self._is_true(lowered) else self._few

    def _bert(self, device: torch.device, dtype: str) -> Any:
        import torch

        from vicinal_text.bert import Bert

        return Bert(self.folder, device, getattr(torch, dtype), self.batch_size)

    def _is_true(self, lowered: Any) -> bool:
        probe = [self._tokenizer.encode(_PROBE).ids]
        return float(lowered.encode(probe)[0] @ self._few.encode(probe)[0]) >= _TRUE


class PipelineEngine:
    """Any other model, by sentence-transformers, whose tokenizers serve one thread at a time."""

    def __init__(self, folder: ModelFolder, precision: Precision, device: Device, batch_size: int) -> None:
        self.folder, self.precision, self.device, self.batch_size = folder, precision, device, batch_size
        self._turn = Lock()

    @property
    def dimension(self) -> int:
        """The length of its vectors, asked of the loaded model."""
        return int(self._pipeline.dimension)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of texts; see ``Engine``."""
        many = len(texts) > FEW_TEXTS or sum(map(len, texts)) > 4 * FEW_TOKENS
        with self._turn:
            found: np.ndarray = self._pipeline.encode(texts, bfloat16=many and self._is_lowered)
        return found

    @locked_cached_property
    def _pipeline(self) -> Any:
        if find_spec("sentence_transformers") is None:
            raise DependencyError(
                f"the model {self.folder.name or self.folder.path} needs sentence-transformers",
                hint='pip install "vicinal[text]"',
            )
        from vicinal_text.pipeline import Pipeline

        return Pipeline(self.folder, torch_device(self.device), self.batch_size)

    @locked_cached_property
    def _is_lowered(self) -> bool:
        if not _lowers(self.precision, torch_device(self.device)):
            return False
        lowered, exact = (self._pipeline.encode([_PROBE], bfloat16=low)[0] for low in (True, False))
        return self.precision == "bf16" or float(lowered @ exact) >= _TRUE


def _lowers(precision: Precision, device: torch.device) -> bool:
    return precision == "bf16" or (precision == "auto" and has_native_bfloat16(device))
