"""Frame sampling: one frame of a video in each interval of time, or one for each scene."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from vicinal_video.types import TimedFrame

__all__ = ["interval_index", "sample_by_interval", "sample_by_scene"]

SETTLE_SECONDS = 0.5
"""After so long a scene's frame is taken, which as a rule is past the end of a dissolve."""
MIN_SCENE_SECONDS = 0.2
"""What is shown for less between two cuts is a flicker and not a scene."""

_GRID_SIDE = 8
_POINTS_PER_CELL_SIDE = 8
_ROUNDING_SECONDS = 1e-4


def interval_index(start: float, every: float) -> int:
    """Return the number of the interval in which a frame starts; times in files are rounded, some a bit too low."""
    return int((start + _ROUNDING_SECONDS) // every)


def sample_by_interval(frames: Iterable[TimedFrame], every: float) -> Iterator[TimedFrame]:
    """Yield the first frame of each interval of ``every`` seconds in which a frame starts."""
    last = -1
    for frame in frames:
        if (index := interval_index(frame.start, every)) > last:
            last = index
            yield frame


def sample_by_scene(frames: Iterable[TimedFrame], threshold: float) -> Iterator[TimedFrame]:
    """Yield a frame for each scene, with the scene's start.

    A scene ends with the first frame whose colours are further than ``threshold`` from those of the frame that was
    taken of it: by a cut, in a dissolve, or in the course of a long pan. Compared are the means of 8 by 8 cells. Until
    that frame is taken, only a cut from one frame to the next ends the scene, and then its last frame is taken.
    """
    grid = _ColorGrid()
    start, latest, reference, is_taken = 0.0, None, None, False
    for frame in frames:
        colors = grid.compute(frame.frame)
        if latest is None or reference is None or np.abs(colors - reference).mean() > threshold:
            if latest is not None and not is_taken and latest.start >= start + MIN_SCENE_SECONDS:
                yield latest._replace(start=start)
            start, is_taken = frame.start, False
        latest = frame
        if not is_taken:
            reference = colors
            if frame.start >= start + SETTLE_SECONDS:
                is_taken = True
                yield frame._replace(start=start)
    if latest is not None and not is_taken:
        yield latest._replace(start=start)


class _ColorGrid:
    """The mean colours of 8 by 8 cells of a frame, from 64 points each, between 0 and 1."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()

    def compute(self, frame: Any) -> np.ndarray:
        """Return ``(8, 8, 3)`` float32."""
        side = _GRID_SIDE * _POINTS_PER_CELL_SIDE
        small = self._reformatter.reformat(frame, side, side, "rgb24", interpolation="POINT", threads=1)
        shape = _GRID_SIDE, _POINTS_PER_CELL_SIDE, _GRID_SIDE, _POINTS_PER_CELL_SIDE, 3
        points: np.ndarray = small.to_ndarray().reshape(shape)
        means: np.ndarray = points.mean(axis=(1, 3), dtype=np.float32) / 255
        return means
