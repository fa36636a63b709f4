"""Videos by some of their frames: each becomes a segment with its time, encoded by any registered encoder of images.

The image encoder is given frames as images of Pillow: that it takes these as an item's content is all that is asked of
it. Videos are searched by a video, or by whatever the image encoder says it is asked by: a picture, with CLIP also a
sentence.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field, model_validator

from vicinal import Encoder, EncoderBlock, Item, ItemError, Rendering, Segment, Space
from vicinal.errors import PluginError
from vicinal.types import Modality, TextQuery

if TYPE_CHECKING:
    import numpy as np

    from vicinal_video.video import Film, Shown

__all__ = ["Keyframes"]

MOST_ASKED = 64
"""Frames of a video that is searched with; of a longer one as many, evenly spread."""

_HELD = 64
_SUFFIXES = (".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm")


class Vector(NamedTuple):
    """A frame that is encoded already."""

    values: np.ndarray


class Keyframes(Encoder):
    """Encodes videos; content is the path of a file, a query that or what the image encoder takes."""

    segmented = True

    class Params(Encoder.Params):
        image: EncoderBlock = Field(default={"type": "efficientnet_lite0"}, validate_default=True)
        """The encoder of the frames, with its own parameters beside its ``type``. Videos are searched by what it is
        searched by, too: by pictures, with ``clip`` also by sentences."""
        keyframes: Literal["interval", "scene"] = "interval"
        """``interval``: one frame in ``every`` seconds; ``scene``: one for each scene."""
        every: float = Field(default=1.0, ge=0.04, le=3600)
        """Seconds from one frame to the next; what stands still for longer is one segment."""
        threshold: float = Field(default=0.1, gt=0, lt=1)
        """How far colours move, of 1 for black to white, until it is another scene; a cut moves them by 0.1 to 0.5."""
        size: int = Field(default=512, ge=64, le=4096)
        """Pixels: larger frames are scaled down to this shorter side before the image encoder sees them."""
        longest: float = Field(default=14_400, gt=0)
        """Seconds; a longer video is a failure."""

        @model_validator(mode="after")
        def _check_choice(self) -> Keyframes.Params:
            unused = "every" if self.keyframes == "scene" else "threshold"
            if unused in self.model_fields_set:
                raise ValueError(f"{unused} says nothing with keyframes: {self.keyframes}")
            return self

    def __init__(self, params: Any = None) -> None:
        super().__init__(params)
        self._one_at_a_time = threading.Lock()

    @cached_property
    def image(self) -> Encoder:
        """The encoder of the frames.

        Raises:
            PluginError: it cuts items into segments of its own, or its items are no images.
            DependencyError: what it needs is not installed.
        """
        made: Encoder = self.params.image.build()
        if made.segmented or made.samples_are_text or made.query_modalities[:1] not in ((), ("image",)):
            raise PluginError(
                f"image: {self.params.image.type} is no encoder of images", hint="one is efficientnet_lite0"
            )
        return made

    @property
    def space(self) -> Space:
        return self.image.space

    @property
    def signature(self) -> str:
        params = self.params
        scene = params.keyframes == "scene"
        cut = f"scene={params.threshold:.9g}" if scene else f"every={params.every:.9g}"
        return f"keyframes/1/{cut}/size={params.size}/{self.image.signature}"

    @property
    def encode_batch_size(self) -> int:
        return self.image.encode_batch_size

    @property
    def query_modalities(self) -> tuple[Modality, ...]:
        """A video, and what the image encoder says it is asked by."""
        return ("video", *self.image.query_modalities)

    @property
    def encode_is_thread_safe(self) -> bool:
        return self.image.encode_is_thread_safe

    def decode(self, item: Item) -> list[Segment]:
        """Read a video: a segment for each frame that is taken, which ends where the next one begins.

        Each 64 frames of a video are encoded here already, so that what is held of a long film is its vectors, and not
        hundreds of megabytes of pictures.

        Raises:
            ItemError: it cannot be read, has no video track, or is longer than ``longest``.
        """
        from vicinal_video.video import Film

        film = Film(_path_of(item.content), self.params.longest)
        return self._planned(item.key, film) or self._segments(item.key, film, self._picks(film))

    def decode_query(self, query: str | Path) -> list[Segment]:
        """A video, if it is the path of one; else what the image encoder makes of it.

        Where that reads sentences, ``text:`` before one makes it a sentence, though it ends as the name of a video.

        Raises:
            ItemError: the video, or what the image encoder takes it for, cannot be read.
        """
        if not self._is_video(query):
            return list(self.image.decode_query(query))
        if "text" in self.query_modalities and not os.path.isfile(query):  # noqa: PTH113
            raise ItemError(f"there is no file {query}; write {TextQuery.PREFIX}{query} if that is a sentence")
        segments = self.decode(Item("query", query))
        return segments[:: -(-len(segments) // MOST_ASKED)]

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        """Vectors of frames, as the image encoder gives them."""
        import numpy as np

        frames = [sample for sample in samples if not isinstance(sample, Vector)]
        encoded = self._encoded(frames)
        if len(frames) == len(samples):
            return encoded
        fresh = iter(encoded)
        return np.stack([sample.values if isinstance(sample, Vector) else next(fresh) for sample in samples])

    def render(self, item: Item) -> Rendering:
        return Rendering("video", str(item.content))

    def _is_video(self, query: str | Path) -> bool:
        from vicinal_video.video import is_film

        name = str(query)
        if "text" in self.query_modalities and name.startswith(TextQuery.PREFIX):
            return False
        return name.lower().endswith(_SUFFIXES) or is_film(query)

    def _planned(self, key: str, film: Film) -> list[Segment]:
        """The frames of the intervals, without decoding all that nobody sees; none where that cannot be done."""
        from vicinal_video.decode_plan import planned

        plan = planned(*film.stored(), self.params.every) if self.params.keyframes == "interval" else None
        if plan is None:
            return []
        found = self._segments(key, film, film.chosen(plan))
        return found if len(found) == len(plan.wanted) else []

    def _picks(self, film: Film) -> Iterator[Shown]:
        from vicinal_video.sampling import intervals, scenes

        if self.params.keyframes == "scene":
            return scenes(film.frames(), self.params.threshold)
        return intervals(film.frames(), self.params.every)

    def _segments(self, key: str, film: Film, picks: Iterable[Shown]) -> list[Segment]:
        from vicinal_video.frame_convert import Developer

        developer: Developer | None = None
        samples: list[Any] = []
        starts: list[float] = []
        for shown in picks:
            developer = developer or Developer(film.aspect, self.params.size)
            item = Item(f"{key} at {shown.start:.2f} s", developer.image(shown.frame))
            samples.append(self.image.decode(item)[0].sample)
            starts.append(shown.start)
            if len(samples) % _HELD == 0:
                samples[-_HELD:] = self._vectors(samples[-_HELD:])
        ends = [*starts[1:], film.end]
        return [Segment(*each) for each in zip(samples, starts, ends, strict=True)] if samples else []

    def _vectors(self, frames: list[Any]) -> list[Vector]:
        return [Vector(values) for values in self._encoded(frames)]

    def _encoded(self, frames: list[Any]) -> np.ndarray:
        with nullcontext() if self.encode_is_thread_safe else self._one_at_a_time:
            return self.image.encode(frames)


def _path_of(content: Any) -> Path:
    if not isinstance(content, str | Path):
        raise ItemError(f"a video is the path of a file, not {type(content).__name__}")
    if not str(content).strip():
        raise ItemError("the path of the video is empty")
    return Path(content)
