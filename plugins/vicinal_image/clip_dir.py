"""The folder of a CLIP: found locally, in the Hugging Face cache or on the hub, and what its small files state.

Nothing here imports torch or transformers, or reads the weights other than for their hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from vicinal.errors import PluginError
from vicinal.toolkit.hf_hub import ModelDir
from vicinal.toolkit.models import HubModel
from vicinal_image.checkpoints import ALTERNATIVE_HINT
from vicinal_image.preprocess import Preprocessing

__all__ = ["ClipDir", "make_clip_model", "resolve_clip"]

_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_INTERPOLATIONS: dict[int, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}
"""By Pillow's numbers, which preprocessor_config.json uses."""


class ClipDir(ModelDir):
    """A folder with a CLIP as transformers saves it."""

    @property
    def max_tokens(self) -> int:
        """Tokens of a sentence that the text encoder reads; the rest is cut off."""
        return int((self.config.get("text_config") or {}).get("max_position_embeddings") or 77)

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """The image preprocessing that its files state, with CLIP's own values for what they leave open.

        Raises:
            PluginError: the files state a preprocessing that is not CLIP's.
        """
        config = self.preprocessor_config("image_processor")
        resize, crop = _to_side(config.get("size", 224)), _to_side(config.get("crop_size", 224))
        interpolation = _INTERPOLATIONS.get(config.get("resample", 3))
        steps = ("do_resize", "do_center_crop", "do_rescale", "do_normalize")
        if not all(config.get(step, True) for step in steps) or interpolation is None or not crop <= resize:
            raise PluginError(f"{self.path} states a preprocessing of images that is not CLIP's: {config}")
        mean, std = (
            tuple(map(float, config.get(key, default))) for key, default in (("image_mean", _MEAN), ("image_std", _STD))
        )
        return Preprocessing(resize, crop, mean, std, interpolation, floor=True)  # type: ignore[arg-type]


def make_clip_model(model: str) -> HubModel:
    """Say which model that is, given as a local folder or by its name on the Hugging Face hub."""
    return HubModel(model, "clip", ALTERNATIVE_HINT)


def resolve_clip(model: str) -> ClipDir:
    """Return the folder of a CLIP, given as a local folder or by its name on the Hugging Face hub.

    Raises:
        DependencyError: the model is not on this machine and cannot be downloaded; the hint says where to put it.
        PluginError: the model is not a CLIP.
    """
    return ClipDir(make_clip_model(model).resolve(), model)


def _to_side(size: Any) -> int:
    """Return a square's side, or the shorter side, from any of the forms that preprocessor_config.json has."""
    if isinstance(size, Mapping):
        size = size.get("shortest_edge") or (size.get("height") if size.get("height") == size.get("width") else 0)
    return int(size or 0)
