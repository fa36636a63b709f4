"""Finds models of the Hugging Face hub, in its client's cache or by a download, and reads their small files.

Nothing here imports torch or transformers, or reads weights other than for their hash.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vicinal.errors import DependencyError, PluginError

__all__ = [
    "DownloadError",
    "ModelDir",
    "cache_dir",
    "download",
    "find_cached",
    "hash_file",
    "offline_variable",
    "read_json",
    "resolve_model",
    "weight_patterns",
]

_WEIGHT_PATTERNS = ("*.safetensors", "*.bin")
_SMALL_PATTERNS = ("*.json", "*.txt")
_TIMEOUT_SECONDS = 5.0
_OFFLINE_VARIABLES = ("VICINAL_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


@dataclass(frozen=True)
class ModelDir:
    """A folder with a model, as transformers saves it."""

    path: Path
    name: str

    @cached_property
    def config(self) -> dict[str, Any]:
        """Its ``config.json``."""
        return read_json(self.path / "config.json")

    @property
    def dimension(self) -> int:
        """The dimension of the space that files and sentences share."""
        return int(self.config.get("projection_dim") or 512)

    @cached_property
    def hash(self) -> str:
        """A hash of weights, tokenizer and all settings."""
        files = sorted(
            {path for kind in (*weight_patterns(self.path), *_SMALL_PATTERNS) for path in self.path.glob(kind)}
        )
        parts = [f"{path.name} {hash_file(path)}" for path in files]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def preprocessor_config(self, section: str) -> dict[str, Any]:
        """The settings of its preprocessor, from a file of their own or a section of ``processor_config.json``."""
        own = read_json(self.path / "preprocessor_config.json")
        return own or read_json(self.path / "processor_config.json").get(section) or {}


class DownloadError(Exception):
    """A model cannot be downloaded; ``str(error)`` is the reason."""


def offline_variable() -> str:
    """Return the name of the environment variable that forbids downloads; empty where none does."""
    return next(
        (name for name in _OFFLINE_VARIABLES if os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")), ""
    )


def cache_dir() -> Path:
    """Return the folder in which the hub's client keeps models: https://huggingface.co/docs/huggingface_hub/guides/manage-cache."""
    env = os.environ
    home = Path(env.get("HF_HOME") or Path(env.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    return Path(env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE") or home / "hub").expanduser()


def weight_patterns(folder: Path) -> list[str]:
    """Return the pattern of a folder's weight files, of safetensors where it has any; empty where it has none."""
    return [kind for kind in _WEIGHT_PATTERNS if any(folder.glob(kind))][:1]


def find_cached(name: str) -> Path | None:
    """Return the snapshot of a model in the cache, if it is complete enough to hold weights."""
    folder = cache_dir() / f"models--{name.replace('/', '--')}"
    main = folder / "refs" / "main"
    if main.is_file() and weight_patterns(snapshot := folder / "snapshots" / main.read_text().strip()):
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
        kind = next(
            (kind for kind in _WEIGHT_PATTERNS if any(file.endswith(kind[1:]) for file in files)), _WEIGHT_PATTERNS[0]
        )
        return Path(
            snapshot_download(
                name, revision=info.sha, allow_patterns=[*allow_patterns, kind], ignore_patterns=[*ignore_patterns]
            )
        )
    except Exception as error:  # each way to fail has a class of its own
        first_line = next(iter(str(error).splitlines()), "")
        raise DownloadError(f"{type(error).__name__}: {first_line}") from error


def resolve_model(model: str, model_type: str, alternative: str) -> Path:
    """Return the folder of a model, given as a local folder or by its name: in the cache, and only then on the hub.

    ``model_type`` is what its ``config.json`` must state; ``alternative`` ends the hint of an error.

    Raises:
        DependencyError: the model is not on this machine and cannot be downloaded; the hint says where to put it.
        PluginError: it is of another type.
    """
    is_path = Path(model).is_dir() or model.startswith((".", "/", "~")) or model.count("/") > 1
    path = Path(model) if is_path else find_cached(model) or _download_model(model, alternative)
    if is_path and not (path.is_dir() and weight_patterns(path)):
        reason = "the folder holds no weights" if path.is_dir() else "there is no such folder"
        raise _missing_model_error(model, reason, alternative)
    if (found := read_json(path / "config.json").get("model_type")) != model_type:
        raise PluginError(
            f"{model} is not a {model_type.upper()} model: model_type in its config.json is {found or 'missing'}"
        )
    return path


def _download_model(name: str, alternative: str) -> Path:
    try:
        return download(name, _SMALL_PATTERNS)
    except DownloadError as error:
        raise _missing_model_error(name, str(error), alternative) from error


def _missing_model_error(name: str, reason: str, alternative: str) -> DependencyError:
    folder = cache_dir() / f"models--{name.replace('/', '--')}"
    return DependencyError(
        f"the model {name} was not found locally and could not be downloaded ({reason})",
        hint=f"download it to {folder}, or set `model:` to a local folder; {alternative}",
    )


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


def hash_file(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal; the hub's cache names large files by it, so those are not read.

    Cached in the process by the file's size and modification time.
    """
    real = path.resolve()
    if real.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", real.name):
        return real.name
    stat = real.stat()
    return _read_sha256(real, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _read_sha256(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
