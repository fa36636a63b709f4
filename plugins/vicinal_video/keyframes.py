"""Videos by some of their frames: each becomes a segment with its time, encoded by any registered encoder of images.

The image encoder is given frames as images of Pillow; that it takes these as an item's content is all it has to do.
Videos are searched by a video, or by any modality of the image encoder: an image, with CLIP also a sentence.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import Field, model_validator

from vicinal import IMAGE, TEXT, VIDEO, Encoder, EncoderBlock, Item, ItemError, Rendering, Segment, Space
from vicinal.errors import PluginError
from vicinal.types import Modality, TextQuery

if TYPE_CHECKING:
    import numpy as np

    from vicinal import Disturbance
    from vicinal.toolkit.models import Model
    from vicinal_video.types import TimedFrame
    from vicinal_video.video import Video

__all__ = ["Keyframes"]

MAX_QUERY_FRAMES = 64
"""Frames of a video that is searched with; of a longer one as many, evenly spread."""

_ENCODE_EVERY = 64
_SUFFIXES = (".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm")


class EncodedFrame(NamedTuple):
    """The sample of a frame that ``decode`` has encoded already."""

    vector: np.ndarray


class Keyframes(Encoder["Keyframes.Params"]):
    """Encodes videos; content is the path of a file, a query that or whatever the image encoder takes."""

    segmented = True

    class Params(Encoder.Params):
        image: EncoderBlock = Field(default={"type": "efficientnet_lite0"}, validate_default=True)
        """The encoder of the frames, with its own parameters beside its ``type``. Videos are also searched by its
        query modalities: by images, with ``clip`` by sentences too."""
        keyframes: Literal["interval", "scene"] = "interval"
        """``interval``: one frame in ``every`` seconds; ``scene``: one for each scene."""
        every: float = Field(default=1.0, ge=0.04, le=3600)
        """Seconds from one frame to the next; what stands still for longer is one segment."""
        threshold: float = Field(default=0.1, gt=0, lt=1)
        """How far colours move, of 1 for black to white, until another scene begins; a cut moves them by 0.1 to 0.5."""
        max_short_side: int = Field(default=512, ge=64, le=4096)
        """Pixels: larger frames are scaled down to this shorter side before the image encoder sees them."""
        max_seconds: float = Field(default=14_400, gt=0)
        """A longer video is a failure."""

        renamed_keys: ClassVar = {"longest": "max_seconds", "size": "max_short_side"}

        @model_validator(mode="after")
        def _check_choice(self) -> Keyframes.Params:
            unused, other = ("every", "interval") if self.keyframes == "scene" else ("threshold", "scene")
            if unused in self.model_fields_set:
                remedy = f"remove it or set keyframes: {other}"
                raise ValueError(f"{unused} has no effect with keyframes: {self.keyframes}; {remedy}")
            return self

    def __init__(self, params: Any = None) -> None:
        super().__init__(params)
        self._encode_lock = threading.Lock()

    @cached_property
    def image(self) -> Encoder:
        """The encoder of the frames.

        Raises:
            PluginError: it splits items into segments of its own, or its items are not images.
            DependencyError: what it needs is not installed.
        """
        encoder: Encoder = self.params.image.build()
        if encoder.segmented or encoder.samples_are_text or encoder.query_modalities[:1] not in ((), (IMAGE,)):
            raise PluginError(
                f"image: {self.params.image.type} is not an image encoder", hint="use one, e.g. efficientnet_lite0"
            )
        return encoder

    @property
    def space(self) -> Space:
        return self.image.space

    @property
    def signature(self) -> str:
        params = self.params
        by_scene = params.keyframes == "scene"
        sampling = f"scene={params.threshold:.9g}" if by_scene else f"every={params.every:.9g}"
        return f"keyframes/1/{sampling}/size={params.max_short_side}/{self.image.signature}"

    @property
    def encode_batch_size(self) -> int:
        return self.image.encode_batch_size

    @property
    def query_modalities(self) -> tuple[Modality, ...]:
        """Video, and the query modalities of the image encoder."""
        return (VIDEO, *self.image.query_modalities)

    @property
    def encode_is_thread_safe(self) -> bool:
        return self.image.encode_is_thread_safe

    def list_models(self) -> Sequence[Model]:
        return self.image.list_models()

    def decode(self, item: Item) -> list[Segment]:
        """Read a video: a segment for each sampled frame, which ends where the next one begins.

        Each 64 frames of a video are encoded here already, so that memory holds the vectors of a long video and not
        hundreds of megabytes of images.

        Raises:
            ItemError: it cannot be read, has no video stream, or is longer than ``max_seconds``.
        """
        from vicinal.toolkit.ffmpeg import require_path
        from vicinal_video.video import Video

        video = Video(require_path(item.content, "video"), self.params.max_seconds)
        by_plan = self._decode_by_plan(item.key, video)
        return by_plan or self._to_segments(item.key, video, self._sample_frames(video))

    def decode_query(self, query: str | Path) -> list[Segment]:
        """Prepare a video, if the query is the path of one; else whatever the image encoder takes it for.

        Where that reads sentences, ``text:`` before one makes it a sentence, though it ends as the name of a video.

        Raises:
            ItemError: the video, or what the image encoder takes it for, cannot be read.
        """
        if not self._is_video(query):
            return list(self.image.decode_query(query))
        if TEXT in self.query_modalities and not os.path.isfile(query):  # noqa: PTH113
            raise ItemError(f"there is no file {query}; write {TextQuery.PREFIX}{query} if that is a sentence")
        segments = self.decode(Item("query", query))
        return segments[:: -(-len(segments) // MAX_QUERY_FRAMES)]

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        """Encode frames by the image encoder; those that ``decode`` has encoded are taken as they are."""
        import numpy as np

        frames = [sample for sample in samples if not isinstance(sample, EncodedFrame)]
        vectors = self._encode_frames(frames)
        if len(frames) == len(samples):
            return vectors
        remaining = iter(vectors)
        return np.stack([sample.vector if isinstance(sample, EncodedFrame) else next(remaining) for sample in samples])

    def render(self, item: Item) -> Rendering:
        return Rendering("video", str(item.content))

    def list_disturbances(self) -> list[Disturbance]:
        """A moment of a video as a picture, disturbed as those of the image encoder; five seconds; a poor copy."""
        from vicinal_video.disturbances import list_disturbances

        limits = self.params.max_seconds, self.params.max_short_side
        return list_disturbances(self.image.list_disturbances(), *limits, takes_pictures=IMAGE in self.query_modalities)

    @property
    def quality_note(self) -> str:
        return self.image.quality_note

    def _is_video(self, query: str | Path) -> bool:
        from vicinal_video.video import is_video

        name = str(query)
        if TEXT in self.query_modalities and name.startswith(TextQuery.PREFIX):
            return False
        return name.lower().endswith(_SUFFIXES) or is_video(query)

    def _decode_by_plan(self, key: str, video: Video) -> list[Segment]:
        """Decode the frames of the intervals and few others; return nothing where that cannot be done."""
        from vicinal_video.decode_plan import plan_decoding

        if self.params.keyframes != "interval":
            return []
        plan = plan_decoding(*video.index_packets(), self.params.every)
        if plan is None:
            return []
        segments = self._to_segments(key, video, video.decode_planned(plan))
        return segments if len(segments) == len(plan.wanted) else []

    def _sample_frames(self, video: Video) -> Iterator[TimedFrame]:
        from vicinal_video.sampling import sample_by_interval, sample_by_scene

        if self.params.keyframes == "scene":
            return sample_by_scene(video.decode_all(), self.params.threshold)
        return sample_by_interval(video.decode_all(), self.params.every)

    def _to_segments(self, key: str, video: Video, frames: Iterable[TimedFrame]) -> list[Segment]:
        from vicinal_video.frame_convert import FrameConverter

        converter: FrameConverter | None = None
        samples: list[Any] = []
        starts: list[float] = []
        for frame, start in frames:
            converter = converter or FrameConverter(video.pixel_aspect, self.params.max_short_side)
            item = Item(f"{key} at {start:.2f} s", converter.to_image(frame))
            samples.append(self.image.decode(item)[0].sample)
            starts.append(start)
            if len(samples) % _ENCODE_EVERY == 0:
                samples[-_ENCODE_EVERY:] = map(EncodedFrame, self._encode_frames(samples[-_ENCODE_EVERY:]))
        ends = [*starts[1:], video.end]
        return [Segment(*segment) for segment in zip(samples, starts, ends, strict=True)] if samples else []

    def _encode_frames(self, frames: list[Any]) -> np.ndarray:
        with nullcontext() if self.encode_is_thread_safe else self._encode_lock:
            return self.image.encode(frames)
