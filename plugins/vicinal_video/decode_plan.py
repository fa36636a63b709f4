"""Which of a video's stored frames have to be decoded for one frame in each interval.

Coders predict frames from others. A chain of predictions begins at a key frame; many frames in it (half and more, as
x264 writes by default) are such that no other depends on them. So of each chain only what comes up to the last wanted
frame is decoded, and of that only what is wanted or others depend on. The wanted frames are the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import NamedTuple

from vicinal_video.sampling import interval

__all__ = ["Plan", "Role", "Stored", "planned"]

_CODERS = frozenset({"av1", "h264", "hevc", "libdav1d", "mpeg4", "vp9"})
"""Coders that store one frame a packet, marked as a key frame where it is one."""

_JUMP = 1.0


class Stored(NamedTuple):
    """What a file says of a frame: its time stamp, that and its length in seconds, whether it is a key frame."""

    stamp: int
    start: float
    length: float
    is_key: bool


class Role(Enum):
    """What is done with a stored frame."""

    SKIPPED = 0
    BEFORE = 1
    """Decoded if others depend on it."""
    WANTED = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """A role for each stored frame, and the start in seconds of the wanted ones by their time stamps."""

    roles: list[Role]
    wanted: dict[int, float]
    end: float


def planned(coder: str, stored: Sequence[Stored], every: float) -> Plan | None:
    """A plan for the first frame of each interval of ``every`` seconds, or None where all frames have to be decoded."""
    if coder not in _CODERS or not stored or not stored[0].is_key or not _is_regular(stored):
        return None
    wanted: dict[int, float] = {}
    last = -1
    for each in sorted(stored):
        if interval(each.start, every) > last:
            wanted[each.stamp], last = each.start, interval(each.start, every)
    return Plan(_roles(stored, wanted), wanted, max(each.start + each.length for each in stored))


def _is_regular(stored: Sequence[Stored]) -> bool:
    """Whether each frame has a time of its own, and time does not leap back."""
    starts = [each.start for each in stored]
    leaps = any(start < latest - _JUMP for start, latest in zip(starts, accumulate(starts, max), strict=True))
    return len({each.stamp for each in stored}) == len(stored) and not leaps


def _roles(stored: Sequence[Stored], wanted: dict[int, float]) -> list[Role]:
    keys = [number for number, each in enumerate(stored) if each.is_key]
    roles = [Role.SKIPPED] * len(stored)
    for first, after in zip(keys, [*keys[1:], len(stored)], strict=True):
        chain = [number for number in range(first, after) if stored[number].stamp in wanted]
        if not chain:
            continue
        start = first
        if any(stored[number].stamp < stored[first].stamp for number in chain):
            start = max((key for key in keys if key < first), default=first)  # it depends on the chain before, too
        for number in range(start, chain[-1] + 1):
            roles[number] = Role.WANTED if stored[number].stamp in wanted else Role.BEFORE
    return roles
