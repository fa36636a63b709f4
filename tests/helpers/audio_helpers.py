"""Sounds for the tests: a tone that any rate can hold, files of any format, and what is read from them."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile

from vicinal import Item
from vicinal_audio.decode import blocks
from vicinal_audio.melstats import MelStats

__all__ = ["DATA", "RATE", "chirp", "make_sounds", "samples_of", "vector", "write"]

DATA = Path(__file__).parents[2] / "configs" / "data"
RATE = 22_050

sys.path.insert(0, str(DATA))
import make_sounds  # noqa: E402


def chirp(seconds=3.0, rate=44_100):
    """A tone that rises and sways, with overtones below 3.6 kHz, so that every rate in use can hold it."""
    t = np.arange(int(seconds * rate)) / rate
    phase = 300 * t + 60 * t**2 / seconds + 3 * np.sin(2 * np.pi * 3 * t)
    tone = sum(np.sin(2 * np.pi * n * phase) / n for n in (1, 2, 3, 4))
    return (0.2 * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 1.5 * t))).astype(np.float32)


def write(path, samples, rate=44_100, codec=None, video=False):
    """Write samples, ``(n,)`` or ``(n, channels)``, by soundfile, or by PyAV where a codec is named."""
    samples = np.asarray(samples, np.float32)
    if codec is None:
        soundfile.write(path, samples, rate)
        return path
    planes = np.atleast_2d(samples.T)
    layout = {1: "mono", 2: "stereo"}[len(planes)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        picture = container.add_stream("mpeg4", rate=25, width=64, height=48, pix_fmt="yuv420p") if video else None
        if codec:
            form = stream.codec_context.format.name
            values = planes if form.startswith("flt") else (planes * 32_767).astype(np.int16)
            form = form if form.startswith("flt") else "s16p"
            fifo, convert = av.AudioFifo(), av.AudioResampler(stream.codec_context.format, layout, rate)
            whole = av.AudioFrame.from_ndarray(np.ascontiguousarray(values), format=form, layout=layout)
            whole.sample_rate, whole.pts = rate, 0
            for frame in convert.resample(whole):
                fifo.write(frame)
            size = stream.codec_context.frame_size or 4096
            while frame := fifo.read(size, partial=True):
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        for number in range(int(25 * len(samples) / rate) if picture else 0):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(picture.encode(frame))
        if picture:
            container.mux(picture.encode(None))
    return path


def samples_of(path, rate=RATE, longest=3600.0):
    return np.concatenate(list(blocks(Path(path), rate, longest)))


def vector(path, **params):
    encoder = MelStats(MelStats.Params(**params))
    return encoder.encode([segment.sample for segment in encoder.decode(Item("x", path))])[0]
