"""What happens to videos before somebody searches with them: a moment of one as a picture, a few seconds, a poor copy.

What happens to the picture of a moment is what the encoder of images says of its pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from io import BytesIO
from itertools import chain
from typing import TYPE_CHECKING, Any

import av
from PIL import Image

from vicinal import Disturbance, ItemError
from vicinal.toolkit.ffmpeg import require_path
from vicinal_video.decode_plan import plan_part
from vicinal_video.frame_convert import FrameConverter
from vicinal_video.video import Video

if TYPE_CHECKING:
    import numpy as np

    from vicinal_video.types import Packet, TimedFrame

__all__ = ["list_disturbances"]

_CLIP_SECONDS = 5.0
_MIN_SECONDS = 1.0
_COPY_SECONDS = 60.0
"""Of a longer video the first minute is copied."""
_COPY_SHORT_SIDE = 180
_COPY_QUANTIZER = 20
"""Of MPEG-4, 1 to 31: 3 looks like the original, 20 is blocky."""
_CLIP_QUANTIZER = 3
_PICTURE_QUALITY = 95
_PIXEL_FORMAT = "yuv420p"


def list_disturbances(
    pictures: Sequence[Disturbance], max_seconds: float, max_short_side: int, *, takes_pictures: bool
) -> list[Disturbance]:
    """The disturbances of videos, and of the picture of a moment those of the encoder of images, ``pictures``."""
    limits = max_seconds, max_short_side
    clips = [
        Disturbance(
            "clip",
            "a few seconds of videos",
            partial(_make_clip, *limits),
            ".mp4",
            "sample more frames: a smaller `every` on the encoder",
        ),
        Disturbance(
            "recompressed",
            "videos copied at a height of 180 pixels, in poor quality",
            partial(_make_copy, *limits),
            ".mp4",
            "try another encoder of images, as a larger `timm` or `clip`",
        ),
    ]
    if not takes_pictures:
        return clips
    moment = Disturbance(
        "moment",
        "moments of videos as pictures",
        partial(_make_picture, *limits),
        ".jpg",
        "sample more frames: a smaller `every` on the encoder",
    )
    moments = (
        replace(
            picture,
            name=f"moment-{picture.name}",
            label=f"moments of videos as {picture.label}",
            apply=partial(_disturb_picture, picture, *limits),
        )
        for picture in pictures
    )
    return [moment, *clips, *moments]


def _make_picture(max_seconds: float, max_short_side: int, content: Any, generator: np.random.Generator) -> bytes:
    target = BytesIO()
    picture = _pick_moment(max_seconds, max_short_side, content, generator)
    picture.convert("RGB").save(target, "JPEG", quality=_PICTURE_QUALITY)
    return target.getvalue()


def _disturb_picture(
    disturbance: Disturbance, max_seconds: float, max_short_side: int, content: Any, generator: np.random.Generator
) -> str | bytes | None:
    return disturbance.apply(_pick_moment(max_seconds, max_short_side, content, generator), generator)


def _pick_moment(max_seconds: float, max_short_side: int, content: Any, generator: np.random.Generator) -> Image.Image:
    """A random frame.

    Raises:
        ItemError: the video cannot be read.
    """
    video = _open_video(content, max_seconds)
    codec, packets = video.index_packets()
    moment = float(generator.choice(sorted(packet.start for packet in packets))) if packets else 0.0
    frame = next(_decode_part(video, codec, packets, moment, moment), None)
    if frame is None:  # of a damaged place, or of a file that states other times than its frames have
        frame = next(video.decode_all())
    return FrameConverter(video.pixel_aspect, max_short_side).to_image(frame.frame)


def _make_clip(max_seconds: float, max_short_side: int, content: Any, generator: np.random.Generator) -> bytes | None:
    """Five random seconds, or half of a video of less than ten; none of one below a second, or without times."""
    video = _open_video(content, max_seconds)
    codec, packets = video.index_packets()
    last = max((packet.start for packet in packets), default=0.0)
    if last < _MIN_SECONDS:
        return None
    seconds = min(_CLIP_SECONDS, last / 2)
    start = float(generator.uniform(0.0, last - seconds))
    return _encode_frames(
        video, _decode_part(video, codec, packets, start, start + seconds), max_short_side, _CLIP_QUANTIZER
    )


def _make_copy(max_seconds: float, max_short_side: int, content: Any, _: np.random.Generator) -> bytes:
    """The first minute."""
    video = _open_video(content, max_seconds)
    codec, packets = video.index_packets()
    frames = _decode_part(video, codec, packets, 0.0, _COPY_SECONDS)
    return _encode_frames(video, frames, min(_COPY_SHORT_SIDE, max_short_side), _COPY_QUANTIZER)


def _open_video(content: Any, max_seconds: float) -> Video:
    return Video(require_path(content, "video"), max_seconds)


def _decode_part(video: Video, codec: str, packets: Sequence[Packet], start: float, end: float) -> Iterator[TimedFrame]:
    """The frames of a part, without decoding what stands before it where the file allows that."""
    plan = plan_part(codec, packets, start, end)
    if plan is not None:
        yield from video.decode_planned(plan)
        return
    for frame in video.decode_all():
        if frame.start >= start:
            yield frame
        if frame.start >= end:
            return


def _encode_frames(video: Video, frames: Iterator[TimedFrame], short_side: int, quantizer: int) -> bytes:
    """The frames as an MP4 in MPEG-4, at the times at which they are shown.

    Raises:
        ItemError: there is no frame.
    """
    if (first := next(frames, None)) is None:
        raise ItemError("the video has no frames")
    target, converter = BytesIO(), FrameConverter(video.pixel_aspect, short_side)
    with av.open(target, "w", format="mp4") as container:
        stream = _add_stream(container, _to_even_image(converter, first), quantizer)
        for frame in chain([first], frames):
            image = _to_even_image(converter, frame).resize((stream.width, stream.height))
            # Converted here, since the encoder's own conversion, on several threads, dithers otherwise each time.
            picture = av.VideoFrame.from_image(image).reformat(format=_PIXEL_FORMAT)
            picture.time_base, picture.pts = stream.codec_context.time_base, round(1000 * (frame.start - first.start))
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return target.getvalue()


def _add_stream(container: Any, image: Image.Image, quantizer: int) -> Any:
    """MPEG-4 on one thread: every FFmpeg has it, and unlike x264 it writes the same bytes each time."""
    options = {"qmin": str(quantizer), "qmax": str(quantizer)}
    stream = container.add_stream("mpeg4", options=options)
    stream.width, stream.height, stream.pix_fmt = image.width, image.height, _PIXEL_FORMAT
    stream.codec_context.time_base = Fraction(1, 1000)
    stream.codec_context.thread_count = 1
    return stream


def _to_even_image(converter: FrameConverter, frame: TimedFrame) -> Image.Image:
    """The frame with even sides: MPEG-4 has a colour for four pixels."""
    image = converter.to_image(frame.frame).convert("RGB")
    return image.crop((0, 0, max(2, image.width // 2 * 2), max(2, image.height // 2 * 2)))
