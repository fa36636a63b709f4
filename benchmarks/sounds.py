"""How fast vicinal ingests sounds, how long the first one takes, and where the constants of ``melstats`` come from.

melstats   Sounds of ten seconds as Ogg, MP3 and FLAC files. What they are measured against has their samples in memory,
           at the right rate: torchaudio and librosa called directly for the same features, and the encoder's own
           arithmetic on all cores. Decoding a compressed sound takes longer than that arithmetic, so what tells the
           framework's cost is the third: the same decoding and arithmetic in a plain pool of threads, nothing stored.
clap       A CLAP of full size with random weights on pieces that are decoded already, against the whole of an ingest;
           and, as above, on files that are decoded in a plain pool of threads.
start      A fresh process until its first vector: melstats, and librosa with an empty and with a full cache of numba.
scale      Prints the constants of vicinal_audio/scale.py, measured anew (not run by default).

Contenders take turns; a ratio compares two of the same round. Shown are medians, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import common
from common import Results, alone, compared, folder, pooled, rounds, seconds, solution
from program import Program

sys.path.insert(0, str(common.DATA))
import make_sounds

TARGET = 0.9
RATE = 22_050
CODECS = {".ogg": "libopus", ".mp3": "libmp3lame", ".flac": "flac"}
LIBROSA = """
import numpy, librosa
sound = numpy.sin(numpy.arange(22050 * 4) / 9).astype(numpy.float32)
librosa.feature.delta(librosa.feature.mfcc(y=sound))
librosa.feature.chroma_stft(y=sound, tuning=0.0)
librosa.feature.spectral_contrast(y=sound)
"""
MELSTATS = """
import sys
from vicinal import Item
from vicinal_audio.melstats import MelStats
encoder = MelStats()
encoder.encode([segment.sample for segment in encoder.decode(Item("x", sys.argv[1]))])
"""


def main() -> None:
    program = Program(__doc__, {"melstats": melstats, "clap": clap, "start": start, "scale": scale}, aside=["scale"])
    program.parser.add_argument("--sounds", type=int, default=240, metavar="N", help="melstats: sounds (240)")
    program.parser.add_argument("--heard", type=int, default=192, metavar="N", help="clap: sounds (192)")
    program.run(program.options())


def written(where: Path, count: int, length: float) -> list[Path]:
    """Generated sounds as files, their formats in turn."""
    paths = []
    for number, (kind, sound) in enumerate(generated(count, length)):
        suffix = list(CODECS)[number % len(CODECS)]
        paths.append(where / f"{number:04}-{kind}{suffix}")
        make_sounds.write(paths[-1], sound, CODECS[suffix])
    return paths


def generated(count: int, length: float) -> Iterator[tuple[str, np.ndarray]]:
    kinds = list(make_sounds.NAMES)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        rng = np.random.default_rng([common.SEED, number])
        yield kind, make_sounds.sound(kind, number // len(kinds) % 4, rng, length)


def ingested(where: Path, encoder: str, count: int, rows: int) -> float:
    """Seconds from opening the stores to the end of the run."""
    with folder() as home, solution(home, f"{{type: folder, path: '{where}'}}", encoder) as made:
        made.encoder.encode([segment.sample for segment in made.encoder.decode_query(next(where.iterdir()))])
        reports: list[Any] = []
        taken = seconds(lambda: reports.append(made.ingest()))
        assert (reports[0].new, reports[0].rows, reports[0].failed) == (count, rows, 0), reports[0]
        return taken


# --- melstats


def melstats(options: argparse.Namespace, results: Results) -> None:
    from vicinal import Item
    from vicinal_audio.decode import blocks
    from vicinal_audio.melstats import MelStats
    from vicinal_audio.spectrogram import measure
    from vicinal_audio.statistics import place, summarise

    encoder = MelStats()
    with folder() as where, ThreadPoolExecutor(common.CORES) as pool:
        paths = written(where, options.sounds, 10)
        sounds = [np.concatenate(list(blocks(path, RATE, 60))) for path in paths]
        encoder.decode(Item("x", paths[0]))

        def arithmetic() -> None:
            place(list(pool.map(lambda sound: summarise(measure([sound], RATE)), sounds)))

        contenders: dict[str, Callable[[], float]] = {
            "torchaudio and librosa, samples in memory": directly(sounds),
            "melstats' arithmetic, samples in memory": lambda: seconds(arithmetic),
            "melstats in a plain pool, from files": lambda: pooled(encoder, encoder, paths),
            "vicinal": lambda: ingested(where, "{type: melstats}", len(paths), len(paths)),
        }
        ingested(where, "{type: melstats}", len(paths), len(paths))  # the pages of both stores' programs are nobody's
        taken = rounds(contenders, options.rounds)
    names = list(contenders)
    title = f"{len(sounds)} sounds of 10 s (Ogg Opus, MP3, FLAC), melstats"
    results.add("melstats", title, compared(taken, dict.fromkeys(names[:3], TARGET), len(sounds), "sounds/s"))


def directly(sounds: Sequence[np.ndarray]) -> Callable[[], float]:
    """The features of melstats as torchaudio and librosa compute them, one sound after another."""
    import librosa
    import torch
    import torchaudio

    mel = torchaudio.transforms.MelSpectrogram(RATE, n_fft=2048, hop_length=512, n_mels=64, pad_mode="constant")
    decibels = torchaudio.transforms.AmplitudeToDB("power", top_db=40)

    def features(sound: np.ndarray) -> list[np.ndarray]:
        sound = sound / np.sqrt(np.mean(sound**2))
        fine = librosa.power_to_db(librosa.feature.melspectrogram(y=sound, sr=RATE), top_db=40)
        cosines = librosa.feature.mfcc(S=fine, n_mfcc=20)
        series = [decibels(mel(torch.from_numpy(sound))).numpy(), cosines, librosa.feature.delta(cosines)]
        series.append(librosa.feature.chroma_stft(y=sound, sr=RATE, tuning=0.0))
        series.append(librosa.feature.spectral_contrast(y=sound, sr=RATE))
        return [statistic(each, axis=1) for each in series for statistic in (np.mean, np.std)]

    features(sounds[0])
    return lambda: seconds(lambda: [features(sound) for sound in sounds])


# --- clap


def clap(options: argparse.Namespace, results: Results) -> None:
    from vicinal import Item
    from vicinal_audio.clap import Clap

    with folder() as where, folder() as model:
        full_size(model)
        paths = written(where, options.heard, 10)
        encoder = Clap(Clap.Params(model=str(model)))
        samples = [segment.sample for path in paths for segment in encoder.decode(Item("x", path))]
        encoder.encode(samples[:8])

        settings = f"{{type: clap, model: '{model}'}}"
        contenders: dict[str, Callable[[], float]] = {
            "CLAP, decoded pieces in memory": lambda: alone(encoder, samples),
            "CLAP, decoded in a plain pool, from files": lambda: pooled(encoder, encoder, paths),
            "vicinal": lambda: ingested(where, settings, len(paths), len(paths)),
        }
        ingested(where, settings, len(paths), len(paths))
        taken = rounds(contenders, options.rounds)
    names = list(contenders)
    precision = "bfloat16" if encoder._ear.lowered else "float32"
    title = f"{len(paths)} sounds of 10 s, CLAP of full size with random weights, {precision}"
    results.add("clap", title, compared(taken, dict.fromkeys(names[:2], TARGET), len(paths), "sounds/s"))


def full_size(path: Path) -> None:
    """A CLAP whose hearing network has the size of laion/clap-htsat-unfused; the reading one is small, being unused."""
    import torch
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

    torch.manual_seed(common.SEED)
    text = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    ClapModel(ClapConfig(text_config=text)).save_pretrained(path)
    ClapFeatureExtractor(truncation="rand_trunc").save_pretrained(path)


# --- start


def start(options: argparse.Namespace, results: Results) -> None:
    sound = str(next((common.DATA / "sounds" / "bells").iterdir()))
    with folder() as cache:

        def process(program: str, place: Path) -> float:
            environment = {**os.environ, "NUMBA_CACHE_DIR": str(place)}
            return seconds(lambda: subprocess.run([sys.executable, "-c", program, sound], check=True, env=environment))

        process(LIBROSA, cache / "full")
        fresh = iter(range(1_000))
        contenders: dict[str, Callable[[], float]] = {
            "melstats": lambda: process(MELSTATS, cache / "full"),
            "librosa, numba's cache full": lambda: process(LIBROSA, cache / "full"),
            "librosa, numba's cache empty": lambda: process(LIBROSA, cache / f"empty-{next(fresh)}"),
        }
        taken = rounds(contenders, options.rounds)
    rows = [{"": name, "seconds": times} for name, times in taken.items()]
    results.add("start", "From the start of a process to its first vector", rows)


# --- scale


def scale(options: argparse.Namespace, results: Results) -> None:
    from vicinal_audio.normalization import DEVIATION, MEAN, SIZES

    found = statistics()
    for name, values, old in (("_MEAN", found.mean(axis=0), MEAN), ("_DEVIATION", found.std(axis=0), DEVIATION)):
        print(f"{name}: now up to {np.abs(values - old).max():.4f} away from the stored ones")
        for number, part in enumerate(np.split(values, np.cumsum(SIZES)[:-1])):
            digits = 3 if number in (2, 3) else 2  # slopes and chroma are small
            print(textwrap.fill(" ".join(f"{value:.{digits}f}" for value in part), 118))


def statistics() -> np.ndarray:
    """The statistics of the corpus that scale.py describes, ``(720, 226)``."""
    import soxr

    from vicinal_audio.spectrogram import measure
    from vicinal_audio.statistics import summarise

    def one(place: tuple[int, int, int]) -> np.ndarray:
        kind, number, turn = place
        rng = np.random.default_rng([99, *place])
        length = float(rng.uniform(2, 5))
        sound = make_sounds.sound(sorted(make_sounds.NAMES)[kind], number, rng, length)
        sound = noised(sound, rng) if turn % 2 else sound
        return summarise(measure([soxr.resample(sound, make_sounds.RATE, RATE)], RATE))

    places = [
        (kind, number, turn) for kind in range(len(make_sounds.NAMES)) for number in range(4) for turn in range(20)
    ]
    with ThreadPoolExecutor(common.CORES) as pool:
        return np.array(list(pool.map(one, places)))


def noised(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """With white or pink noise, 5 to 50 dB below the sound."""
    noise = rng.standard_normal(len(sound))
    if rng.random() < 0.5:
        spectrum = np.fft.rfft(noise)
        noise = np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)), len(noise))
    noise *= np.sqrt(np.mean(sound**2) / np.mean(noise**2)) * 10 ** (-rng.uniform(5, 50) / 20)
    return (sound + noise).astype(np.float32)


if __name__ == "__main__":
    main()
