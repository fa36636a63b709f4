"""Chooses what computes vectors: queries in float32, large batches in bfloat16 where that is fast and accurate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from vicinal.errors import DependencyError
from vicinal.toolkit.torch_runtime import Device, Precision, choose_precision, locked_cached_property, torch_device
from vicinal_text.model_dir import SentenceModelDir
from vicinal_text.tokenizer import TextTokenizer, TokenizedText

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = ["Backend", "BertBackend", "SentenceTransformersBackend"]

MAX_QUERY_TEXTS, MAX_QUERY_TOKENS = 2, 256
"""A call with at most this much is a query: it must not wait until the bfloat16 model is loaded."""

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
        import torch

        return self._load_bert(torch.float32)

    @locked_cached_property
    def _batch_model(self) -> Any:
        probe = self.tokenizer.token_ids([_PROBE])

        def encode_probe(dtype: torch.dtype) -> np.ndarray:
            vectors: np.ndarray = self._load_bert(dtype).encode(probe)
            return vectors

        return self._load_bert(choose_precision(self.precision, torch_device(self.device), encode_probe))

    @cached_property
    def _load_bert(self) -> Callable[[torch.dtype], Any]:
        """Load the model in a dtype; each is loaded once."""
        from vicinal_text.bert import Bert

        return cache(lambda dtype: Bert(self.model_dir, torch_device(self.device), dtype, self.batch_size))


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
        import torch

        is_query = len(texts) <= MAX_QUERY_TEXTS and sum(map(len, texts)) <= 4 * MAX_QUERY_TOKENS
        with self._lock:
            dtype = torch.float32 if is_query else self._batch_dtype
            vectors: np.ndarray = self._pipeline.encode(texts, prompt, dtype=dtype)
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
    def _batch_dtype(self) -> torch.dtype:
        def encode_probe(dtype: torch.dtype) -> np.ndarray:
            vectors: np.ndarray = self._pipeline.encode([_PROBE], dtype=dtype)
            return vectors

        return choose_precision(self.precision, torch_device(self.device), encode_probe)
