"""Finding a CLAP: in a local folder, in the Hugging Face cache, and only then on the hub; and what its files say.

Nothing here imports torch or transformers, or reads the weights other than for their hash.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vicinal import hub
from vicinal.errors import DependencyMissing, PluginError

__all__ = ["ClapFolder", "locate"]

_SMALL = ("*.json", "*.txt")
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


@dataclass(frozen=True)
class ClapFolder:
    """A folder with a CLAP as transformers saves it."""

    path: Path
    name: str

    @cached_property
    def config(self) -> dict[str, Any]:
        """Its ``config.json``."""
        return hub.read_json(self.path / "config.json")

    @cached_property
    def hearing(self) -> dict[str, Any]:
        """How sounds are prepared for it, with transformers' defaults for what its files leave open."""
        own = hub.read_json(self.path / "preprocessor_config.json")
        found = own or hub.read_json(self.path / "processor_config.json").get("feature_extractor") or {}
        return {key: found.get(key, default) for key, default in _HEARING.items()}

    @property
    def dimension(self) -> int:
        """The length of its vectors."""
        return int(self.config.get("projection_dim") or 512)

    @cached_property
    def hash(self) -> str:
        """A hash of weights, tokenizer and all settings."""
        files = sorted({path for kind in (*hub.weights(self.path), *_SMALL) for path in self.path.glob(kind)})
        parts = [f"{path.name} {hub.sha256(path)}" for path in files]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def locate(model: str) -> ClapFolder:
    """The folder of a model, given as a local folder or as a name on the Hugging Face hub.

    Raises:
        DependencyMissing: it is not there and cannot be fetched; the message says where it may lie.
        PluginError: it is no CLAP.
    """
    is_path = Path(model).is_dir() or model.startswith((".", "/", "~")) or model.count("/") > 1
    path = Path(model) if is_path else hub.cached(model) or _fetched(model)
    if is_path and not (path.is_dir() and hub.weights(path)):
        raise _missing(model, "the folder holds no weights" if path.is_dir() else "there is no such folder")
    folder = ClapFolder(path, model)
    if (kind := folder.config.get("model_type")) != "clap":
        raise PluginError(f"{model} is no CLAP: its config.json says {kind or 'nothing'} for model_type")
    return folder


def _fetched(name: str) -> Path:
    try:
        return hub.fetch(name, _SMALL)
    except hub.NotFetched as error:
        raise _missing(name, str(error)) from error


def _missing(name: str, why: str) -> DependencyMissing:
    cached = hub.cache() / f"models--{name.replace('/', '--')}"
    return DependencyMissing(
        f"the weights of the model {name} are not on this machine ({why})",
        hint=f"they may lie in {cached}, or in a folder that `model:` names; the encoder melstats needs no weights and"
        " works offline",
    )
