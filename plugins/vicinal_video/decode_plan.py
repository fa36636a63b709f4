"""Which packets of a video have to be decoded for one frame in each interval, or for the frames of a part.

Codecs code most frames relative to others. A group of pictures (GOP) starts at a key frame; half and more of its
frames, as x264 writes by default, are non-reference frames, on which no other depends. So each GOP is decoded only up
to its last wanted frame, without the non-reference frames that are not wanted. The wanted frames are the same to the
last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate

from vicinal_video.sampling import interval_index
from vicinal_video.types import Packet

__all__ = ["Plan", "Role", "plan_decoding", "plan_part"]

_CODECS = frozenset({"av1", "h264", "hevc", "libdav1d", "mpeg4", "vp9"})
"""Codecs that store one frame a packet, marked as a key frame where it is one."""

_MAX_BACKWARD_JUMP = 1.0
"""Seconds by which a packet may be earlier than one before it; more is a time that starts anew."""


class Role(Enum):
    """What is done with a packet."""

    SKIPPED = 0
    REFERENCE = 1
    """Decoded if others depend on it."""
    WANTED = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """A role for each packet, and the start in seconds of each wanted frame by its time stamp."""

    roles: list[Role]
    wanted: dict[int, float]
    end: float


def plan_decoding(codec: str, packets: Sequence[Packet], every: float) -> Plan | None:
    """Plan for the first frame of each interval of ``every`` seconds; None where all frames have to be decoded."""
    if not _can_be_planned(codec, packets):
        return None
    wanted: dict[int, float] = {}
    last = -1
    for packet in sorted(packets):
        if interval_index(packet.start, every) > last:
            wanted[packet.pts], last = packet.start, interval_index(packet.start, every)
    return _make_plan(packets, wanted)


def plan_part(codec: str, packets: Sequence[Packet], start: float, end: float) -> Plan | None:
    """Plan for the frames from ``start`` to ``end``, in seconds; None where all frames have to be decoded."""
    if not _can_be_planned(codec, packets):
        return None
    return _make_plan(packets, {packet.pts: packet.start for packet in packets if start <= packet.start <= end})


def _can_be_planned(codec: str, packets: Sequence[Packet]) -> bool:
    return codec in _CODECS and bool(packets) and packets[0].is_keyframe and _is_regular(packets)


def _make_plan(packets: Sequence[Packet], wanted: dict[int, float]) -> Plan:
    return Plan(_assign_roles(packets, wanted), wanted, max(packet.start + packet.duration for packet in packets))


def _is_regular(packets: Sequence[Packet]) -> bool:
    """Whether each frame has a time of its own, and time does not jump back."""
    starts = [packet.start for packet in packets]
    latest = accumulate(starts, max)
    jumps = any(start < before - _MAX_BACKWARD_JUMP for start, before in zip(starts, latest, strict=True))
    return len({packet.pts for packet in packets}) == len(packets) and not jumps


def _assign_roles(packets: Sequence[Packet], wanted: dict[int, float]) -> list[Role]:
    keyframes = [number for number, packet in enumerate(packets) if packet.is_keyframe]
    roles = [Role.SKIPPED] * len(packets)
    for first, after in zip(keyframes, [*keyframes[1:], len(packets)], strict=True):
        wanted_in_gop = [number for number in range(first, after) if packets[number].pts in wanted]
        if not wanted_in_gop:
            continue
        start = first
        if any(packets[number].pts < packets[first].pts for number in wanted_in_gop):  # an open GOP
            start = max((number for number in keyframes if number < first), default=first)
        for number in range(start, wanted_in_gop[-1] + 1):
            roles[number] = Role.WANTED if packets[number].pts in wanted else Role.REFERENCE
    return roles
