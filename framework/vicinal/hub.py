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
from pathlib import Path
from typing import Any

from vicinal.errors import PluginError

__all__ = ["NotFetched", "cache", "cached", "fetch", "forbidden", "read_json", "sha256", "weights"]

_WEIGHTS = ("*.safetensors", "*.bin")
_SECONDS = 5.0
_OFFLINE = ("VICINAL_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


class NotFetched(Exception):
    """A model cannot be had from the hub; its text says why."""


def forbidden() -> str:
    """The environment variable that forbids downloads, if one does."""
    return next((name for name in _OFFLINE if os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")), "")


def cache() -> Path:
    """Where the hub's client keeps models: https://huggingface.co/docs/huggingface_hub/guides/manage-cache."""
    env = os.environ
    home = Path(env.get("HF_HOME") or Path(env.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    return Path(env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE") or home / "hub").expanduser()


def weights(folder: Path) -> list[str]:
    """The pattern of a folder's files with weights, safetensors where there are any; empty where it has none."""
    return [kind for kind in _WEIGHTS if any(folder.glob(kind))][:1]


def cached(name: str) -> Path | None:
    """The snapshot of a model in the cache, if it is complete enough to hold weights."""
    folder = cache() / f"models--{name.replace('/', '--')}"
    main = folder / "refs" / "main"
    if main.is_file() and weights(snapshot := folder / "snapshots" / main.read_text().strip()):
        return snapshot
    return None


def fetch(name: str, small: Sequence[str], ignore: Sequence[str] = ()) -> Path:
    """Fetch a model: its weights in one format, and the files that match ``small`` and not ``ignore``.

    A hub that does not answer is no hang.

    Raises:
        NotFetched: downloads are forbidden, there is no network, no such model, or no right to it.
    """
    if variable := forbidden():
        raise NotFetched(f"{variable} forbids downloads")
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
        raise NotFetched(f"the hub answers {type(error).__name__}: {first}") from error


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


def sha256(path: Path) -> str:
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
