"""What all image encoders share: parameters, decoding, batched inference, and rendering."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from vicinal import IMAGE, Encoder, Item, Rendering, Segment
from vicinal.toolkit.torch_runtime import Device, Precision, choose_batch_size, locked_cached_property
from vicinal.types import Modality
from vicinal_image.decode import MAX_PIXELS
from vicinal_image.preprocess import Decode, Preprocessing

if TYPE_CHECKING:
    import numpy as np

    from vicinal import Disturbance
    from vicinal_image.inference import InferenceEngine, NetworkFactory

__all__ = ["ImageEncoder"]


class ImageEncoder(Encoder["ImageEncoder.Params"]):
    """Encodes images; content is the path of a file, its bytes, or an image of Pillow (a video frame, say)."""

    query_modalities: tuple[Modality, ...] = (IMAGE,)
    encode_is_thread_safe = True

    class Params(Encoder.Params):
        batch_size: int = Field(default=16, ge=1, le=4096)
        """Images computed together. 8 to 16 are best on a CPU; on a GPU the default is 128."""
        precision: Precision = "auto"
        """``auto``: bfloat16 (float16 on older GPUs) where the hardware has it and vectors match float32, else
        float32."""
        decode: Decode = "fast"
        """``fast`` decodes large JPEGs at a fraction of their size; ``exact`` gives torchvision's pixels."""
        device: Device = "auto"
        """``auto`` is a GPU where torch finds one."""
        max_pixels: int = Field(default=MAX_PIXELS, ge=1, le=2 * MAX_PIXELS)
        """An image of more pixels is refused before it is decoded: it may be a decompression bomb."""

    @property
    @abstractmethod
    def preprocessing(self) -> Preprocessing:
        """How an image becomes the network's input; known without loading the network."""

    @abstractmethod
    def _network_factory(self) -> NetworkFactory:
        """Load the weights and return what builds the network from them, for a dtype and a device."""

    @property
    def encode_batch_size(self) -> int:
        return max(128, int(self.params.batch_size))

    def decode(self, item: Item) -> list[Segment]:
        """Read an image: one segment, whose sample is the network's crop, ``(crop, crop, 3)`` uint8.

        Raises:
            ItemError: the image cannot be read; the message is the reason.
        """
        return [Segment(self.preprocessing.apply(item.content, self.params.decode, self.params.max_pixels))]

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        """Encode crops as ``decode`` returns them: ``(n, dimension)`` float32."""
        import numpy as np

        if not samples:
            return np.zeros((0, self.space.dimension), np.float32)
        return self._engine.encode(samples)

    def render(self, item: Item) -> Rendering:
        """The image's file; an image without a file becomes a text that says so."""
        if isinstance(item.content, str | Path):
            return Rendering("image", str(item.content))
        return Rendering("text", f"an image without a file ({item.key})")

    def list_disturbances(self) -> list[Disturbance]:
        """Pictures cropped, blurred, saved again, without colours, mirrored and turned."""
        from vicinal_image.disturbances import list_disturbances

        return list_disturbances(self.params.max_pixels)

    @property
    def _network_precision(self) -> Precision:
        """The parameter ``precision``, as this network interprets it."""
        precision: Precision = self.params.precision
        return precision

    @property
    def _preprocessing_tag(self) -> str:
        """The part of a signature that states preprocessing and precision.

        ``auto`` stays ``auto`` in it, whatever it means on this hardware: vectors in bfloat16 have a cosine of 0.9999
        to those in float32, so a collection built on one machine can be searched on another.
        """
        return f"{self.preprocessing}/{self.params.decode}/{self.params.precision}"

    @locked_cached_property
    def _engine(self) -> InferenceEngine:
        from vicinal_image.inference import InferenceEngine

        params, factory = self.params, self._network_factory()
        batch_size = choose_batch_size(params, gpu=128)
        return InferenceEngine(factory, self.preprocessing, self._network_precision, params.device, batch_size)
