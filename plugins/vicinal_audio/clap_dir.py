"""Finding a CLAP: in a local folder, in the Hugging Face cache, and only then on the hub; and what its files say.

Nothing here imports torch or transformers, or reads the weights other than for their hash.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from vicinal.toolkit import hf_hub as hub

__all__ = ["ClapFolder", "locate"]

_HEARING = {
    "sampling_rate": 48_000,
    "fft_window_size": 1024,
    "hop_length": 480,
    "max_length_s": 10,
    "feature_size": 64,
    "frequency_min": 0,
    "frequency_max": 14_000,
    "truncation": "fusion",
    "padding": "repeatpad",
}


class ClapFolder(hub.ModelDir):
    """A folder with a CLAP as transformers saves it."""

    @cached_property
    def hearing(self) -> dict[str, Any]:
        """How sounds are prepared for it, with transformers' defaults for what its files leave open."""
        found = self.preprocessor_config("feature_extractor")
        return {key: found.get(key, default) for key, default in _HEARING.items()}


def locate(model: str) -> ClapFolder:
    """The folder of a model, given as a local folder or as a name on the Hugging Face hub.

    Raises:
        DependencyError: it is not there and cannot be fetched; the message says where it may lie.
        PluginError: it is no CLAP.
    """
    return ClapFolder(
        hub.resolve_model(model, "clap", "the encoder melstats needs no weights and works offline"), model
    )
