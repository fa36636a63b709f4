"""What the readers, plans and samplers of videos pass to each other."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Packet", "TimedFrame"]


class Packet(NamedTuple):
    """What a file states of a frame: its time stamp, start and duration in seconds, and whether it is a key frame."""

    pts: int
    start: float
    duration: float
    is_keyframe: bool


class TimedFrame(NamedTuple):
    """A decoded frame and its start, in seconds from the start of the video."""

    frame: Any
    start: float
