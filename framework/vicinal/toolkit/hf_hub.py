"""Models of the Hugging Face hub, for encoders that name one: where its client keeps them, and how one is fetched.

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

_WEIGHTS = ("*.safetensors", "*.bin")
_SMALL = ("*.json", "*.txt")
_SECONDS = 5.0
_OFFLINE = ("VICINAL_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


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
        """The length of the vectors in which two kinds of things meet."""
        return int(self.config.get("projection_dim") or 512)

    @cached_property
    def hash(self) -> str:
        """A hash of weights, tokenizer and all settings."""
        files = sorted({path for kind in (*weight_patterns(self.path), *_SMALL) for path in self.path.glob(kind)})
        parts = [f"{path.name} {hash_file(path)}" for path in files]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def preprocessor_config(self, of: str) -> dict[str, Any]:
        """What its files say of how inputs are prepared; ``of`` names that part where one file is for several."""
        own = read_json(self.path / "preprocessor_config.json")
        return own or read_json(self.path / "processor_config.json").get(of) or {}


class DownloadError(Exception):
    """A model cannot be had from the hub; its text says why."""


def offline_variable() -> str:
    """The environment variable that forbids downloads, if one does."""
    return next((name for name in _OFFLINE if os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")), "")


def cache_dir() -> Path:
    """Where the hub's client keeps models: https://huggingface.co/docs/huggingface_hub/guides/manage-cache."""
    env = os.environ
    home = Path(env.get("HF_HOME") or Path(env.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    return Path(env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE") or home / "hub").expanduser()


def weight_patterns(folder: Path) -> list[str]:
    """The pattern of a folder's files with weights, safetensors where there are any; empty where it has none."""
    return [kind for kind in _WEIGHTS if any(folder.glob(kind))][:1]


def find_cached(name: str) -> Path | None:
    """The snapshot of a model in the cache, if it is complete enough to hold weights."""
    folder = cache_dir() / f"models--{name.replace('/', '--')}"
    main = folder / "refs" / "main"
    if main.is_file() and weight_patterns(snapshot := folder / "snapshots" / main.read_text().strip()):
        return snapshot
    return None


def download(name: str, small: Sequence[str], ignore: Sequence[str] = ()) -> Path:
    """Fetch a model: its weights in one format, and the files that match ``small`` and not ``ignore``.

    A hub that does not answer is no hang.

    Raises:
        NotFetched: downloads are forbidden, there is no network, no such model, or no right to it.
    """
    if variable := offline_variable():
        raise DownloadError(f"{variable} forbids downloads")
    try:
        from huggingface_hub import HfApi, snapshot_download

        info = HfApi().model_info(name, timeout=_SECONDS)
        files = [sibling.rfilename for sibling in info.siblings or []]
        kind = next((kind for kind in _WEIGHTS if any(file.endswith(kind[1:]) for file in files)), _WEIGHTS[0])
        return Path(
            snapshot_download(name, revision=info.sha, allow_patterns=[*small, kind], ignore_patterns=[*ignore])
        )
    except Exception as error:  # each way to fail has a class of its own
        first = next(iter(str(error).splitlines()), "")
        raise DownloadError(f"the hub answers {type(error).__name__}: {first}") from error


def resolve_model(model: str, kind: str, otherwise: str) -> Path:
    """The folder of a model, given as a local folder or by its name: in the cache, and only then on the hub.

    ``kind`` is what its ``config.json`` must say that it is, ``otherwise`` what to do instead where it cannot be had.

    Raises:
        DependencyError: it is not there and cannot be fetched; the message says where it may lie.
        PluginError: it is of another kind.
    """
    is_path = Path(model).is_dir() or model.startswith((".", "/", "~")) or model.count("/") > 1
    path = Path(model) if is_path else find_cached(model) or _fetched(model, otherwise)
    if is_path and not (path.is_dir() and weight_patterns(path)):
        why = "the folder holds no weights" if path.is_dir() else "there is no such folder"
        raise _missing(model, why, otherwise)
    if (found := read_json(path / "config.json").get("model_type")) != kind:
        raise PluginError(f"{model} is no {kind.upper()}: its config.json says {found or 'nothing'} for model_type")
    return path


def _fetched(name: str, otherwise: str) -> Path:
    try:
        return download(name, _SMALL)
    except DownloadError as error:
        raise _missing(name, str(error), otherwise) from error


def _missing(name: str, why: str, otherwise: str) -> DependencyError:
    folder = cache_dir() / f"models--{name.replace('/', '--')}"
    return DependencyError(
        f"the weights of the model {name} are not on this machine ({why})",
        hint=f"they may lie in {folder}, or in a folder that `model:` names; {otherwise}",
    )


def read_json(path: Path) -> dict[str, Any]:
    """A settings file of a model; empty where there is none.

    Raises:
        PluginError: it is not valid JSON.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
    except ValueError as error:
        raise PluginError(f"{path} is not valid JSON: {error}", hint="fetch the model again") from error
    return found


def hash_file(path: Path) -> str:
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
