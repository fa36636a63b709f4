"""Finding a CLAP: in a local folder, in the Hugging Face cache, and only then on the hub; and what its files say.

Nothing here imports torch or transformers, or reads the weights other than for their hash.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vicinal.errors import DependencyMissing, PluginError

__all__ = ["ClapFolder", "locate"]

_WEIGHTS = ("*.safetensors", "*.bin")
_SMALL = ("*.json", "*.txt")
_SECONDS = 5.0
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
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
        return _json(self.path / "config.json")

    @cached_property
    def hearing(self) -> dict[str, Any]:
        """How sounds are prepared for it, with transformers' defaults for what its files leave open."""
        own = _json(self.path / "preprocessor_config.json")
        found = own or _json(self.path / "processor_config.json").get("feature_extractor") or {}
        return {key: found.get(key, default) for key, default in _HEARING.items()}

    @property
    def dimension(self) -> int:
        """The length of its vectors."""
        return int(self.config.get("projection_dim") or 512)

    @cached_property
    def hash(self) -> str:
        """A hash of weights, tokenizer and all settings."""
        files = sorted({path for kind in (*_weights(self.path), *_SMALL) for path in self.path.glob(kind)})
        parts = [f"{path.name} {_sha256(path)}" for path in files]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def locate(model: str) -> ClapFolder:
    """The folder of a model, given as a local folder or as a name on the Hugging Face hub.

    Raises:
        DependencyMissing: it is not there and cannot be fetched; the message says where it may lie.
        PluginError: it is no CLAP.
    """
    is_path = Path(model).is_dir() or model.startswith((".", "/", "~")) or model.count("/") > 1
    path = Path(model) if is_path else _cached(model) or _fetched(model)
    if is_path and not (path.is_dir() and _weights(path)):
        raise _missing(model, "the folder holds no weights" if path.is_dir() else "there is no such folder")
    folder = ClapFolder(path, model)
    if (kind := folder.config.get("model_type")) != "clap":
        raise PluginError(f"{model} is no CLAP: its config.json says {kind or 'nothing'} for model_type")
    return folder


def _weights(path: Path) -> list[str]:
    """The pattern of its files with weights, safetensors where there are any."""
    return [kind for kind in _WEIGHTS if any(path.glob(kind))][:1]


def _caches() -> list[Path]:
    """Where the hub's client keeps models: https://huggingface.co/docs/huggingface_hub/guides/manage-cache."""
    env = os.environ
    home = Path(env.get("HF_HOME") or Path(env.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    own = env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE")
    return [Path(place).expanduser() for place in ([own] if own else [home / "hub"])]


def _cached(name: str) -> Path | None:
    for cache in _caches():
        folder = cache / f"models--{name.replace('/', '--')}"
        main = folder / "refs" / "main"
        if main.is_file() and _weights(snapshot := folder / "snapshots" / main.read_text().strip()):
            return snapshot
    return None


def _fetched(name: str) -> Path:
    if any(os.environ.get(key, "").upper() in ("1", "ON", "YES", "TRUE") for key in _OFFLINE):
        raise _missing(name, "the hub is switched off by HF_HUB_OFFLINE")
    try:
        from huggingface_hub import HfApi, snapshot_download

        info = HfApi().model_info(name, timeout=_SECONDS)
        files = [sibling.rfilename for sibling in info.siblings or []]
        weights = next((kind for kind in _WEIGHTS if any(file.endswith(kind[1:]) for file in files)), _WEIGHTS[0])
        return Path(snapshot_download(name, revision=info.sha, allow_patterns=[*_SMALL, weights]))
    except Exception as error:  # no network, no such model, no right to it: each has classes of its own
        raise _missing(name, f"the hub answers {type(error).__name__}: {_first_line(error)}") from error


def _missing(name: str, why: str) -> DependencyMissing:
    places = ", ".join(str(cache / f"models--{name.replace('/', '--')}") for cache in _caches())
    return DependencyMissing(
        f"the weights of the model {name} are not on this machine ({why})",
        hint=f"they may lie in {places}, or in a folder that `model:` names; the encoder melstats needs no weights and"
        " works offline",
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
    except ValueError as error:
        raise PluginError(f"{path} is not valid JSON: {error}", hint="fetch the model again") from error
    return found


def _sha256(path: Path) -> str:
    """A file's SHA-256; the hub's cache names a large file by it, which spares reading it."""
    real = path.resolve()
    if real.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", real.name):
        return real.name
    stat = real.stat()
    return _read_sha256(real, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _read_sha256(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")
