"""Finds models: in a package, in a local folder, in the Hugging Face hub's cache, or by a download; reads small files.

Nothing here imports torch or transformers, or reads weights other than for their hash.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vicinal.errors import DependencyError, PluginError
from vicinal.toolkit.hashing import hash_file
from vicinal.toolkit.model_bundle import BUNDLE_ADVICE, VARIABLE, resolve_bundled

__all__ = [
    "CONFIG_PATTERNS",
    "WEIGHT_PATTERNS",
    "DownloadError",
    "ModelDir",
    "cache_dir",
    "download",
    "find_cached",
    "find_packaged",
    "is_local_path",
    "offline_variable",
    "read_json",
    "resolve_model",
]

WEIGHT_PATTERNS = ("*.safetensors", "*.bin")
"""The names of files that hold weights, the preferred ones first."""
CONFIG_PATTERNS = ("*.json", "*.txt")
"""The names of files with the settings of a network and its tokenizer."""

_TIMEOUT_SECONDS = 5.0
_OFFLINE_VARIABLES = ("VICINAL_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


@dataclass(frozen=True)
class ModelDir:
    """A folder with a model, as transformers saves it."""

    path: Path
    name: str = ""
    _json: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False, compare=False)

    def read_json(self, name: str) -> dict[str, Any]:
        """Return the content of one of its JSON files, which is read once; empty where there is no such file.

        Raises:
            PluginError: the file is not valid JSON.
        """
        if name not in self._json:
            self._json[name] = read_json(self.path / name)
        return self._json[name]

    @property
    def config(self) -> dict[str, Any]:
        """Its ``config.json``."""
        return self.read_json("config.json")

    @property
    def projection_dim(self) -> int:
        """The dimension of the space that files and sentences share, of a CLIP or CLAP."""
        return int(self.config.get("projection_dim") or 512)

    @cached_property
    def hash(self) -> str:
        """A hash of weights, tokenizer and all settings."""
        patterns = (*_weight_pattern(self.path), *CONFIG_PATTERNS)
        return self.hash_files(path for pattern in patterns for path in self.path.glob(pattern))

    def hash_files(self, paths: Iterable[Path]) -> str:
        """Return a hash, 16 digits, of some of its files with their names; their order is of no account."""
        lines = [f"{path.relative_to(self.path).as_posix()} {hash_file(path)}" for path in sorted(set(paths))]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def preprocessor_config(self, section: str) -> dict[str, Any]:
        """Return the settings of its preprocessor, from their own file or a section of ``processor_config.json``."""
        own = self.read_json("preprocessor_config.json")
        return own or self.read_json("processor_config.json").get(section) or {}


class DownloadError(Exception):
    """A model cannot be downloaded; ``str(error)`` is the reason."""


def offline_variable() -> str:
    """Return the name of the environment variable that forbids downloads; empty where none does."""
    if os.environ.get(VARIABLE):
        return VARIABLE
    values = {name: os.environ.get(name, "").upper() for name in _OFFLINE_VARIABLES}
    return next((name for name, value in values.items() if value in ("1", "ON", "YES", "TRUE")), "")


def cache_dir() -> Path:
    """Return the folder in which the hub's client keeps models.

    See https://huggingface.co/docs/huggingface_hub/guides/manage-cache.
    """
    env = os.environ
    home = Path(env.get("HF_HOME") or Path(env.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    return Path(env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE") or home / "hub").expanduser()


def is_local_path(model: str) -> bool:
    """Whether a model's name can only be a path: it is absolute, begins with ``.`` or ``~``, or is two folders deep."""
    return model.startswith((".", "~")) or Path(model).is_absolute() or model.count("/") > 1


def find_packaged(package: str, path: str) -> Path | None:
    """Return a file or folder inside an installed package, which is not imported; None where there is none."""
    spec = find_spec(package)
    candidates = [Path(folder) / path for folder in (spec.submodule_search_locations or [])] if spec else []
    return next((candidate for candidate in candidates if candidate.exists()), None)


def find_cached(name: str, caches: Sequence[Path] | None = None) -> Path | None:
    """Return the snapshot of a model in one of the caches, if it is complete enough to hold weights."""
    for folder in _cache_folders(name, caches):
        main = folder / "refs" / "main"
        if main.is_file() and _has_weights(snapshot := folder / "snapshots" / main.read_text().strip()):
            return snapshot
    return None


def download(name: str, allow_patterns: Sequence[str], ignore_patterns: Sequence[str] = ()) -> Path:
    """Download a model: its weights in one format, and the files that match ``allow_patterns``.

    Files that match ``ignore_patterns`` are left out. The hub has 5 s to respond.

    Raises:
        DownloadError: downloads are forbidden, there is no network, no such model, or no right to it.
    """
    if variable := offline_variable():
        raise DownloadError(f"{variable} forbids downloads")
    try:
        from huggingface_hub import HfApi, snapshot_download

        info = HfApi().model_info(name, timeout=_TIMEOUT_SECONDS)
        files = [sibling.rfilename for sibling in info.siblings or []]
        available = [pattern for pattern in WEIGHT_PATTERNS if any(file.endswith(pattern[1:]) for file in files)]
        patterns = [*allow_patterns, *(available or WEIGHT_PATTERNS)[:1]]
        return Path(
            snapshot_download(name, revision=info.sha, allow_patterns=patterns, ignore_patterns=[*ignore_patterns])
        )
    except Exception as error:  # each way to fail has a class of its own
        first_line = next(iter(str(error).splitlines()), "")
        raise DownloadError(f"{type(error).__name__}: {first_line}") from error


def resolve_model(
    model: str,
    model_type: str = "",
    alternative: str = "",
    *,
    caches: Sequence[Path] | None = None,
    allow_patterns: Sequence[str] = CONFIG_PATTERNS,
    ignore_patterns: Sequence[str] = (),
    setting: str = "model: {folder}",
) -> Path:
    """Return the folder of a model, given as a local folder or by its name: in a cache, and only then on the hub.

    Where ``VICINAL_MODELS`` names a bundle, it is that of the bundle.

    Args:
        model: the folder or the name.
        model_type: what its ``config.json`` must state; empty accepts any model with weights.
        alternative: what to do where the model is out of reach; it ends the hint of an error.
        caches: folders to look in, in the layout of the hub's client; its own by default.
        allow_patterns: files to download beside the weights.
        ignore_patterns: files not to download.
        setting: what a YAML says for a model in ``folder``, for the hint of an error.

    Raises:
        DependencyError: the model is not on this machine and cannot be downloaded; the hint says how to get it.
        PluginError: it is of another type.
    """
    path = Path(model).expanduser()
    if (bundled := resolve_bundled(model)) is not None:
        path = bundled
    elif path.is_dir() or is_local_path(model):
        _require_weights(path, alternative)
    elif (cached := find_cached(model, caches)) is not None:
        path = cached
    else:
        try:
            path = download(model, allow_patterns, ignore_patterns)
        except DownloadError as error:
            raise _missing_model_error(model, str(error), setting, alternative) from error
    found = read_json(path / "config.json").get("model_type") if model_type else ""
    if found != model_type:
        name = model_type.upper()
        raise PluginError(f"{model} is not a {name} model: model_type in its config.json is {found or 'missing'}")
    return path


def _require_weights(path: Path, alternative: str) -> None:
    if not _has_weights(path):
        reason = f"it holds no weights ({' or '.join(WEIGHT_PATTERNS)})" if path.is_dir() else "there is no such folder"
        hint = "; ".join(filter(None, ("set `model:` to a folder that holds a model", alternative)))
        raise DependencyError(f"{path} is not the folder of a model: {reason}", hint=hint)


def _missing_model_error(name: str, reason: str, setting: str, alternative: str) -> DependencyError:
    folder = f"models/{name.rpartition('/')[2]}"
    hint = f"where there is a network: `hf download {name} --local-dir {folder}`; then set "
    hint += f"`{setting.format(folder=folder)}`; {BUNDLE_ADVICE}"
    return DependencyError(
        f"the model {name} was not found locally and could not be downloaded ({reason})",
        hint="; ".join(filter(None, (hint, alternative))),
    )


def _cache_folders(name: str, caches: Sequence[Path] | None) -> list[Path]:
    return [cache / f"models--{name.replace('/', '--')}" for cache in caches or [cache_dir()]]


def _has_weights(folder: Path) -> bool:
    return any(next(folder.rglob(pattern), None) for pattern in WEIGHT_PATTERNS)


def _weight_pattern(folder: Path) -> list[str]:
    """Return the pattern of a folder's weight files, of safetensors where it has any; empty where it has none."""
    return [pattern for pattern in WEIGHT_PATTERNS if any(folder.glob(pattern))][:1]


def read_json(path: Path) -> dict[str, Any]:
    """Read a settings file of a model; empty where there is none.

    Raises:
        PluginError: it is not valid JSON.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
    except ValueError as error:
        raise PluginError(f"{path} is not valid JSON: {error}", hint="download the model again") from error
    return content
