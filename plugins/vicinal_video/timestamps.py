"""The times of frames, also where a file states some wrongly, or none."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, TypeVar

__all__ = ["DEFAULT_FRAME_SECONDS", "MAX_JUMP_SECONDS", "Timestamps", "repair_outliers"]

DEFAULT_FRAME_SECONDS = Fraction(1, 25)
MAX_JUMP_SECONDS = 1.0
"""Frames that are reordered differ by less from the time that is expected of them."""

_MAX_OUTLIERS = 8

T = TypeVar("T")


def repair_outliers(timed: Iterable[tuple[float | None, T]]) -> Iterator[tuple[float | None, T]]:
    """Yield items with their start times in seconds; up to eight that jump away and back get the time before them.

    A jump from which time goes on is kept: a long still, or a time that starts anew. None is a time that is not stated.
    """
    expected = 0.0
    pending: deque[tuple[float | None, T]] = deque()
    for pair in timed:
        pending.append(pair)
        while pending:
            start, item = pending[0]
            if start is None or abs(start - expected) <= MAX_JUMP_SECONDS:
                expected = expected if start is None else start
            elif any(_is_near(later, expected) for later, _ in list(pending)[1:]):
                start = expected
            elif len(pending) <= _MAX_OUTLIERS:
                break
            else:
                expected = start
            pending.popleft()
            yield start, item
    yield from pending


def _is_near(start: float | None, expected: float) -> bool:
    return start is not None and abs(start - expected) <= MAX_JUMP_SECONDS


class Timestamps:
    """The start and end of frames, also where the file's times are missing or start anew."""

    def __init__(self, stream: Any) -> None:
        self.time_base = stream.time_base
        self.default_duration = float(1 / (stream.average_rate or 1 / DEFAULT_FRAME_SECONDS))
        self.offset, self.latest_end = 0.0, 0.0

    def read(self, stated: float | None, frame: Any) -> tuple[float, float]:
        """Return start and end in seconds of the next frame, which starts at ``stated`` by the file."""
        start = self.latest_end
        if stated is not None:
            start = stated + self.offset
            if start < self.latest_end - MAX_JUMP_SECONDS:
                self.offset += self.latest_end - start
                start = self.latest_end
        end = start + (float(frame.duration * self.time_base) or self.default_duration)
        self.latest_end = max(self.latest_end, end)
        return start, end
