"""What happens to sounds before somebody searches with them: they are cut, played faster, compressed, noisy, quieter, …

A query is made of the samples that the encoder would hear: one channel, at the encoder's rate. Of a long sound these
are the first ten minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from typing import Any, TypeAlias

import av
import numpy as np
import soxr
from scipy import signal
from scipy.io import wavfile

from vicinal import Disturbance
from vicinal.errors import ItemError
from vicinal.toolkit.ffmpeg import require_path
from vicinal_audio.decode import read_blocks

__all__ = ["list_disturbances"]

_Change: TypeAlias = "Callable[[np.ndarray, int, np.random.Generator], np.ndarray]"

_MAX_SECONDS = 600.0
_SEMITONE = 2 ** (1 / 12)
_NOISE_DB, _QUIETER_DB, _LOUDER_DB = 20.0, -20.0, 6.0
_TELEPHONE_HZ = (300.0, 3400.0)
_MIN_CUT_SECONDS = 1.0
_MP3_BITS_PER_SECOND = 32_000
_MP3_SAMPLE_RATE = 22_050


def list_disturbances(sample_rate: int, max_seconds: float) -> list[Disturbance]:
    """The disturbances of sounds at this rate; a longer one is refused, as the encoder refuses it."""
    sounds = [
        Disturbance(name, label, partial(_disturb_sound, change, sample_rate, max_seconds), ".wav", hint)
        for name, label, change, hint in _CHANGES
    ]
    compress = partial(_compress_sound, sample_rate, max_seconds)
    hint = "the encoder hears what a codec leaves out; convert what you index in the same way"
    return [*sounds, Disturbance("compressed", "sounds as MP3 of 32 kbit/s", compress, ".mp3", hint)]


def _disturb_sound(
    change: _Change, sample_rate: int, max_seconds: float, content: Any, generator: np.random.Generator
) -> bytes | None:
    """A changed sound as a WAV file of 16 bits; None where it is too short to be changed so.

    Raises:
        ItemError: the sound cannot be read, or is silent.
    """
    changed = change(_read_samples(content, sample_rate, max_seconds), sample_rate, generator)
    if not len(changed):
        return None
    file = BytesIO()
    wavfile.write(file, sample_rate, _to_int16(changed))
    return file.getvalue()


def _compress_sound(sample_rate: int, max_seconds: float, content: Any, _: np.random.Generator) -> bytes:
    """The sound as an MP3.

    Raises:
        ItemError: the sound cannot be read, or is silent.
    """
    samples = soxr.resample(_read_samples(content, sample_rate, max_seconds), sample_rate, _MP3_SAMPLE_RATE)
    target = BytesIO()
    with av.open(target, "w", format="mp3") as container:
        stream: Any = container.add_stream("libmp3lame", rate=_MP3_SAMPLE_RATE, layout="mono")
        stream.bit_rate = _MP3_BITS_PER_SECOND
        frame = av.AudioFrame.from_ndarray(_to_int16(samples)[None, :], format="s16p", layout="mono")
        frame.sample_rate = _MP3_SAMPLE_RATE
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return target.getvalue()


def _read_samples(content: Any, sample_rate: int, max_seconds: float) -> np.ndarray:
    """
    Raises:
        ItemError: the sound cannot be read, or is silent.
    """
    blocks = read_blocks(require_path(content, "sound"), sample_rate, max_seconds)
    limit = round(_MAX_SECONDS * sample_rate)
    samples: np.ndarray = np.concatenate(list(_take_blocks(blocks, limit)))[:limit]
    if not samples.any():
        raise ItemError("the sound is silent")
    return samples


def _take_blocks(blocks: Iterator[np.ndarray], limit: int) -> Iterator[np.ndarray]:
    """The first blocks that hold ``limit`` samples; the rest of the file is not decoded."""
    count = 0
    for block in blocks:
        yield block
        count += len(block)
        if count >= limit:
            return


def _to_int16(samples: np.ndarray) -> np.ndarray:
    clipped: np.ndarray = np.round(np.clip(samples, -1.0, 1.0) * 32_767)
    return clipped.astype(np.int16)


def _take_half(samples: np.ndarray, sample_rate: int, generator: np.random.Generator) -> np.ndarray:
    """A random half; none of a sound of which that would be shorter than a second, or silent."""
    half = len(samples) // 2
    start = int(generator.integers(0, len(samples) - half + 1))
    part = samples[start : start + half]
    return part if half >= _MIN_CUT_SECONDS * sample_rate and np.abs(part).max() > 1e-3 else part[:0]


def _play_faster(samples: np.ndarray, sample_rate: int, _: np.random.Generator) -> np.ndarray:
    faster: np.ndarray = soxr.resample(samples, sample_rate * _SEMITONE, sample_rate)
    return faster


def _add_noise(samples: np.ndarray, _: int, generator: np.random.Generator) -> np.ndarray:
    power = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) * 10 ** (-_NOISE_DB / 20)
    return samples + generator.normal(0.0, power, len(samples))


def _filter_as_telephone(samples: np.ndarray, sample_rate: int, _: np.random.Generator) -> np.ndarray:
    filtered: np.ndarray = signal.sosfilt(
        signal.butter(4, _TELEPHONE_HZ, "bandpass", fs=sample_rate, output="sos"), samples
    )
    return filtered


def _amplify_sound(decibels: float, samples: np.ndarray, _: int, __: np.random.Generator) -> np.ndarray:
    return samples * 10 ** (decibels / 20)


def _overdrive_sound(samples: np.ndarray, _: int, __: np.random.Generator) -> np.ndarray:
    """Louder than full scale, so that the peaks are cut off."""
    louder: np.ndarray = samples / np.abs(samples).max() * 10 ** (_LOUDER_DB / 20)
    return louder


_CHANGES: tuple[tuple[str, str, _Change, str], ...] = (
    ("cut", "halves of sounds", _take_half, "index sounds in windows: `window: 10` on the encoder"),
    (
        "faster",
        "sounds played a semitone higher, and faster by as much",
        _play_faster,
        "the encoder goes by pitch; try `clap`, or index changed copies too",
    ),
    (
        "noisy",
        "sounds with noise 20 dB below them",
        _add_noise,
        "clean recordings before you search with them, or try `clap`",
    ),
    (
        "telephone",
        "sounds as through a telephone, 300 to 3,400 Hz",
        _filter_as_telephone,
        "the encoder hears which frequencies are missing; try `clap`, or index filtered copies too",
    ),
    ("quieter", "sounds 20 dB quieter", partial(_amplify_sound, _QUIETER_DB), "bring all sounds to one level first"),
    (
        "overdriven",
        "sounds 6 dB louder than full scale",
        _overdrive_sound,
        "record at a lower level: what is cut off cannot be brought back",
    ),
)
