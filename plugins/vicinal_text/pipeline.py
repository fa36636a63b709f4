"""Any other model of sentence-transformers: its own modules, without what ``encode`` there adds to each call."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from vicinal.errors import PluginError
from vicinal.toolkit.transformers_loading import quiet
from vicinal_text.bert import batches
from vicinal_text.model_dir import ModelFolder

__all__ = ["Pipeline"]

_LOGGER = "sentence_transformers"
_KNOWN = {"Transformer", "Pooling", "Normalize", "Dense", "LayerNorm", "Dropout"}


class Pipeline:
    """Encodes texts with the modules of a sentence-transformers model."""

    def __init__(self, folder: ModelFolder, device: torch.device, batch_size: int) -> None:
        with quiet(_LOGGER):
            try:
                self.model: Any = SentenceTransformer(str(folder.path), device=str(device), local_files_only=True)
            except Exception as error:
                raise PluginError(f"sentence-transformers cannot load {folder.path}: {error}") from error
        self.model.eval()
        self.device, self.batch_size = device, batch_size
        self.is_known = all(type(module).__name__ in _KNOWN for module in self.model)
        self._prepare = getattr(self.model, "preprocess", None) or self.model.tokenize

    @property
    def dimension(self) -> int:
        """The length of the vectors."""
        size = getattr(self.model, "get_embedding_dimension", None) or self.model.get_sentence_embedding_dimension
        return int(size())

    def encode(self, texts: Sequence[str], *, bfloat16: bool) -> np.ndarray:
        """Vectors of texts, ``(n, dimension)`` float32 of length 1; matrix products in bfloat16 if it is asked for."""
        lowered = torch.autocast(self.device.type, torch.bfloat16) if bfloat16 else nullcontext()
        rows_of = batches([len(text) // 4 for text in texts], self.batch_size)
        with torch.inference_mode(), lowered, quiet(_LOGGER):
            parts = [self._batch([texts[row] for row in rows]) for rows in rows_of]
        vectors = np.empty((len(texts), parts[0].shape[1]), np.float32)
        for rows, part in zip(rows_of, parts, strict=True):
            vectors[rows] = part
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def _batch(self, texts: list[str]) -> np.ndarray:
        if not self.is_known:
            found: np.ndarray = self.model.encode(texts, batch_size=self.batch_size, show_progress_bar=False)
            return found.astype(np.float32)
        features = {
            name: value.to(self.device) if isinstance(value, torch.Tensor) else value
            for name, value in self._prepare(texts).items()
        }
        vectors: np.ndarray = self.model(features)["sentence_embedding"].float().cpu().numpy()
        return vectors
