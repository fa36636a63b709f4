"""Finding a CLIP: in a local folder, in the Hugging Face cache, and only then on the hub; and what its files say.

Nothing here imports torch or transformers, or reads the weights other than for their hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from vicinal import hub
from vicinal.errors import DependencyMissing, PluginError
from vicinal_image.frame import Preprocessing
from vicinal_image.weights import ANOTHER

__all__ = ["ClipFolder", "locate"]

_SMALL = ("*.json", "*.txt")
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_METHODS: dict[int, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}


@dataclass(frozen=True)
class ClipFolder:
    """A folder with a CLIP as transformers saves it."""

    path: Path
    name: str

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """Its ``config.json``."""
        return hub.read_json(self.path / "config.json")

    @property
    def dimension(self) -> int:
        """The length of its vectors."""
        return int(self.config.get("projection_dim") or 512)

    @property
    def longest(self) -> int:
        """Tokens of the longest sentence that is read whole; what is beyond them is cut off."""
        return int((self.config.get("text_config") or {}).get("max_position_embeddings") or 77)

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """How pictures are prepared for it, with CLIP's own way for what its files leave open.

        Raises:
            PluginError: the files ask for a way that is not CLIP's.
        """
        own = hub.read_json(self.path / "preprocessor_config.json")
        found = own or hub.read_json(self.path / "processor_config.json").get("image_processor") or {}
        resize, crop = _side(found.get("size", 224)), _side(found.get("crop_size", 224))
        method = _METHODS.get(found.get("resample", 3))
        steps = ("do_resize", "do_center_crop", "do_rescale", "do_normalize")
        if not all(found.get(step, True) for step in steps) or method is None or not crop <= resize:
            raise PluginError(f"{self.path} asks for a preparation of pictures that is not CLIP's: {found}")
        mean, std = (
            tuple(map(float, found.get(key, own))) for key, own in (("image_mean", _MEAN), ("image_std", _STD))
        )
        return Preprocessing(resize, crop, mean, std, method, floor=True)  # type: ignore[arg-type]

    @cached_property
    def hash(self) -> str:
        """A hash of weights, tokenizer and all settings."""
        files = sorted({path for kind in (*hub.weights(self.path), *_SMALL) for path in self.path.glob(kind)})
        parts = [f"{path.name} {hub.sha256(path)}" for path in files]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def locate(model: str) -> ClipFolder:
    """The folder of a model, given as a local folder or as a name on the Hugging Face hub.

    Raises:
        DependencyMissing: it is not there and cannot be fetched; the message says where it may lie.
        PluginError: it is no CLIP.
    """
    is_path = Path(model).is_dir() or model.startswith((".", "/", "~")) or model.count("/") > 1
    path = Path(model) if is_path else hub.cached(model) or _fetched(model)
    if is_path and not (path.is_dir() and hub.weights(path)):
        raise _missing(model, "the folder holds no weights" if path.is_dir() else "there is no such folder")
    folder = ClipFolder(path, model)
    if (kind := folder.config.get("model_type")) != "clip":
        raise PluginError(f"{model} is no CLIP: its config.json says {kind or 'nothing'} for model_type")
    return folder


def _side(size: Any) -> int:
    """The side of a square, or the length of the shorter side, in the ways that preprocessor_config.json writes it."""
    if isinstance(size, Mapping):
        size = size.get("shortest_edge") or (size.get("height") if size.get("height") == size.get("width") else 0)
    return int(size or 0)


def _fetched(name: str) -> Path:
    try:
        return hub.fetch(name, _SMALL)
    except hub.NotFetched as error:
        raise _missing(name, str(error)) from error


def _missing(name: str, why: str) -> DependencyMissing:
    cached = hub.cache() / f"models--{name.replace('/', '--')}"
    return DependencyMissing(
        f"the weights of the model {name} are not on this machine ({why})",
        hint=f"they may lie in {cached}, or in a folder that `model:` names; {ANOTHER}",
    )
