"""Reading videos: any file that FFmpeg reads, frame by frame, in bounded memory.

One thread decodes one video, since the pool that reads items is one for all of them. What is damaged is left out and
the rest is kept, as long as it is the greater part.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
from av.stream import Disposition

from vicinal.errors import ItemError
from vicinal.toolkit.ffmpeg import demux, open_container, require_file
from vicinal_video.decode_plan import Plan, Role, Stored

__all__ = ["Film", "Shown", "is_film"]

MOST_PIXELS = 2**26
"""Of a frame, 8192 by 8192: more would be a decompression bomb."""

_JUMP = 1.0
_USUAL = Fraction(1, 25)
_CONTAINERS = (
    "asf,avi,dv,flv,gif,h264,hevc,ivf,matroska,mjpeg,mov,mpeg,mpegts,mpegvideo,mxf,nut,obu,ogg,rm,swf,wtv,yuv4mpegpipe"
)
"""Formats that hold a video in one file."""


class Shown(NamedTuple):
    """A decoded frame and when it comes up, in seconds from the start of the video."""

    frame: Any
    start: float


@dataclass
class Film:
    """A video file with a track of moving pictures. Each way of reading it opens the file anew."""

    path: Path
    longest: float
    """Seconds; more of it is refused."""
    end: float = field(init=False, default=0.0)
    """Seconds, when the last frame that has been read ends."""
    aspect: Fraction = field(init=False, default=Fraction(1))
    """How much wider than high its pixels are."""

    def __post_init__(self) -> None:
        require_file(self.path)

    def frames(self) -> Iterator[Shown]:
        """All frames, in the order in which they are shown.

        Raises:
            ItemError: nothing, or the lesser part, can be decoded, or the video is longer than ``longest``.
        """
        with self._opened() as (container, stream):
            clock = _Clock(stream, _origin(container))
            for frame in _sound(_decoded(packet, stream) for packet in demux(container, stream)):
                start, self.end = clock.read(frame)
                self._check(start)
                yield Shown(frame, start)

    def stored(self) -> tuple[str, list[Stored]]:
        """The coder's name, and what the file says of each frame as they are stored; nothing if it tells no times."""
        with self._opened() as (container, stream):
            origin, base = _origin(container), stream.time_base or Fraction(0)
            usual = 1 / (stream.average_rate or 1 / _USUAL)
            found = []
            for packet in demux(container, stream):
                if not packet.size:
                    continue
                if packet.pts is None:
                    return stream.codec_context.name, []
                start = float(packet.pts * base) - origin
                self._check(start)
                length = float(packet.duration * base if packet.duration else usual)
                found.append(Stored(packet.pts, start, length, packet.is_keyframe))
            return stream.codec_context.name, found

    def chosen(self, plan: Plan) -> Iterator[Shown]:
        """The frames that a plan wants, and as few others decoded as it takes; fewer where the file is damaged."""
        with self._opened() as (container, stream):
            self.end = plan.end
            parts = _followed(demux(container, stream), stream, plan)
            yield from (Shown(frame, plan.wanted[frame.pts]) for frame in parts if frame.pts in plan.wanted)

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        try:
            with open_container(self.path, _CONTAINERS) as container:
                stream = _track(container)
                if stream.width * stream.height > MOST_PIXELS:
                    raise ItemError(
                        f"its frames have {stream.width:,} × {stream.height:,} pixels, more than can be read"
                    )
                stream.thread_type, stream.thread_count = "NONE", 1
                self.aspect = stream.sample_aspect_ratio or Fraction(1)
                yield container, stream
        except av.error.FFmpegError as error:
            raise ItemError(f"not a video that can be read: {error.strerror or error}") from error

    def _check(self, start: float) -> None:
        if start > self.longest:
            raise ItemError(f"the video is longer than `longest`, {self.longest:g} s")


def is_film(path: str | Path) -> bool:
    """Whether a path is that of a video, whatever its name says; an animated GIF is one."""
    try:
        if not os.path.isfile(path):  # noqa: PTH113
            return False
        with open_container(Path(path), _CONTAINERS) as container:
            return _track(container) is not None
    except (av.error.FFmpegError, ItemError, ValueError):
        return False


def _track(container: Any) -> Any:
    """The track of moving pictures; a sound's cover is none."""
    tracks = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not tracks:
        kinds = sorted({stream.type for stream in container.streams} - {"video"})
        raise ItemError("there are no moving pictures in it" + (f", only {' and '.join(kinds)}" if kinds else ""))
    best = container.streams.best("video")
    stream = best if best in tracks else tracks[0]
    if stream.codec_context is None:
        raise ItemError("FFmpeg does not know how its pictures are coded")
    return stream


def _origin(container: Any) -> float:
    """The time, in seconds, that a player calls zero."""
    return float((container.start_time or 0) / av.time_base)


def _decoded(packet: Any, stream: Any) -> list[Any] | str:
    """The frames that a packet completes, or why there are none."""
    try:
        return [frame for frame in stream.decode(packet) if not frame.is_corrupt]
    except av.error.EOFError:
        return []
    except av.error.FFmpegError as error:
        return str(error.strerror)


def _sound(parts: Iterable[list[Any] | str]) -> Iterator[Any]:
    """Frames, without what cannot be decoded."""
    good, bad, reason = 0, 0, ""
    for part in parts:
        if isinstance(part, str):
            bad, reason = bad + 1, part
        else:
            good += len(part)
            yield from part
    if bad > good:
        raise ItemError(f"more of it is damaged than can be decoded: {reason}")
    if not good:
        raise ItemError("there are no frames in it")


def _followed(demux: Iterable[Any], stream: Any, plan: Plan) -> Iterator[Any]:
    context, is_empty = stream.codec_context, True
    stored = (packet for packet in demux if packet.size)
    for packet, role in zip(stored, plan.roles, strict=False):
        if role is Role.SKIPPED:
            if not is_empty:
                yield from _emptied(stream)
            is_empty = True
            continue
        is_empty = False
        context.skip_frame = "DEFAULT" if role is Role.WANTED else "NONREF"
        if isinstance(found := _decoded(packet, stream), list):
            yield from found
    if not is_empty:
        yield from _emptied(stream)


def _emptied(stream: Any) -> list[Any]:
    """The frames that the decoder holds back, after which it begins anew."""
    found = _decoded(None, stream)
    stream.codec_context.flush_buffers()
    return found if isinstance(found, list) else []


class _Clock:
    """Tells when frames come up, also where the file's times are missing or begin anew."""

    def __init__(self, stream: Any, origin: float) -> None:
        self.base = stream.time_base
        self.usual = float(1 / (stream.average_rate or 1 / _USUAL))
        self.shift, self.latest = -origin, 0.0

    def read(self, frame: Any) -> tuple[float, float]:
        """Start and end of the next frame, in seconds."""
        start = self.latest
        if frame.pts is not None:
            start = float(frame.pts * self.base) + self.shift
            if start < self.latest - _JUMP:
                self.shift += self.latest - start
                start = self.latest
        end = start + (float(frame.duration * self.base) or self.usual)
        self.latest = max(self.latest, end)
        return start, end
