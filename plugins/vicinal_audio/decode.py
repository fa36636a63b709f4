"""Reads any sound file that FFmpeg decodes, as blocks of mono float32 samples at one rate, in bounded memory.

FFmpeg (PyAV) decodes and soxr resamples: the samples equal those of ``librosa.load``, in half of its time. Channels
are averaged. Damaged packets are skipped, as long as they are fewer than those that can be decoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import soxr

from vicinal.errors import ItemError
from vicinal.toolkit.ffmpeg import decode_frames, open_container, require_file

__all__ = ["MIN_SECONDS", "SILENCE_PEAK", "Window", "read_blocks", "repeat_to_length", "split_windows"]

SILENCE_PEAK = 2.0**-15
"""A sound whose peak is below one step of 16 bits is silent: its vector would have no direction."""
MIN_SECONDS = 0.02
"""A shorter sound is a failure: it is a click."""

_BLOCK_SAMPLES = 65_536
_MIN_SAMPLE_RATE = 2_000
_MAX_AMPLITUDE = 2.0**16
_MIN_TAIL = 0.5
"""Seconds after the last full window that get a window of their own."""
_CONTAINERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,ogg,tta,w64,wav,wv"
)
"""Formats that hold a sound in one file."""


class Window(NamedTuple):
    """A part of a sound, with its start and end in seconds."""

    samples: np.ndarray
    start: float
    end: float


def read_blocks(path: Path, sample_rate: int, max_seconds: float) -> Iterator[np.ndarray]:
    """Yield the samples of a file's best audio track, block by block, at ``sample_rate``.

    Raises:
        ItemError: the file does not exist, has no audio track, cannot be decoded, or is shorter than 20 ms or longer
            than ``max_seconds``; it may come after some blocks.
    """
    count = 0
    for block in _resample(_decode_file(require_file(path)), sample_rate):
        count += len(block)
        if count > max_seconds * sample_rate:
            raise ItemError(f"the sound is longer than `max_seconds`, {max_seconds:g} s")
        yield block
    if not count:
        raise ItemError("the sound has no samples")
    if count < MIN_SECONDS * sample_rate:
        took = 1000 * count / sample_rate
        raise ItemError(f"the sound is too short: {took:.0f} ms, at least {1000 * MIN_SECONDS:.0f} ms are needed")


def repeat_to_length(blocks: Iterable[np.ndarray], sample_rate: int, min_seconds: float) -> Iterator[np.ndarray]:
    """Yield the same samples; a sound shorter than ``min_seconds`` is repeated until it has that length.

    Raises:
        ItemError: the whole sound is silent; after the last block.
    """
    peak, held, count = 0.0, [], 0
    for block in blocks:
        peak = max(peak, _peak_amplitude(block))
        count += len(block)
        held.append(block)
        if count >= min_seconds * sample_rate:
            yield np.concatenate(held)
            held = []
    if peak < SILENCE_PEAK:
        raise ItemError("the sound is silent")
    if held:
        yield np.resize(np.concatenate(held), round(min_seconds * sample_rate))


def split_windows(
    blocks: Iterable[np.ndarray], sample_rate: int, length: float, hop: float, min_seconds: float = 0.0
) -> Iterator[Window]:
    """Yield windows of ``length`` seconds, one every ``hop`` seconds, without the silent ones.

    The last window ends with the sound, so it may start less than a hop after the one before. A sound shorter than a
    window is one window, repeated until it has ``min_seconds``.

    Raises:
        ItemError: the whole sound is silent; after the last block.
    """
    width, step = round(length * sample_rate), round(hop * sample_rate)
    held, first, end, start, covered, is_audible = [np.zeros(0, np.float32)], 0, 0, 0, 0, False
    for block in blocks:
        held.append(block)
        end += len(block)
        if end < start + width:
            continue
        samples = np.concatenate(held)  # once a window: once a block took 14 s an hour of sound in windows of 600 s
        while start + width <= end:
            part = samples[start - first : start - first + width]
            if _peak_amplitude(part) >= SILENCE_PEAK:
                is_audible = True
                yield Window(part, start / sample_rate, (start + width) / sample_rate)
            covered, start = start + width, start + step
        unneeded = max(0, min(start, end - width) - first)
        held, first = [samples[unneeded:]], first + unneeded
    if not is_audible or end - covered > _MIN_TAIL * sample_rate:
        part = np.concatenate(held)[-width:]
        if _peak_amplitude(part) >= SILENCE_PEAK:
            is_audible = True
            size = max(len(part), round(min_seconds * sample_rate))
            yield Window(np.resize(part, size), (end - len(part)) / sample_rate, end / sample_rate)
    if not is_audible:
        raise ItemError("the sound is silent")


def _peak_amplitude(samples: np.ndarray) -> float:
    return float(max(samples.max(initial=0.0), -samples.min(initial=0.0)))


def _decode_file(path: Path) -> Iterator[tuple[np.ndarray, int]]:
    """Yield blocks of mono samples, each with its sample rate."""
    try:
        with open_container(path, _CONTAINERS) as container:
            tracks = container.streams.audio
            if not tracks:
                raise ItemError(f"the file has no audio track, only {_describe_streams(container)}")
            stream: Any = container.streams.best("audio") or tracks[0]
            if stream.codec_context is None:
                raise ItemError("FFmpeg has no decoder for its audio codec")
            stream.thread_type = "NONE"  # files are decoded in parallel, each on one thread
            yield from _join_frames(decode_frames(container, stream))
    except av.error.FFmpegError as error:
        raise ItemError(f"not a sound file that can be read: {error.strerror or error}") from error


def _join_frames(frames: Iterable[Any]) -> Iterator[tuple[np.ndarray, int]]:
    """Join frames, which mostly have some 20 ms, to blocks that are worth a call of downmixing and resampling."""
    current, fifo = None, av.AudioFifo()
    for frame in frames:
        layout = (frame.sample_rate, frame.format.name, frame.layout.nb_channels)
        if current not in (None, layout):
            yield from _read_fifo(fifo, 1)
            fifo = av.AudioFifo()
        current, frame.pts = layout, None  # the FIFO refuses a frame whose time stamp shows a gap
        fifo.write(frame)
        yield from _read_fifo(fifo, _BLOCK_SAMPLES)
    yield from _read_fifo(fifo, 1)


def _read_fifo(fifo: av.AudioFifo, min_samples: int) -> Iterator[tuple[np.ndarray, int]]:
    while fifo.samples >= min_samples:
        frame: Any = fifo.read(_BLOCK_SAMPLES, partial=True)
        yield _downmix(frame), frame.sample_rate


def _downmix(frame: Any) -> np.ndarray:
    """The mean of a frame's channels, full scale 1."""
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    dtype = samples.dtype
    mono: np.ndarray = samples[0].astype(np.float32)
    for channel in samples[1:]:
        mono += channel
    mono /= len(samples)
    if dtype == np.uint8:
        mono -= 128
    if dtype.kind in "iu":
        mono /= 2.0 ** (8 * dtype.itemsize - 1)
    elif not np.abs(mono).max(initial=0.0) < _MAX_AMPLITUDE:  # true for NaN, too
        mono = np.nan_to_num(mono, nan=0.0).clip(-_MAX_AMPLITUDE, _MAX_AMPLITUDE)
    return mono


def _resample(blocks: Iterable[tuple[np.ndarray, int]], sample_rate: int) -> Iterator[np.ndarray]:
    """Yield the blocks at one sample rate; the rate of a file may change within it."""
    stream, current = None, 0
    for block, rate in blocks:
        if rate != current:
            if stream is not None:
                yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
            if rate < _MIN_SAMPLE_RATE:
                raise ItemError(f"a sample rate of {rate} Hz is too low, at least {_MIN_SAMPLE_RATE:,} Hz are needed")
            stream = None if rate == sample_rate else soxr.ResampleStream(rate, sample_rate, 1, dtype="float32")
            current = rate
        yield block if stream is None else stream.resample_chunk(block)
    if stream is not None:
        yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _describe_streams(container: Any) -> str:
    kinds = sorted({stream.type for stream in container.streams})
    return " and ".join(kinds) or "an empty container"
