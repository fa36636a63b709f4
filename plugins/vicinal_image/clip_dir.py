"""Finding a CLIP: in a local folder, in the Hugging Face cache, and only then on the hub; and what its files say.

Nothing here imports torch or transformers, or reads the weights other than for their hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from vicinal.errors import PluginError
from vicinal.toolkit import hf_hub as hub
from vicinal_image.checkpoints import ANOTHER
from vicinal_image.preprocess import Preprocessing

__all__ = ["ClipFolder", "locate"]

_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_METHODS: dict[int, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}


class ClipFolder(hub.ModelDir):
    """A folder with a CLIP as transformers saves it."""

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
        found = self.preprocessor_config("image_processor")
        resize, crop = _side(found.get("size", 224)), _side(found.get("crop_size", 224))
        method = _METHODS.get(found.get("resample", 3))
        steps = ("do_resize", "do_center_crop", "do_rescale", "do_normalize")
        if not all(found.get(step, True) for step in steps) or method is None or not crop <= resize:
            raise PluginError(f"{self.path} asks for a preparation of pictures that is not CLIP's: {found}")
        mean, std = (
            tuple(map(float, found.get(key, own))) for key, own in (("image_mean", _MEAN), ("image_std", _STD))
        )
        return Preprocessing(resize, crop, mean, std, method, floor=True)  # type: ignore[arg-type]


def locate(model: str) -> ClipFolder:
    """The folder of a model, given as a local folder or as a name on the Hugging Face hub.

    Raises:
        DependencyError: it is not there and cannot be fetched; the message says where it may lie.
        PluginError: it is no CLIP.
    """
    return ClipFolder(hub.resolve_model(model, "clip", ANOTHER), model)


def _side(size: Any) -> int:
    """The side of a square, or the length of the shorter side, in the ways that preprocessor_config.json writes it."""
    if isinstance(size, Mapping):
        size = size.get("shortest_edge") or (size.get("height") if size.get("height") == size.get("width") else 0)
    return int(size or 0)
