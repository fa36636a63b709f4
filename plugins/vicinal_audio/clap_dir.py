"""Finds the folder of a CLAP (local, in the Hugging Face cache, else downloaded) and reads its settings.

Imports neither torch nor transformers, and reads weights only to hash them.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from vicinal.toolkit.hf_hub import ModelDir
from vicinal.toolkit.models import HubModel

__all__ = ["ClapDir", "make_clap_model", "resolve_clap"]

_FEATURE_EXTRACTOR_DEFAULTS = {
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


class ClapDir(ModelDir):
    """A folder with a CLAP as transformers saves it."""

    @cached_property
    def feature_extractor_config(self) -> dict[str, Any]:
        """The settings of its feature extractor, with transformers' defaults for those that its files omit."""
        config = self.preprocessor_config("feature_extractor")
        return {key: config.get(key, default) for key, default in _FEATURE_EXTRACTOR_DEFAULTS.items()}


def make_clap_model(model: str) -> HubModel:
    """Say which model that is, given as a local folder or as a name on the Hugging Face hub."""
    return HubModel(model, "clap", "the encoder melstats needs no weights and works offline")


def resolve_clap(model: str) -> ClapDir:
    """Find the folder of a model, given as a local folder or as a name on the Hugging Face hub.

    Raises:
        DependencyError: the model is not on this machine and cannot be downloaded; the message names the expected path.
        PluginError: it is no CLAP.
    """
    return ClapDir(make_clap_model(model).resolve(), model)
