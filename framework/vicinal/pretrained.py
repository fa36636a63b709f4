"""Networks and tokenizers that transformers loads from a folder, for encoders whose model it knows.

Nothing is fetched: ``vicinal.hub`` finds the folder. transformers is imported when a function needs it, and not before.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicinal.errors import PluginError

if TYPE_CHECKING:
    import torch

__all__ = ["explained", "network", "tokenizer"]


def network(kind: Any, path: Path, device: torch.device, **given: Any) -> Any:
    """A network of one of transformers' classes, in float32 on a device, ready to compute.

    Raises:
        PluginError: transformers cannot load it, or the folder lacks some of its weights.
    """
    import torch

    with explained(path):
        found, told = kind.from_pretrained(
            str(path), local_files_only=True, dtype=torch.float32, output_loading_info=True, **given
        )
    if lost := sorted(told["missing_keys"]):
        raise PluginError(
            f"{path} lacks {len(lost)} of the network's weights, {lost[0]} for one", hint="fetch the model again"
        )
    return found.eval().to(device)


def tokenizer(path: Path) -> Any:
    """The tokenizer that lies beside a network.

    Raises:
        PluginError: transformers cannot load it.
    """
    import transformers

    with explained(path):
        return transformers.AutoTokenizer.from_pretrained(str(path), local_files_only=True)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Without transformers' progress bars and advice on stderr; a failure says which folder it is about.

    Raises:
        PluginError: for whatever was raised within.
    """
    import transformers

    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        raise PluginError(f"transformers cannot load {path}: {error}", hint="fetch the model again") from error
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
