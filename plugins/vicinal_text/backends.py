"""Chooses what computes vectors: queries in float32, large batches in bfloat16 where that is fast and accurate."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from vicinal.errors import DependencyError
from vicinal.toolkit.torch_runtime import Device, Precision, has_native_bfloat16, locked_cached_property, torch_device
from vicinal_text.model_dir import SentenceModelDir
from vicinal_text.tokenizer import TextTokenizer, TokenizedText

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = ["Backend", "BertBackend", "SentenceTransformersBackend"]

MAX_QUERY_TEXTS, MAX_QUERY_TOKENS = 2, 256
"""A call with at most this much is a query: it must not wait until the bfloat16 model is loaded."""

_MIN_COSINE = 0.999
_PROBE = "A short text that tells whether the vectors of this model stay true in a lower precision."


class Backend(Protocol):
    """Computes the vectors of texts, each after a prompt, ``(n, dimension)`` float32 of length 1."""

    def encode(self, texts: Sequence[str], prompt: str = "") -> np.ndarray: ...


class BertBackend:
    """Computes a plain BERT, see ``SentenceModelDir.is_plain_bert``."""

    def __init__(
        self,
        model_dir: SentenceModelDir,
        tokenizer: TextTokenizer,
        precision: Precision,
        device: Device,
        batch_size: int,
    ) -> None:
        self.model_dir, self.tokenizer = model_dir, tokenizer
        self.precision, self.device, self.batch_size = precision, device, batch_size

    def encode(self, texts: Sequence[str], prompt: str = "") -> np.ndarray:
        """Vectors of texts; see ``Backend``. Those that are tokenized already are not tokenized again."""
        untokenized = [prompt + text for text in texts if not isinstance(text, TokenizedText)]
        added = iter(self.tokenizer.token_ids(untokenized))
        tokens = [text.token_ids if isinstance(text, TokenizedText) else next(added) for text in texts]
        is_query = len(tokens) <= MAX_QUERY_TEXTS and sum(map(len, tokens)) <= MAX_QUERY_TOKENS
        model = self._query_model if is_query else self._batch_model
        vectors: np.ndarray = model.encode(tokens)
        return vectors

    @locked_cached_property
    def _query_model(self) -> Any:
        return self._load_bert(torch_device(self.device), "float32")

    @locked_cached_property
    def _batch_model(self) -> Any:
        device = torch_device(self.device)
        if not _wants_bf16(self.precision, device):
            return self._query_model
        model, probe = self._load_bert(device, "bfloat16"), self.tokenizer.token_ids([_PROBE])
        if self.precision == "bf16" or _matches_float32(model.encode(probe), self._query_model.encode(probe)):
            return model
        return self._query_model

    def _load_bert(self, device: torch.device, dtype: str) -> Any:
        import torch

        from vicinal_text.bert import Bert

        return Bert(self.model_dir, device, getattr(torch, dtype), self.batch_size)


class SentenceTransformersBackend:
    """Computes any other model by sentence-transformers, whose tokenizers serve one thread at a time."""

    def __init__(self, model_dir: SentenceModelDir, precision: Precision, device: Device, batch_size: int) -> None:
        self.model_dir, self.precision, self.device, self.batch_size = model_dir, precision, device, batch_size
        self._lock = Lock()

    @property
    def dimension(self) -> int:
        """The length of its vectors, read from the loaded model."""
        return int(self._pipeline.dimension)

    def encode(self, texts: Sequence[str], prompt: str = "") -> np.ndarray:
        """Vectors of texts; see ``Backend``."""
        is_query = len(texts) <= MAX_QUERY_TEXTS and sum(map(len, texts)) <= 4 * MAX_QUERY_TOKENS
        with self._lock:
            vectors: np.ndarray = self._pipeline.encode(texts, prompt, bfloat16=not is_query and self._use_bf16)
        return vectors

    @locked_cached_property
    def _pipeline(self) -> Any:
        if find_spec("sentence_transformers") is None:
            raise DependencyError(
                f"the model {self.model_dir.name or self.model_dir.path} needs sentence-transformers",
                hint='pip install "vicinal[text]"',
            )
        from vicinal_text.pipeline import Pipeline

        return Pipeline(self.model_dir, torch_device(self.device), self.batch_size)

    @locked_cached_property
    def _use_bf16(self) -> bool:
        if not _wants_bf16(self.precision, torch_device(self.device)):
            return False
        bf16, fp32 = (self._pipeline.encode([_PROBE], bfloat16=each) for each in (True, False))
        return self.precision == "bf16" or _matches_float32(bf16, fp32)


def _wants_bf16(precision: Precision, device: torch.device) -> bool:
    return precision == "bf16" or (precision == "auto" and has_native_bfloat16(device))


def _matches_float32(bf16: np.ndarray, fp32: np.ndarray) -> bool:
    return float(bf16[0] @ fp32[0]) >= _MIN_COSINE
