"""Networks and tokenizers that transformers loads from a folder, for encoders whose model it knows.

Nothing is fetched: ``vicinal.toolkit.hf_hub`` finds the folder. transformers is imported when a function
needs it, and not before.
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
    import torch

__all__ = ["Tokenizer", "errors_as_plugin_error", "load_model", "quiet"]


def load_model(kind: Any, path: Path, device: torch.device, **given: Any) -> Any:
    """A network of one of transformers' classes, in float32 on a device, ready to compute.

    Raises:
        PluginError: transformers cannot load it, or the folder lacks some of its weights.
    """
    import torch

    with errors_as_plugin_error(path):
        found, told = kind.from_pretrained(
            str(path), local_files_only=True, dtype=torch.float32, output_loading_info=True, **given
        )
    if lost := sorted(told["missing_keys"]):
        raise PluginError(
            f"{path} lacks {len(lost)} of the network's weights, {lost[0]} for one", hint="fetch the model again"
        )
    return found.eval().to(device)


class Tokenizer:
    """The tokenizer that lies beside a network which reads sentences of ``longest`` tokens on a device.

    Threads may share it, since they take turns: for each call it is told anew where to cut, and refuses that in use.

    Raises:
        PluginError: transformers cannot load it.
    """

    def __init__(self, path: Path, longest: int, device: torch.device) -> None:
        import transformers

        with errors_as_plugin_error(path):
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(str(path), local_files_only=True)
        self._longest, self._device = longest, device
        self._turn = Lock()

    def __call__(self, sentences: Sequence[str]) -> dict[str, torch.Tensor]:
        """``input_ids`` and ``attention_mask``, ``(n, tokens)`` each."""
        with self._turn:
            tokens = self._tokenizer(
                list(sentences), padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
            )
        return {name: tokens[name].to(self._device) for name in ("input_ids", "attention_mask")}


@contextmanager
def errors_as_plugin_error(path: Path) -> Iterator[None]:
    """Quietly; a failure says which folder it is about.

    Raises:
        PluginError: for whatever was raised within.
    """
    try:
        with quiet():
            yield
    except Exception as error:
        raise PluginError(f"transformers cannot load {path}: {error}", hint="fetch the model again") from error


@contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Without progress bars, and without the advice of transformers and of these loggers on stderr."""
    from transformers.utils import logging as transformers

    level, bars = transformers.get_verbosity(), transformers.is_progress_bar_enabled()
    others = [logging.getLogger(name) for name in loggers]
    before = [other.level for other in others]
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
        for other, loudness in zip(others, before, strict=True):
            other.setLevel(loudness)
        if bars:
            transformers.enable_progress_bar()
