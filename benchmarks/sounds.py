"""How fast vicinal ingests sounds, how long the first one takes, and how the constants of ``melstats`` are measured.

melstats       Sounds of ten seconds as Ogg, MP3 and FLAC files. Compared with: librosa called directly for the same
               spectra, and the encoder's own arithmetic on all cores, both on samples in memory at the
               right rate. Decoding a compressed sound takes longer than that arithmetic, so the cost of the framework
               shows in the third: the same decoding and arithmetic in a plain pool of threads, nothing stored.
clap           A CLAP of full size with random weights on chunks that are decoded already, against the whole of an
               ingest; and, as above, on files that are decoded in a plain pool of threads.
start          A new process until its first vector: melstats, and librosa with an empty and with a full cache of numba.
normalization  Measures the constants of vicinal_audio/normalization.py again and prints them (not run by default), with
               the packages that sounds_families.py names.

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
from common import (
    Results,
    build_comparison,
    measure_seconds,
    open_solution,
    run_rounds,
    temporary_folder,
    time_encoding,
    time_plain_pool,
)
from program import Program
from sounds_families import find_sets

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
    parts = {
        "melstats": measure_melstats,
        "clap": measure_clap,
        "start": measure_start,
        "normalization": print_normalization,
    }
    program = Program(__doc__, parts, optional=["normalization"])
    program.parser.add_argument("--sounds", type=int, default=240, metavar="N", help="melstats: sounds (240)")
    program.parser.add_argument("--clap-sounds", type=int, default=192, metavar="N", help="clap: sounds (192)")
    program.parser.add_argument("--root", type=Path, default=Path("/"), help="where Debian's packages are unpacked (/)")
    program.run(program.parse_options())


def write_sounds(where: Path, count: int, length: float) -> list[Path]:
    """Write generated sounds as files, in each format in turn."""
    paths = []
    for number, (kind, sound) in enumerate(generate_sounds(count, length)):
        suffix = list(CODECS)[number % len(CODECS)]
        paths.append(where / f"{number:04}-{kind}{suffix}")
        make_sounds.write(paths[-1], sound, CODECS[suffix])
    return paths


def generate_sounds(count: int, length: float) -> Iterator[tuple[str, np.ndarray]]:
    kinds = list(make_sounds.NAMES)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        rng = np.random.default_rng([common.SEED, number])
        yield kind, make_sounds.sound(kind, number // len(kinds) % 4, rng, length)


def time_ingest(where: Path, encoder: str, count: int, rows: int) -> float:
    """Seconds from opening the stores to the end of the run."""
    with temporary_folder() as home, open_solution(home, f"{{type: folder, path: '{where}'}}", encoder) as made:
        made.encoder.encode([segment.sample for segment in made.encoder.decode_query(next(where.iterdir()))])
        reports: list[Any] = []
        taken = measure_seconds(lambda: reports.append(made.ingest()))
        assert (reports[0].new, reports[0].rows, reports[0].failed) == (count, rows, 0), reports[0]
        return taken


# --- melstats


def measure_melstats(options: argparse.Namespace, results: Results) -> None:
    from vicinal import Item
    from vicinal_audio.decode import read_blocks
    from vicinal_audio.melstats import MelStats
    from vicinal_audio.spectrogram import compute_spectra
    from vicinal_audio.statistics import standardize_statistics, summarize_spectra

    encoder = MelStats()
    with temporary_folder() as where, ThreadPoolExecutor(common.CORES) as pool:
        paths = write_sounds(where, options.sounds, 10)
        sounds = [np.concatenate(list(read_blocks(path, RATE, 60))) for path in paths]
        encoder.decode(Item("x", paths[0]))

        def compute_vectors() -> None:
            standardize_statistics(
                list(pool.map(lambda sound: summarize_spectra(compute_spectra([sound], RATE)), sounds))
            )

        contenders: dict[str, Callable[[], float]] = {
            "librosa, samples in memory": make_library_timer(sounds),
            "melstats' arithmetic, samples in memory": lambda: measure_seconds(compute_vectors),
            "melstats in a plain pool, from files": lambda: time_plain_pool(encoder, encoder, paths),
            "vicinal": lambda: time_ingest(where, "{type: melstats}", len(paths), len(paths)),
        }
        # warm-up, which reads the programs of both stores from disk
        time_ingest(where, "{type: melstats}", len(paths), len(paths))
        taken = run_rounds(contenders, options.rounds)
    names = list(contenders)
    title = f"{len(sounds)} sounds of 10 s (Ogg Opus, MP3, FLAC), melstats"
    results.add("melstats", title, build_comparison(taken, dict.fromkeys(names[:3], TARGET), len(sounds), "sounds/s"))


def make_library_timer(sounds: Sequence[np.ndarray]) -> Callable[[], float]:
    """The spectra of melstats as librosa computes them, one sound after another."""
    import librosa

    def features(sound: np.ndarray) -> list[np.ndarray]:
        fine = librosa.power_to_db(librosa.feature.melspectrogram(y=sound, sr=RATE), top_db=40)
        cosines = librosa.feature.mfcc(S=fine, n_mfcc=20)
        series = [cosines, librosa.feature.delta(cosines)]
        series.append(librosa.feature.chroma_stft(y=sound, sr=RATE, tuning=0.0))
        series.append(librosa.feature.spectral_contrast(y=sound, sr=RATE))
        return [statistic(each, axis=1) for each in series for statistic in (np.mean, np.std)]

    features(sounds[0])
    return lambda: measure_seconds(lambda: [features(sound) for sound in sounds])


# --- clap


def measure_clap(options: argparse.Namespace, results: Results) -> None:
    from vicinal import Item
    from vicinal_audio.clap import Clap

    with temporary_folder() as where, temporary_folder() as model:
        save_full_size_clap(model)
        paths = write_sounds(where, options.clap_sounds, 10)
        encoder = Clap(Clap.Params(model=str(model)))
        samples = [segment.sample for path in paths for segment in encoder.decode(Item("x", path))]
        encoder.encode(samples[:8])

        settings = f"{{type: clap, model: '{model}'}}"
        contenders: dict[str, Callable[[], float]] = {
            "CLAP, decoded chunks in memory": lambda: time_encoding(encoder, samples),
            "CLAP, decoded in a plain pool, from files": lambda: time_plain_pool(encoder, encoder, paths),
            "vicinal": lambda: time_ingest(where, settings, len(paths), len(paths)),
        }
        time_ingest(where, settings, len(paths), len(paths))
        taken = run_rounds(contenders, options.rounds)
    names = list(contenders)
    precision = "bfloat16" if encoder._audio_encoder.use_bf16 else "float32"
    title = f"{len(paths)} sounds of 10 s, CLAP of full size with random weights, {precision}"
    results.add("clap", title, build_comparison(taken, dict.fromkeys(names[:2], TARGET), len(paths), "sounds/s"))


def save_full_size_clap(path: Path) -> None:
    """Save a CLAP whose audio encoder has the size of laion/clap-htsat-unfused; the text encoder, unused, is small."""
    import torch
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

    torch.manual_seed(common.SEED)
    text = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    ClapModel(ClapConfig(text_config=text)).save_pretrained(path)
    ClapFeatureExtractor(truncation="rand_trunc").save_pretrained(path)


# --- start


def measure_start(options: argparse.Namespace, results: Results) -> None:
    sound = str(next((common.DATA / "sounds" / "bells").iterdir()))
    with temporary_folder() as cache:

        def time_process(program: str, numba_cache: Path) -> float:
            environment = {**os.environ, "NUMBA_CACHE_DIR": str(numba_cache)}
            return measure_seconds(
                lambda: subprocess.run([sys.executable, "-c", program, sound], check=True, env=environment)
            )

        time_process(LIBROSA, cache / "full")
        unused = iter(range(1_000))
        contenders: dict[str, Callable[[], float]] = {
            "melstats": lambda: time_process(MELSTATS, cache / "full"),
            "librosa, numba's cache full": lambda: time_process(LIBROSA, cache / "full"),
            "librosa, numba's cache empty": lambda: time_process(LIBROSA, cache / f"empty-{next(unused)}"),
        }
        taken = run_rounds(contenders, options.rounds)
    rows = [{"": name, "seconds": times} for name, times in taken.items()]
    results.add("start", "From the start of a process to its first vector", rows)


# --- normalization


def print_normalization(options: argparse.Namespace, results: Results) -> None:
    from vicinal_audio.normalization import GROUP_SIZES, MEAN, STD

    found = compute_statistics(options.root)
    for name, values, old in (("_MEAN", found.mean(axis=0), MEAN), ("_STD", found.std(axis=0), STD)):
        print(f"{name}: now up to {np.abs(values - old).max():.4f} away from the stored ones")
        for number, part in enumerate(np.split(values, np.cumsum(GROUP_SIZES)[:-1])):
            digits = 3 if number in (2, 3, 4) else 2  # delta and chroma are small
            print(textwrap.fill(" ".join(f"{value:.{digits}f}" for value in part), 118))


def compute_statistics(root: Path) -> np.ndarray:
    """The statistics of the corpus that normalization.py describes, ``(sounds, 109)``."""
    import soxr

    from vicinal import Item
    from vicinal_audio.melstats import MelStats
    from vicinal_audio.spectrogram import compute_spectra
    from vicinal_audio.statistics import summarize_spectra

    def summarize_variant(variant: tuple[int, int, int]) -> np.ndarray:
        kind, number, turn = variant
        rng = np.random.default_rng([99, *variant])
        length = float(rng.uniform(0.3, 5))
        sound = make_sounds.sound(sorted(make_sounds.NAMES)[kind], number, rng, length)
        sound = add_noise(sound, rng) if turn % 2 else sound
        return summarize_spectra(compute_spectra([soxr.resample(sound, make_sounds.RATE, RATE)], RATE))

    def summarize_file(path: Path) -> np.ndarray:
        [segment] = MelStats().decode(Item("x", path))
        return np.asarray(segment.sample)

    variants = [
        (kind, number, turn) for kind in range(len(make_sounds.NAMES)) for number in range(4) for turn in range(10)
    ]
    with temporary_folder() as scratch, ThreadPoolExecutor(common.CORES) as pool:
        files = [each.path for _, sounds in find_sets("development", root, scratch) for each in sounds]
        return np.array([*pool.map(summarize_variant, variants), *pool.map(summarize_file, files)])


def add_noise(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add white or pink noise, 5 to 50 dB below the sound."""
    noise = rng.standard_normal(len(sound))
    if rng.random() < 0.5:
        spectrum = np.fft.rfft(noise)
        noise = np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)), len(noise))
    noise *= np.sqrt(np.mean(sound**2) / np.mean(noise**2)) * 10 ** (-rng.uniform(5, 50) / 20)
    return (sound + noise).astype(np.float32)


if __name__ == "__main__":
    main()
