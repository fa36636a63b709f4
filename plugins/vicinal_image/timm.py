"""The networks of timm without their heads, by its names: more than a thousand, DINOv2, SigLIP and EVA among them.

Weights are those of the Hugging Face hub, in its cache; a file with a state dict; or random ones, for tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicinal import Space
from vicinal.errors import DependencyError
from vicinal.toolkit.hf_hub import WEIGHT_PATTERNS
from vicinal.toolkit.models import HubModel
from vicinal.toolkit.torch_hub import load_state_dict
from vicinal_image.checkpoints import ALTERNATIVE_HINT
from vicinal_image.decode import MAX_PIXELS, load_image
from vicinal_image.preprocess import Decode, Preprocessing
from vicinal_image.pretrained import PretrainedEncoder, mismatch_error, require_known

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

__all__ = ["Timm"]


class Timm(PretrainedEncoder):
    """Any network of timm; its vectors are those of ``num_classes=0``."""

    class Params(PretrainedEncoder.Params):
        model: str  # type: ignore[misc]
        """A network of timm, with the name of its weights where there are several: vit_small_patch14_dinov2.lvd142m,
        convnext_tiny.in12k_ft_in1k, …"""

    params: Params

    @property
    def space(self) -> Space:
        return Space(self._skeleton.head_hidden_size, "float", "COSINE")

    @property
    def signature(self) -> str:
        return f"timm/{super().signature}"

    @cached_property
    def preprocessing(self) -> Preprocessing | TimmPreprocessing:  # type: ignore[override]
        """timm's for this network, by its data config."""
        from timm.data import create_transform, resolve_model_data_config

        config = resolve_model_data_config(self._skeleton)
        return _to_preprocessing(config, create_transform(**config, use_prefetcher=True))

    def _build_network(self, *, as_skeleton: bool = False) -> nn.Module:
        import timm

        require_known(self.params.model, [*timm.list_models(), *timm.list_pretrained()], "model: timm's network")
        model: nn.Module = timm.create_model(self.params.model, num_classes=0)
        return model

    @property
    def _published_model(self) -> HubModel:
        if not (repository := self._skeleton.pretrained_cfg["hf_hub_id"]):
            raise DependencyError(
                f"timm has no weights of {self.params.model} on the Hugging Face hub",
                hint=f"set `weights:` to the path of a state dict; {ALTERNATIVE_HINT}",
            )
        setting = "weights: {folder}/model.safetensors"
        return HubModel(repository, alternative=ALTERNATIVE_HINT, setting=setting)

    def _find_weights_file(self, path: Path) -> Path:
        files = (file for pattern in WEIGHT_PATTERNS for file in sorted(path.rglob(pattern)))
        return path if path.is_file() else next(files)

    def _load_network(self, path: Path) -> nn.Module:
        """Build the network with as many classes as the file has, so that timm compares all names and shapes."""
        from timm import create_model

        tensors, config = load_state_dict(path), self._skeleton.pretrained_cfg
        heads = [config["classifier"]] if isinstance(config["classifier"], str) else config["classifier"] or []
        rows = [len(tensors[f"{head}.weight"]) for head in heads if f"{head}.weight" in tensors]
        del tensors  # timm reads the file itself
        reason = Exception()
        # Where there is no head by that name, the file has none, or one with a name that timm translates.
        for classes in rows[:1] or (0, config["num_classes"]):
            given = {"file": str(path), "num_classes": classes, "label_offset": 0}
            try:
                model: Any = create_model(self.params.model, True, pretrained_cfg_overlay=given, num_classes=classes)
            except Exception as error:  # each network has errors of its own
                reason = error
            else:
                model.reset_classifier(0)
                return model
        raise mismatch_error(self.params.model, path, reason) from reason


@dataclass(frozen=True)
class TimmPreprocessing:
    """timm's own transforms, for the few networks that prepare an image otherwise: bordered, or not square."""

    transforms: Any
    input_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __str__(self) -> str:
        return "/".join(str(step).replace(" ", "") for step in self.transforms.transforms[:-1])

    def apply(self, content: Any, decode: Decode = "exact", max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """Load an image and prepare it: ``(height, width, 3)`` uint8; ``decode`` makes no difference."""
        import numpy as np

        pixels = self.transforms(load_image(content, max_pixels=max_pixels)).numpy()
        return np.ascontiguousarray(pixels.transpose(1, 2, 0))


def _to_preprocessing(config: dict[str, Any], transforms: Any) -> Preprocessing | TimmPreprocessing:
    """Take over timm's two usual ways: the shorter side resized, or both sides, and a square from the middle."""
    _, height, width = config["input_size"]
    mean, std = tuple(config["mean"]), tuple(config["std"])
    resize, *others = transforms.transforms
    kinds = [type(step).__name__ for step in (resize, *others)]
    sizes = {resize.size} if isinstance(resize.size, int) else set(resize.size)
    is_usual = kinds[:2] == ["Resize", "CenterCrop"] and len(sizes) == 1 and height == width <= min(sizes)
    if not is_usual or config["interpolation"] not in ("bilinear", "bicubic"):
        return TimmPreprocessing(transforms, (height, width), mean, std)
    squash = not isinstance(resize.size, int)
    return Preprocessing(min(sizes), height, mean, std, config["interpolation"], squash=squash)
