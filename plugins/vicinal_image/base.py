"""What all image encoders share: their parameters, decoding on the decode threads, and how an image is shown."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from vicinal import Encoder, Item, Rendering, Segment
from vicinal.toolkit.torch_runtime import Device, Precision, locked_cached_property
from vicinal.types import Modality
from vicinal_image.decode import MOST_PIXELS
from vicinal_image.preprocess import Decode, Preprocessing

if TYPE_CHECKING:
    import numpy as np

    from vicinal_image.inference import Build, Engine

__all__ = ["ImageEncoder"]


class ImageEncoder(Encoder):
    """An encoder of images: a file's path, bytes, or an image of Pillow (a frame of a video, say)."""

    query_modalities: tuple[Modality, ...] = ("image",)
    encode_is_thread_safe = True

    class Params(Encoder.Params):
        batch_size: int = Field(default=16, ge=1, le=4096)
        """Images computed together. 8 to 16 are best on a CPU, 64 to 256 on a GPU."""
        precision: Precision = "auto"
        """``auto``: bfloat16 (on older GPUs float16) where the hardware has it and vectors stay true, else float32."""
        decode: Decode = "fast"
        """``fast`` decodes large JPEGs at a fraction of their size; ``exact`` is what torchvision does."""
        device: Device = "auto"
        """``auto`` is a GPU where torch finds one."""
        max_pixels: int = Field(default=MOST_PIXELS, ge=1, le=2 * MOST_PIXELS)
        """An image of more pixels is refused before it is decoded: it may be a decompression bomb."""

    @property
    @abstractmethod
    def preprocessing(self) -> Preprocessing:
        """How an image becomes the network's input; known without loading the network."""

    @abstractmethod
    def _build(self) -> Build:
        """Load the weights, and say how the network is made of them in a precision, on a device."""

    @property
    def encode_batch_size(self) -> int:
        return max(128, int(self.params.batch_size))

    def decode(self, item: Item) -> list[Segment]:
        """Read an image: one segment, whose sample is what the network sees, ``(crop, crop, 3)`` uint8.

        Raises:
            ItemError: it cannot be read; with the reason.
        """
        return [Segment(self.preprocessing.frame(item.content, self.params.decode, self.params.max_pixels))]

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        """Vectors of frames, ``(n, dimension)`` float32."""
        import numpy as np

        if not samples:
            return np.zeros((0, self.space.dimension), np.float32)
        return self._engine.encode(samples)

    def render(self, item: Item) -> Rendering:
        """The image's file; an image that has none is a text that says so."""
        if isinstance(item.content, str | Path):
            return Rendering("image", str(item.content))
        return Rendering("text", f"an image without a file ({item.key})")

    @property
    def _precision(self) -> Precision:
        """What ``precision`` means for this network."""
        found: Precision = self.params.precision
        return found

    @property
    def _manner(self) -> str:
        """The part of a signature that says how pictures are prepared and computed.

        ``auto`` is part of it as it is written, not what it means on this hardware: vectors in bfloat16 have a cosine
        of 0.9999 to those in float32, so a collection built on one machine can be searched on another.
        """
        return f"{self.preprocessing}/{self.params.decode}/{self.params.precision}"

    @locked_cached_property
    def _engine(self) -> Engine:
        from vicinal_image.inference import Engine

        params = self.params
        return Engine(self._build(), self.preprocessing, self._precision, params.device, params.batch_size)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors brought to length 1; one of zeros stays as it is."""
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: np.ndarray = vectors / np.where(lengths == 0.0, np.float32(1.0), lengths)
    return found
