"""Which frames of a video are taken: one in each interval of time, or one for each scene."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from vicinal_video.video import Shown

__all__ = ["interval", "intervals", "scenes"]

SETTLES = 0.5
"""Seconds after which a scene's frame is taken, past the end of a dissolve as a rule."""
SHORTEST = 0.2
"""Seconds; what is shown for less between two cuts is a flicker and no scene."""

_FIELDS = 8
_POINTS = 8
_EARLY = 1e-4


def interval(start: float, every: float) -> int:
    """The number of the interval in which a frame comes up; times in files are rounded, so some come a bit early."""
    return int((start + _EARLY) // every)


def intervals(frames: Iterable[Shown], every: float) -> Iterator[Shown]:
    """The first frame of each interval of ``every`` seconds in which a frame comes up."""
    last = -1
    for shown in frames:
        if (number := interval(shown.start, every)) > last:
            last = number
            yield shown


def scenes(frames: Iterable[Shown], threshold: float) -> Iterator[Shown]:
    """A frame for each scene, with the scene's start.

    A scene ends with the first frame whose colours are further than ``threshold`` from those of the frame that was
    taken of it: by a cut, in a dissolve, or in the course of a long pan. Compared are the means of 8 by 8 fields. Until
    that frame is taken, only a cut from one frame to the next ends it, and then its last frame is taken.
    """
    glance = _Glance()
    start, latest, colours, taken = 0.0, None, None, False
    for shown in frames:
        now = glance.at(shown.frame)
        if latest is None or colours is None or np.abs(now - colours).mean() > threshold:
            if latest is not None and not taken and latest.start >= start + SHORTEST:
                yield latest._replace(start=start)
            start, taken = shown.start, False
        latest = shown
        if not taken:
            colours = now
            if shown.start >= start + SETTLES:
                taken = True
                yield shown._replace(start=start)
    if latest is not None and not taken:
        yield latest._replace(start=start)


class _Glance:
    """Frames at a glance: the mean colours of 8 by 8 fields, from 64 points each, between 0 and 1."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()

    def at(self, frame: Any) -> np.ndarray:
        side = _FIELDS * _POINTS
        small = self._reformatter.reformat(frame, side, side, "rgb24", interpolation="POINT", threads=1)
        points: np.ndarray = small.to_ndarray().reshape(_FIELDS, _POINTS, _FIELDS, _POINTS, 3)
        means: np.ndarray = points.mean(axis=(1, 3), dtype=np.float32) / 255
        return means
