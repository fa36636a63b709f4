"""Runs the modules of any other sentence-transformers model, without the overhead of ``SentenceTransformer.encode``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from vicinal.errors import PluginError
from vicinal.toolkit.transformers_loading import quiet
from vicinal.toolkit.vectors import l2_normalize
from vicinal_text.bert import batch_by_length
from vicinal_text.model_dir import KNOWN_MODULES, SentenceModelDir

__all__ = ["Pipeline"]

_LOGGER = "sentence_transformers"


class Pipeline:
    """Encodes texts with the modules of a sentence-transformers model."""

    def __init__(self, model_dir: SentenceModelDir, device: torch.device, batch_size: int) -> None:
        path = model_dir.path
        with quiet(_LOGGER):
            try:
                self.model: Any = SentenceTransformer(str(path), device=str(device), local_files_only=True)
            except Exception as error:
                raise PluginError(f"sentence-transformers cannot load {path}: {error}") from error
        self.model.eval()
        self.device, self.batch_size = device, batch_size
        self.has_known_modules = all(type(module).__name__ in KNOWN_MODULES for module in self.model)

    @property
    def dimension(self) -> int:
        """The length of the vectors."""
        read = getattr(self.model, "get_embedding_dimension", None) or self.model.get_sentence_embedding_dimension
        return int(read())

    def encode(self, texts: Sequence[str], prompt: str = "", *, dtype: torch.dtype) -> np.ndarray:
        """Vectors of texts after a prompt, ``(n, dimension)`` float32 of length 1.

        Matrix products are computed in ``dtype``.
        """
        autocast = torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32)
        batches = batch_by_length([len(text) // 4 for text in texts], self.batch_size)
        with torch.inference_mode(), autocast, quiet(_LOGGER):
            parts = [self._encode_batch([str(texts[row]) for row in rows], prompt) for rows in batches]
        vectors = np.empty((len(texts), parts[0].shape[1]), np.float32)
        for rows, part in zip(batches, parts, strict=True):
            vectors[rows] = part
        return l2_normalize(vectors)

    def _encode_batch(self, texts: list[str], prompt: str) -> np.ndarray:
        if not self.has_known_modules:
            vectors: np.ndarray = self.model.encode(
                texts, prompt=prompt, batch_size=self.batch_size, show_progress_bar=False
            )
            return vectors.astype(np.float32)
        features = {
            name: value.to(self.device) if isinstance(value, torch.Tensor) else value
            for name, value in self._preprocess(texts, prompt).items()
        }
        embeddings: np.ndarray = self.model(features)["sentence_embedding"].float().cpu().numpy()
        return embeddings

    def _preprocess(self, texts: list[str], prompt: str) -> Any:
        """The input of the first module; it tells the pooling how long the prompt is, which some leave out."""
        if hasattr(self.model, "preprocess"):
            return self.model.preprocess(texts, prompt=prompt or None)
        return self.model.tokenize([prompt + text for text in texts])  # sentence-transformers 5
