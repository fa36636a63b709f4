"""Reading sounds: any file that FFmpeg reads, as blocks of mono float32 samples at one rate, in bounded memory.

FFmpeg (PyAV) decodes and soxr resamples: the same samples as ``librosa.load`` gives, in half of its time. Channels are
averaged. What is damaged is left out and the rest is kept, as long as it is the greater part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import soxr

from vicinal.errors import ItemError
from vicinal.toolkit.ffmpeg import demux, open_container, require_file

__all__ = ["LEAST", "SILENCE", "Window", "audible", "blocks", "windows"]

SILENCE = 2.0**-15
"""A sound that never gets as loud as one step of 16 bits is silent: it has no direction in any space."""
LEAST = 0.02
"""Seconds; what is shorter is a click, not a sound."""

_BLOCK = 65_536
_SLOWEST = 2_000
_LOUDEST = 2.0**16
_TAIL = 0.5
_CONTAINERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,ogg,tta,w64,wav,wv"
)
"""Formats that hold a sound in one file."""


class Window(NamedTuple):
    """A part of a sound, with its start and end in seconds."""

    samples: np.ndarray
    start: float
    end: float


def blocks(path: Path, rate: int, longest: float) -> Iterator[np.ndarray]:
    """The samples of a file's best sound track at ``rate``, block by block.

    Raises:
        ItemError: there is no such file, no sound in it, nothing of it can be decoded, or it is longer than ``longest``
            seconds; while the blocks are read, too.
    """
    count = 0
    for block in _resampled(_decoded(require_file(path)), rate):
        count += len(block)
        if count > longest * rate:
            raise ItemError(f"the sound is longer than `longest`, {longest:g} s")
        yield block
    if count < LEAST * rate:
        raise ItemError(
            f"the sound is too short: {1000 * count / rate:.0f} ms" if count else "the sound has no samples"
        )


def audible(parts: Iterable[np.ndarray], rate: int, shortest: float) -> Iterator[np.ndarray]:
    """The same blocks, repeated until they are ``shortest`` seconds where there is less.

    Raises:
        ItemError: all of it was silent; after the last block.
    """
    peak, held, count = 0.0, [], 0
    for block in parts:
        peak = max(peak, _peak(block))
        count += len(block)
        held.append(block)
        if count >= shortest * rate:
            yield np.concatenate(held)
            held = []
    if peak < SILENCE:
        raise ItemError("the sound is silent")
    if held:
        yield np.resize(np.concatenate(held), round(shortest * rate))


def windows(
    parts: Iterable[np.ndarray], rate: int, length: float, step: float, shortest: float = 0.0
) -> Iterator[Window]:
    """Windows of ``length`` seconds, one every ``step``; silent ones are left out.

    The last one ends with the sound, so it may begin less than a step after the one before. A sound that is shorter
    than a window is one window, its samples repeated until they are ``shortest`` seconds.

    Raises:
        ItemError: all of the sound is silent; after the last block.
    """
    width, hop = round(length * rate), round(step * rate)
    rest, first, start, reached, heard = np.zeros(0, np.float32), 0, 0, 0, False
    for block in parts:
        rest = np.concatenate([rest, block])
        end = first + len(rest)
        while start + width <= end:
            part = rest[start - first : start - first + width]
            if _peak(part) >= SILENCE:
                heard = True
                yield Window(part, start / rate, (start + width) / rate)
            reached, start = start + width, start + hop
        spare = max(0, min(start, end - width) - first)
        rest, first = rest[spare:], first + spare
    end = first + len(rest)
    if not heard or end - reached > _TAIL * rate:
        part = rest[-width:]
        if _peak(part) >= SILENCE:
            heard = True
            least = max(len(part), round(shortest * rate))
            yield Window(np.resize(part, least), (end - len(part)) / rate, end / rate)
    if not heard:
        raise ItemError("the sound is silent")


def _peak(samples: np.ndarray) -> float:
    return float(max(samples.max(initial=0.0), -samples.min(initial=0.0)))


def _decoded(path: Path) -> Iterator[tuple[np.ndarray, int]]:
    """Blocks of mono samples, each with its rate."""
    try:
        with open_container(path, _CONTAINERS) as container:
            tracks = container.streams.audio
            if not tracks:
                raise ItemError(f"there is no sound in it, only {_contents(container)}")
            stream: Any = container.streams.best("audio") or tracks[0]
            if stream.codec_context is None:
                raise ItemError("FFmpeg does not know how its sound is coded")
            stream.thread_type = "NONE"  # the pool of decoding threads is one for all files
            yield from _gathered(_frames(container, stream))
    except av.error.FFmpegError as error:
        raise ItemError(f"not a sound file that can be read: {error.strerror or error}") from error


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames, without those that cannot be decoded."""
    good, bad, reason = 0, 0, ""
    for packet in demux(container, stream):
        try:
            frames = packet.decode()
        except av.error.EOFError:
            break
        except av.error.FFmpegError as error:
            bad, reason = bad + 1, str(error.strerror)
        else:
            good += bool(frames)
            yield from frames
    if bad > good:
        raise ItemError(f"more of it is damaged than can be decoded: {reason}")


def _gathered(frames: Iterable[Any]) -> Iterator[tuple[np.ndarray, int]]:
    """Frames, of some 20 ms as a rule, put together to blocks worth averaging and resampling."""
    form, fifo = None, av.AudioFifo()
    for frame in frames:
        own = (frame.sample_rate, frame.format.name, frame.layout.nb_channels)
        if form not in (None, own):
            yield from _drained(fifo, 1)
            fifo = av.AudioFifo()
        form, frame.pts = own, None  # with its time a frame after a gap would be refused
        fifo.write(frame)
        yield from _drained(fifo, _BLOCK)
    yield from _drained(fifo, 1)


def _drained(fifo: av.AudioFifo, least: int) -> Iterator[tuple[np.ndarray, int]]:
    while fifo.samples >= least:
        frame: Any = fifo.read(_BLOCK, partial=True)
        yield _mono(frame), frame.sample_rate


def _mono(frame: Any) -> np.ndarray:
    """The mean of a frame's channels, full scale 1."""
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    kind = samples.dtype
    mono: np.ndarray = samples[0].astype(np.float32)
    for channel in samples[1:]:
        mono += channel
    mono /= len(samples)
    if kind == np.uint8:
        mono -= 128
    if kind.kind in "iu":
        mono /= 2.0 ** (8 * kind.itemsize - 1)
    elif not np.abs(mono).max(initial=0.0) < _LOUDEST:  # so written, it is true for what is no number
        mono = np.nan_to_num(mono, nan=0.0).clip(-_LOUDEST, _LOUDEST)
    return mono


def _resampled(parts: Iterable[tuple[np.ndarray, int]], rate: int) -> Iterator[np.ndarray]:
    stream, source = None, 0
    for block, own in parts:
        if own != source:
            if stream is not None:
                yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
            if own < _SLOWEST:
                raise ItemError(f"a sample rate of {own} Hz is too low for a sound")
            stream, source = None if own == rate else soxr.ResampleStream(own, rate, 1, dtype="float32"), own
        yield block if stream is None else stream.resample_chunk(block)
    if stream is not None:
        yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _contents(container: Any) -> str:
    kinds = sorted({stream.type for stream in container.streams})
    return " and ".join(kinds) or "an empty container"
