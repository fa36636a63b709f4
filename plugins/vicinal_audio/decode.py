"""Reads any sound file that FFmpeg decodes, as blocks of mono float32 samples at one rate, in bounded memory.

FFmpeg (PyAV) decodes and soxr resamples: the samples equal those of ``librosa.load``, in half of its time. Channels
are averaged, those of inverted polarity turned round first (``vicinal_audio.downmix``). Damaged packets are skipped, as
long as they are fewer than those that can be decoded.
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
from vicinal_audio.downmix import downmix

__all__ = [
    "MIN_SECONDS",
    "SILENCE_PEAK",
    "Window",
    "peak_amplitude",
    "read_blocks",
    "repeat_to_length",
    "split_windows",
]

SILENCE_PEAK = 2.0**-15
"""A sound whose peak is below one step of 16 bits, a constant left out, is silent: its vector has no direction."""
MIN_SECONDS = 0.005
"""A shorter sound is a failure. Ticks of 10 ms are common in libraries of drums."""

_BLOCK_SAMPLES = 65_536
_MIN_SAMPLE_RATE = 2_000
_MIN_TAIL = 0.5
"""Seconds after the last full window that get a window of their own."""
_FORMATS = {
    "aac": "AAC",
    "ac3": "AC-3",
    "aiff": "AIFF",
    "amr": "AMR",
    "amrnb": "AMR",
    "amrwb": "AMR",
    "ape": "Monkey's Audio",
    "asf": "WMA",
    "au": "AU",
    "avi": "AVI",
    "avr": "AVR",
    "caf": "CAF",
    "dsf": "DSF",
    "dts": "DTS",
    "dtshd": "DTS",
    "eac3": "AC-3",
    "epaf": "PAF",
    "flac": "FLAC",
    "flv": "FLV",
    "g722": "G.722",
    "gsm": "GSM",
    "iff": "IFF",
    "ircam": "IRCAM",
    "loas": "LATM",
    "matroska": "Matroska and WebM",
    "mlp": "TrueHD",
    "mov": "MP4",
    "mp3": "MP3",
    "mpc": "Musepack",
    "mpc8": "Musepack",
    "mpeg": "MPEG",
    "mpegts": "MPEG",
    "nistsphere": "NIST SPHERE",
    "ogg": "Ogg",
    "oma": "ATRAC",
    "pvf": "PVF",
    "qcp": "QCP",
    "rm": "RealAudio",
    "rso": "RSO",
    "shn": "Shorten",
    "sox": "SoX",
    "spdif": "S/PDIF",
    "tak": "TAK",
    "truehd": "TrueHD",
    "tta": "TTA",
    "voc": "VOC",
    "w64": "Wave64",
    "wav": "WAV",
    "wv": "WavPack",
    "xwma": "WMA",
}
"""Formats that hold a sound in one file: FFmpeg's names, and those that people know."""


class Window(NamedTuple):
    """A part of a sound, with its start and end in seconds."""

    samples: np.ndarray
    start: float
    end: float


def read_blocks(path: Path, sample_rate: int, max_seconds: float) -> Iterator[np.ndarray]:
    """Yield the samples of a file's best audio track, block by block, at ``sample_rate``.

    Raises:
        ItemError: the file does not exist, has no audio track, cannot be decoded, or is shorter than 5 ms or longer
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
    low, high, held, count = np.inf, -np.inf, [], 0
    for block in blocks:
        low, high = min(low, block.min(initial=low)), max(high, block.max(initial=high))
        count += len(block)
        held.append(block)
        if count >= min_seconds * sample_rate:
            yield np.concatenate(held)
            held = []
    if high - low < 2 * SILENCE_PEAK:
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
            if peak_amplitude(part) >= SILENCE_PEAK:
                is_audible = True
                yield Window(part, start / sample_rate, (start + width) / sample_rate)
            covered, start = start + width, start + step
        unneeded = max(0, min(start, end - width) - first)
        held, first = [samples[unneeded:]], first + unneeded
    if not is_audible or end - covered > _MIN_TAIL * sample_rate:
        part = np.concatenate(held)[-width:]
        if peak_amplitude(part) >= SILENCE_PEAK:
            is_audible = True
            size = max(len(part), round(min_seconds * sample_rate))
            yield Window(np.resize(part, size), (end - len(part)) / sample_rate, end / sample_rate)
    if not is_audible:
        raise ItemError("the sound is silent")


def peak_amplitude(samples: np.ndarray) -> float:
    """Half of the distance from the lowest to the highest sample, so that a constant (DC) has none."""
    return float(samples.max() - samples.min()) / 2


def _decode_file(path: Path) -> Iterator[tuple[np.ndarray, int]]:
    """Yield blocks of mono samples, each with its sample rate."""
    try:
        with open_container(path, ",".join(_FORMATS)) as container:
            tracks = container.streams.audio
            if not tracks:
                raise ItemError(f"the file has no audio track, only {_describe_streams(container)}")
            stream: Any = container.streams.best("audio") or tracks[0]
            if stream.codec_context is None:
                raise ItemError("FFmpeg has no decoder for its audio codec")
            stream.thread_type = "NONE"  # files are decoded in parallel, each on one thread
            yield from _join_frames(decode_frames(container, stream))
    except av.error.FFmpegError as error:
        reason = _describe_format(path) if isinstance(error, av.error.ArgumentError) else None
        raise ItemError(f"not a sound file that can be read: {reason or error.strerror or error}") from error


def _describe_format(path: Path) -> str | None:
    """Name a format that is not in ``_FORMATS``, and those that are; no file that it refers to is opened."""
    try:
        with path.open("rb") as file, av.open(file, options={"protocol_whitelist": "none"}) as container:
            name = container.format.long_name or container.format.name
    except (av.error.FFmpegError, OSError, ValueError):
        return None
    known = ", ".join(sorted(set(_FORMATS.values()), key=str.lower))
    return f"its format is {name}; the formats that are read: {known}"


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
        yield downmix(_read_channels(frame)), frame.sample_rate


def _read_channels(frame: Any) -> np.ndarray:
    """A frame's samples, ``(channels, n)`` float32, full scale 1."""
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    channels: np.ndarray = samples.astype(np.float32, order="C")
    if samples.dtype == np.uint8:
        channels -= 128
    if samples.dtype.kind in "iu":
        channels /= 2.0 ** (8 * samples.dtype.itemsize - 1)
    return channels


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
