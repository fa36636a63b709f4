"""Sounds for the tests: a tone for any sample rate, files of any format, and the samples and vectors read from them."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile

from vicinal import Item
from vicinal_audio.decode import read_blocks
from vicinal_audio.melstats import MelStats

__all__ = [
    "DATA",
    "RATE",
    "encode_sound",
    "make_chirp",
    "make_sounds",
    "read_samples",
    "write_sound",
    "write_three_sounds",
]

DATA = Path(__file__).parents[2] / "configs" / "data"
RATE = 22_050

sys.path.insert(0, str(DATA))
import make_sounds  # noqa: E402


def make_chirp(seconds=3.0, rate=44_100):
    """A chirp with vibrato; its overtones are below 3.6 kHz, which every sample rate in use represents."""
    t = np.arange(int(seconds * rate)) / rate
    phase = 300 * t + 60 * t**2 / seconds + 3 * np.sin(2 * np.pi * 3 * t)
    tone = sum(np.sin(2 * np.pi * n * phase) / n for n in (1, 2, 3, 4))
    return (0.2 * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 1.5 * t))).astype(np.float32)


def write_sound(path, samples, rate=44_100, codec=None, video=False):
    """Write samples, ``(n,)`` or ``(n, channels)``, by soundfile, or by PyAV where a codec is named."""
    samples = np.asarray(samples, np.float32)
    if codec is None:
        soundfile.write(path, samples, rate)
        return path
    planes = np.atleast_2d(samples.T)
    layout = {1: "mono", 2: "stereo"}[len(planes)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        video_stream = container.add_stream("mpeg4", rate=25, width=64, height=48, pix_fmt="yuv420p") if video else None
        if codec:
            sample_format = stream.codec_context.format.name
            values = planes if sample_format.startswith("flt") else (planes * 32_767).astype(np.int16)
            sample_format = sample_format if sample_format.startswith("flt") else "s16p"
            fifo, convert = av.AudioFifo(), av.AudioResampler(stream.codec_context.format, layout, rate)
            whole = av.AudioFrame.from_ndarray(np.ascontiguousarray(values), format=sample_format, layout=layout)
            whole.sample_rate, whole.pts = rate, 0
            for frame in convert.resample(whole):
                fifo.write(frame)
            size = stream.codec_context.frame_size or 4096
            while frame := fifo.read(size, partial=True):
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        for number in range(int(25 * len(samples) / rate) if video_stream else 0):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video_stream.encode(frame))
        if video_stream:
            container.mux(video_stream.encode(None))
    return path


def write_three_sounds(folder):
    """Write sounds of three lengths, formats and sample rates, one of them with two channels."""
    noise = 0.1 * np.random.default_rng(3).standard_normal((60_000, 2))
    return [
        write_sound(folder / "chirp.wav", make_chirp(2.2)),
        write_sound(folder / "noise.flac", noise, 32_000),
        write_sound(folder / "short.ogg", make_chirp(0.4)[::-1], 44_100),
    ]


def read_samples(path, rate=RATE, max_seconds=3600.0):
    return np.concatenate(list(read_blocks(Path(path), rate, max_seconds)))


def encode_sound(path, **params):
    encoder = MelStats(MelStats.Params(**params))
    return encoder.encode([segment.sample for segment in encoder.decode(Item("x", path))])[0]
