"""Reads videos: any file that FFmpeg reads, frame by frame, in bounded memory.

One thread decodes one video, because ingest decodes several items in parallel anyway. What is damaged is left out and
the rest is kept, as long as it is the greater part.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from vicinal.errors import ItemError
from vicinal.toolkit.ffmpeg import decode_frames, decode_packet, demux, open_container, require_file
from vicinal.toolkit.magic import describe_content
from vicinal_video.decode_plan import Plan, Role
from vicinal_video.timestamps import DEFAULT_FRAME_SECONDS, Timestamps, repair_outliers
from vicinal_video.types import Packet, TimedFrame

__all__ = ["Video", "is_video"]

MAX_FRAME_PIXELS = 2**26
"""8192 by 8192: more would be a decompression bomb."""

_CONTAINERS = (
    "apng,asf,avi,dv,flv,gif,h264,hevc,ivf,matroska,mjpeg,mov,mpeg,mpegts,mpegvideo,mxf,nut,obu,ogg,rm,swf,wtv,"
    "yuv4mpegpipe"
)
"""Formats that hold a video in one file."""
_PICTURES = frozenset({"an AVIF image", "a HEIC image", "a WebP image", "a PNG image"})


@dataclass
class Video:
    """A file with a video stream. Each way of reading it opens the file anew."""

    path: Path
    max_seconds: float
    """A longer video is refused."""
    end: float = field(init=False, default=0.0)
    """The end, in seconds, of the last frame that was read."""
    pixel_aspect: Fraction = field(init=False, default=Fraction(1))
    """How much wider than high its pixels are."""

    def __post_init__(self) -> None:
        require_file(self.path)

    def decode_all(self) -> Iterator[TimedFrame]:
        """Decode all frames, in the order in which they are shown.

        Raises:
            ItemError: nothing, or the lesser part, can be decoded, or the video is longer than ``max_seconds``.
        """
        with self._open_stream() as (container, stream):
            timestamps, origin = Timestamps(stream), _start_time(container)
            stated = ((_to_seconds(frame, stream, origin), frame) for frame in decode_frames(container, stream))
            frame = None
            for seconds, frame in repair_outliers(stated):
                start, self.end = timestamps.read(seconds, frame)
                self._require_max_seconds(start)
                yield TimedFrame(frame, start)
            if frame is None:
                raise ItemError("the video has no frames")

    def index_packets(self) -> tuple[str, list[Packet]]:
        """Return the codec's name and the packets in the order of the file; none if the file states no times."""
        with self._open_stream() as (container, stream):
            origin = _start_time(container)
            stored = [packet for packet in demux(container, stream) if packet.size]
            stated = ((_to_seconds(packet, stream, origin), packet) for packet in stored)
            packets = [
                _describe_packet(packet, stream, start)
                for start, packet in repair_outliers(stated)
                if start is not None
            ]
            if packets:
                self._require_max_seconds(max(packet.start for packet in packets))
            return stream.codec_context.name, packets if len(packets) == len(stored) else []

    def decode_planned(self, plan: Plan) -> Iterator[TimedFrame]:
        """Decode the frames that a plan wants, and as few others as that takes; fewer where the file is damaged."""
        with self._open_stream() as (container, stream):
            self.end = plan.end
            frames = _follow_plan(demux(container, stream), stream, plan)
            yield from (TimedFrame(frame, plan.wanted[frame.pts]) for frame in frames if frame.pts in plan.wanted)

    @contextmanager
    def _open_stream(self) -> Iterator[tuple[Any, Any]]:
        if kind := _name_picture(self.path):
            raise ItemError(f"{kind}, not a video; search pictures with an encoder of images")
        try:
            with open_container(self.path, _CONTAINERS) as container:
                stream = _select_stream(container)
                if stream.width * stream.height > MAX_FRAME_PIXELS:
                    raise ItemError(
                        f"its frames have {stream.width:,} × {stream.height:,} pixels, more than {MAX_FRAME_PIXELS:,}"
                    )
                stream.thread_type, stream.thread_count = "NONE", 1
                self.pixel_aspect = stream.sample_aspect_ratio or Fraction(1)
                yield container, stream
        except av.error.FFmpegError as error:
            raise ItemError(f"not a readable video: {error.strerror or error}") from error

    def _require_max_seconds(self, start: float) -> None:
        if start > self.max_seconds:
            raise ItemError(f"the video is longer than {self.max_seconds:g} s (`max_seconds`)")


def is_video(path: str | Path) -> bool:
    """Whether a path is that of a video, whatever its name; an animated GIF is one."""
    try:
        if not os.path.isfile(path):  # noqa: PTH113
            return False
        if _name_picture(Path(path)):
            return False
        with open_container(Path(path), _CONTAINERS) as container:
            return _select_stream(container) is not None
    except (av.error.FFmpegError, ItemError, ValueError):
        return False


def _name_picture(path: Path) -> str:
    """Name the format of a picture, empty for other files: FFmpeg takes AVIF and HEIC for a film of their tiles, and
    reads no animated WebP. A PNG with frames is a film, as a GIF is."""
    with path.open("rb") as file:
        head = file.read(512)
    kind = describe_content(head).kind
    return kind if kind in _PICTURES and not (kind == "a PNG image" and b"acTL" in head) else ""


def _select_stream(container: Any) -> Any:
    """Return the best video stream; the cover art of a sound does not count."""
    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not streams:
        kinds = sorted({stream.type for stream in container.streams} - {"video"})
        raise ItemError("there is no video stream in it" + (f", only {' and '.join(kinds)}" if kinds else ""))
    best = container.streams.best("video")
    stream = best if best in streams else streams[0]
    if stream.codec_context is None:
        raise ItemError("FFmpeg does not know the codec of its video stream")
    return stream


def _start_time(container: Any) -> float:
    """Return the time, in seconds, that a player shows as zero."""
    return float((container.start_time or 0) / av.time_base)


def _to_seconds(timed: Any, stream: Any, origin: float) -> float | None:
    """Return when a packet or a frame is shown by the file; None where it does not say so."""
    return None if timed.pts is None else float(timed.pts * stream.time_base) - origin


def _describe_packet(packet: Any, stream: Any, start: float) -> Packet:
    default_duration = 1 / (stream.average_rate or 1 / DEFAULT_FRAME_SECONDS)
    duration = float(packet.duration * stream.time_base if packet.duration else default_duration)
    return Packet(packet.pts, start, duration, packet.is_keyframe)


def _follow_plan(packets: Iterable[Any], stream: Any, plan: Plan) -> Iterator[Any]:
    context, is_flushed = stream.codec_context, True
    stored = (packet for packet in packets if packet.size)
    for packet, role in zip(stored, plan.roles, strict=False):
        if role is Role.SKIPPED:
            if not is_flushed:
                yield from _flush_decoder(stream)
            is_flushed = True
            continue
        is_flushed = False
        context.skip_frame = "DEFAULT" if role is Role.WANTED else "NONREF"
        yield from _decode_if_possible(stream, packet)
    if not is_flushed:
        yield from _flush_decoder(stream)


def _flush_decoder(stream: Any) -> list[Any]:
    """Return the frames that the decoder holds back, and reset it."""
    frames = _decode_if_possible(stream, None)
    stream.codec_context.flush_buffers()
    return frames


def _decode_if_possible(stream: Any, packet: Any | None) -> list[Any]:
    try:
        return decode_packet(stream, packet)
    except av.error.FFmpegError:
        return []
