"""A reranker that reads query and text together: a cross encoder (Nogueira and Cho 2019, https://arxiv.org/abs/1901.04085).

A sentence encoder makes a vector of each text alone, before it knows the query; a cross encoder lets every word of the
query attend to every word of the text. It orders better and costs one pass of the network for each candidate, so it
sees only those that the vectors found.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from pydantic import Field

from vicinal import Hit, Reranker
from vicinal.errors import PluginError
from vicinal.plugin.params import ModelName
from vicinal.toolkit.models import Model
from vicinal.toolkit.torch_runtime import Device, locked_cached_property, torch_device
from vicinal.toolkit.transformers_loading import quiet
from vicinal_text.model_dir import SentenceModelDir, make_cross_encoder_model, resolve_cross_encoder

if TYPE_CHECKING:
    import numpy as np

__all__ = ["CrossEncoderReranker"]

_LOGGER = "sentence_transformers"


class CrossEncoderReranker(Reranker["CrossEncoderReranker.Params"]):
    """Orders candidates by the scores that a cross encoder of sentence-transformers gives them."""

    reads_text = True

    class Params(Reranker.Params):
        model: ModelName
        """A cross encoder on the Hugging Face hub (``cross-encoder/ms-marco-MiniLM-L6-v2``), or the folder of one."""
        metadata: bool | tuple[str, ...] = False
        """Whether the network reads the texts of the metadata after the content: all of them, or those of these names
        (``[answer]``)."""
        max_length: int | None = Field(default=None, ge=8)
        """Tokens of query and text together that the network reads, by default as many as it can (512); fewer are
        quicker."""
        batch_size: int = Field(default=32, ge=1, le=4096)
        """Pairs computed together; more are quicker on a GPU."""
        device: Device = "auto"
        """``auto`` is a GPU where torch finds one."""
        candidates: int = Field(default=5, ge=1, le=100)
        """Candidates to fetch for each requested hit; each is a pair to compute."""

    def __init__(self, params: CrossEncoderReranker.Params | None = None) -> None:
        super().__init__(params)
        self._lock = Lock()  # its tokenizer serves one thread at a time

    @property
    def candidates(self) -> int:
        return int(self.params.candidates)

    def list_models(self) -> list[Model]:
        return [make_cross_encoder_model(self.params.model)]

    def rerank(self, query: str | Path, hits: Sequence[Hit]) -> list[Hit]:
        """Order the hits of a text query by their scores; those of an indexed item (``@key``) stay as they are.

        Raises:
            DependencyError: the model is missing; the hint says where to put it.
            PluginError: the model is no cross encoder, or does not give each pair one finite score.
        """
        if not hits or not isinstance(query, str) or query.startswith("@"):
            return list(hits)
        text = query[1:] if query.startswith("\\@") else query
        scores = self._score_pairs([(text, self._read_text(hit)) for hit in hits])
        order = sorted(range(len(hits)), key=lambda row: (-scores[row], row))
        return [hits[row].with_score(float(scores[row]), f"no. {hits[row].rank} by similarity") for row in order]

    def _read_text(self, hit: Hit) -> str:
        """The text that is scored: of an item in windows the found window, and the metadata that are asked for."""
        content = (hit.segment or {}).get("excerpt") or hit.content or ""
        names = self.params.metadata
        values = [hit.metadata.get(name) for name in (hit.metadata if names is True else names or ())]
        return "\n".join([content, *(value for value in values if isinstance(value, str))])

    def _score_pairs(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """The score of each pair, float32."""
        import numpy as np

        with self._lock, quiet(_LOGGER):
            scores: np.ndarray = self._model.predict(
                list(pairs), batch_size=self.params.batch_size, show_progress_bar=False
            )
        if scores.shape != (len(pairs),):
            raise PluginError(
                f"{self.params.model} gives each pair {scores.shape[-1]} numbers, one for each of its classes",
                hint="a reranker needs a model with one score, as cross-encoder/ms-marco-MiniLM-L6-v2",
            )
        if not np.isfinite(scores).all():
            raise PluginError(f"{self.params.model} returned NaN or infinity", hint="use another model")
        return scores

    @cached_property
    def _model_dir(self) -> SentenceModelDir:
        return resolve_cross_encoder(self.params.model)

    @locked_cached_property
    def _model(self) -> Any:
        """The loaded network.

        Raises:
            PluginError: it cannot be loaded, or reads fewer tokens than ``max_length``.
        """
        from sentence_transformers import CrossEncoder

        path, limit, max_length = self._model_dir.path, self._model_dir.max_tokens, self.params.max_length
        if max_length is not None and limit is not None and max_length > limit:
            raise PluginError(
                f"max_length: {max_length} is more than the {limit} tokens that the model reads",
                hint=f"write max_length: {limit}",
            )
        device = str(torch_device(self.params.device))
        with quiet(_LOGGER):
            try:
                return CrossEncoder(str(path), device=device, local_files_only=True, max_length=max_length)
            except Exception as error:
                raise PluginError(f"sentence-transformers cannot load {path}: {error}") from error
