"""Loads networks and tokenizers of transformers from a folder.

Nothing is downloaded: ``vicinal.toolkit.hf_hub`` finds the folder. transformers is imported when a function needs it,
and not before.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from vicinal.errors import PluginError

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = ["TextEncoder", "Tokenizer", "errors_as_plugin_error", "load_model", "quiet"]


def load_model(model_class: Any, path: Path, device: torch.device, **options: Any) -> Any:
    """Load a network by one of transformers' classes, in float32 on a device, in evaluation mode.

    Raises:
        PluginError: transformers cannot load it, or the folder lacks some of its weights.
    """
    import torch

    with errors_as_plugin_error(path):
        model, loading_info = model_class.from_pretrained(
            str(path), local_files_only=True, dtype=torch.float32, output_loading_info=True, **options
        )
    if missing := sorted(loading_info["missing_keys"]):
        raise PluginError(
            f"{path} lacks {len(missing)} of the network's weights, e.g. {missing[0]}", hint="download the model again"
        )
    return model.eval().to(device)


class Tokenizer:
    """The tokenizer in a network's folder; sentences are cut off after ``max_length`` tokens.

    Threads may share it: a lock serves one at a time, because transformers sets the truncation anew for each call and
    refuses to while another one uses the tokenizer.

    Raises:
        PluginError: transformers cannot load it.
    """

    def __init__(self, path: Path, max_length: int, device: torch.device) -> None:
        import transformers

        with errors_as_plugin_error(path):
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(str(path), local_files_only=True)
        self._max_length, self._device = max_length, device
        self._lock = Lock()

    def __call__(self, sentences: Sequence[str]) -> dict[str, torch.Tensor]:
        """``input_ids`` and ``attention_mask``, ``(n, tokens)`` each."""
        with self._lock:
            tokens = self._tokenizer(
                list(sentences), padding=True, truncation=True, max_length=self._max_length, return_tensors="pt"
            )
        return {name: tokens[name].to(self._device) for name in ("input_ids", "attention_mask")}


class TextEncoder:
    """Encodes sentences by the text network of a model like CLIP or CLAP, and its tokenizer."""

    def __init__(self, model: Any, tokenizer: Tokenizer) -> None:
        self._model, self._tokenizer = model, tokenizer

    def encode(self, sentences: Sequence[str]) -> np.ndarray:
        """Encode sentences: ``(n, dimension)`` float32, not normalised."""
        import torch

        with torch.inference_mode():
            embeds: np.ndarray = self._model(**self._tokenizer(sentences)).text_embeds.float().cpu().numpy()
        return embeds


@contextmanager
def errors_as_plugin_error(path: Path) -> Iterator[None]:
    """Silence transformers, and turn whatever is raised within into an error that names the folder.

    Raises:
        PluginError: for whatever is raised within.
    """
    try:
        with quiet():
            yield
    except Exception as error:
        raise PluginError(f"transformers cannot load {path}: {error}", hint="download the model again") from error


@contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Silence progress bars, warnings, and what transformers and these loggers write to stderr below errors."""
    from transformers.utils import logging as transformers

    level, has_bars = transformers.get_verbosity(), transformers.is_progress_bar_enabled()
    others = [logging.getLogger(name) for name in loggers]
    other_levels = [other.level for other in others]
    transformers.set_verbosity_error()
    transformers.disable_progress_bar()
    for other in others:
        other.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers.set_verbosity(level)
        for other, other_level in zip(others, other_levels, strict=True):
            other.setLevel(other_level)
        if has_bars:
            transformers.enable_progress_bar()
