"""Makes the sample sounds: 36 short ones in nine folders by kind, all by formula from a seed, free of anybody's rights.

    python configs/data/make_sounds.py [FOLDER]

``sound(kind, number, rng)`` gives one of them as samples; with other generators the same kinds give other sounds, from
which the benchmarks and the constants of ``melstats`` were made.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

RATE = 24_000
"""Samples a second."""
SECONDS = 4.0
SEED = 2024
NAMES = {
    "bells": ("church", "hand", "music-box", "alarm"),
    "birds": ("cuckoo", "warbler", "sparrow", "owl"),
    "chords": ("major", "minor", "seventh", "arpeggio"),
    "drums": ("rock", "march", "toms", "hats"),
    "engines": ("idle", "truck", "propeller", "drill"),
    "noise": ("rain", "wind", "surf", "static"),
    "sirens": ("wail", "yelp", "two-tone", "horn"),
    "sweeps": ("rise", "fall", "laser", "wobble"),
    "tones": ("sine", "square", "saw", "organ"),
}

Rng = np.random.Generator


def sound(kind: str, number: int, rng: Rng, seconds: float = SECONDS) -> np.ndarray:
    """The sound ``NAMES[kind][number]`` as float32 samples; ``rng`` decides its pitch, pace and grain."""
    samples = MAKERS[kind](number, np.arange(int(seconds * RATE)) / RATE, rng)
    edge = np.linspace(0, 1, RATE // 100)
    samples[: len(edge)] *= edge
    samples[-len(edge) :] *= edge[::-1]
    return (0.5 * samples / np.abs(samples).max()).astype(np.float32)


def around(value: float, rng: Rng, share: float = 0.15) -> float:
    """A value near another one."""
    return value * float(rng.uniform(1 - share, 1 + share))


def harmonics(phase: np.ndarray, weights: list[float]) -> np.ndarray:
    """A tone with overtones, the weights from the fundamental up; ``phase`` counts its cycles."""
    return sum(weight * np.sin(2 * np.pi * order * phase) for order, weight in enumerate(weights, 1))


def band(noise: np.ndarray, low: float, high: float) -> np.ndarray:
    """What lies between two frequencies, with soft edges."""
    spectrum = np.fft.rfft(noise)
    octaves = np.log2(np.fft.rfftfreq(len(noise), 1 / RATE) + 1)
    edges = 1 / (1 + np.exp(-8 * (octaves - np.log2(low)))) / (1 + np.exp(8 * (octaves - np.log2(high))))
    return np.fft.irfft(spectrum * edges, len(noise))


def hits(t: np.ndarray, times: np.ndarray, make: Callable[[np.ndarray], np.ndarray], length: float) -> np.ndarray:
    """A short sound again and again: ``make`` is given the seconds since each of the ``times``."""
    out = np.zeros(len(t))
    for time in times:
        start, end = int(time * RATE), min(len(t), int((time + length) * RATE))
        if start < end:
            out[start:end] += make(np.arange(end - start) / RATE)
    return out


def every(step: float, t: np.ndarray, first: float = 0.0) -> np.ndarray:
    return np.arange(first, t[-1], step)


def tones(number: int, t: np.ndarray, rng: Rng) -> np.ndarray:
    pitch = around((880, 330, 147, 262)[number], rng)
    phase = pitch * t + 0.02 * np.sin(2 * np.pi * around(5, rng) * t)
    shapes = ([1.0], [1, 0, 1 / 3, 0, 1 / 5, 0, 1 / 7], [1 / n for n in range(1, 16)], [1, 0.8, 0.1, 0.6, 0, 0, 0, 0.4])
    return harmonics(phase, shapes[number])


def chords(number: int, t: np.ndarray, rng: Rng) -> np.ndarray:
    root = around((196, 220, 131, 262)[number], rng)
    steps = ((0, 4, 7, 12), (0, 3, 7, 12), (0, 4, 7, 10, 14), (0, 4, 7, 12, 16, 12, 7, 4))[number]
    weights = [1, 0.5, 0.3, 0.2, 0.1]
    if number < 3:
        return sum(harmonics(root * 2 ** (step / 12) * t, weights) for step in steps) * (1 + 0.2 * np.sin(7 * t))
    step = around(0.22, rng)
    out = np.zeros(len(t))
    for count, time in enumerate(every(step, t)):
        pitch = root * 2 ** (steps[count % len(steps)] / 12)
        out += hits(t, np.array([time]), lambda s, p=pitch: harmonics(p * s, weights) * np.exp(-4 * s), 0.8)
    return out


def sweeps(number: int, t: np.ndarray, rng: Rng) -> np.ndarray:
    low, high = around(200, rng), around(4000, rng)
    turn = around((1.0, 0.7, 0.3, 0.5)[number], rng)
    share = (t / turn) % 1
    if number == 3:
        return harmonics(np.cumsum(around(400, rng) * 2 ** np.sin(2 * np.pi * t / turn)) / RATE, [1, 0.4])
    share = share if number == 0 else 1 - share
    pitch = low * (high / low) ** share if number < 2 else 3 * low + high * share**3
    return harmonics(np.cumsum(pitch) / RATE, [1, 0.3, 0.1]) * (share**2 if number == 2 else 1)


def drums(number: int, t: np.ndarray, rng: Rng) -> np.ndarray:
    beat = around((0.5, 0.36, 0.3, 0.25)[number], rng, 0.1)

    def kick(s: np.ndarray) -> np.ndarray:
        return np.sin(2 * np.pi * (50 * s + 6 * (1 - np.exp(-25 * s)))) * np.exp(-9 * s)

    def snare(s: np.ndarray) -> np.ndarray:
        noise = rng.standard_normal(len(s))
        return (0.5 * noise + 0.4 * np.sin(2 * np.pi * 190 * s)) * np.exp(-16 * s)

    def hat(s: np.ndarray) -> np.ndarray:
        return 0.35 * np.diff(rng.standard_normal(len(s) + 1)) * np.exp(-60 * s)

    if number == 0:
        return (
            hits(t, every(2 * beat, t), kick, 0.5)
            + hits(t, every(2 * beat, t, beat), snare, 0.3)
            + hits(t, every(beat / 2, t), hat, 0.08)
        )
    if number == 1:
        return hits(t, np.sort(np.concatenate([every(beat, t), every(2 * beat, t, beat / 2)])), snare, 0.25)
    if number == 2:
        pitches = around(1, rng) * np.array([180, 140, 105, 80])
        out = hits(t, every(4 * beat, t), hat, 0.08)
        for count, pitch in enumerate(pitches):
            tom = lambda s, p=pitch: np.sin(2 * np.pi * (p * s + 0.8 * (1 - np.exp(-20 * s)))) * np.exp(-7 * s)  # noqa: E731
            out += hits(t, every(4 * beat, t, count * beat), tom, 0.6)
        return out
    return hits(t, every(beat, t), hat, 0.1) + 2 * hits(t, every(4 * beat, t, 2 * beat), hat, 0.3)


def birds(number: int, t: np.ndarray, rng: Rng) -> np.ndarray:
    pitch = around((640, 3200, 4600, 390)[number], rng)

    def call(s: np.ndarray) -> np.ndarray:
        if number == 0:
            share = np.where(s < 0.22, pitch * 1.25, np.where(s < 0.32, 0, pitch))
            return np.sin(2 * np.pi * np.cumsum(share) / RATE) * (share > 0) * np.exp(-1.5 * s)
        if number == 1:
            return harmonics(np.cumsum(pitch * (1 + 0.25 * np.sin(2 * np.pi * 14 * s) - 0.2 * s)) / RATE, [1, 0.1])
        if number == 2:
            return harmonics(np.cumsum(pitch * np.exp(-5 * s)) / RATE, [1, 0.3]) * np.exp(-12 * s)
        return harmonics(pitch * (s + 0.004 * np.sin(30 * s)), [1, 0.15]) * np.sin(np.pi * np.minimum(s / 0.5, 1)) ** 2

    length, pause = ((0.65, 1.1), (0.5, 0.7), (0.12, 0.2), (0.5, 0.75))[number]
    return hits(t, every(around(pause, rng), t), call, length) + 0.002 * rng.standard_normal(len(t))


def bells(number: int, t: np.ndarray, rng: Rng) -> np.ndarray:
    pitch = around((220, 1250, 900, 2100)[number], rng)
    partials = ((0.5, 1.0, 1.19, 1.5, 2.0, 2.51, 2.66, 3.01, 4.1), (1, 2.76, 5.4), (1, 2.0, 3.93), (1, 1.48, 2.3, 3.2))
    decay, pause = ((1.6, 1.6), (2.5, 0.9), (5.0, 0.24), (14.0, 0.05))[number]
    scale = (0, 2, 4, 7, 9, 12)

    def ring(s: np.ndarray) -> np.ndarray:
        base = pitch * 2 ** (scale[int(rng.integers(6))] / 12) if number == 2 else pitch
        struck = [np.sin(2 * np.pi * base * p * s) * np.exp(-decay * p**0.5 * s) / p for p in partials[number]]
        return sum(struck)

    return hits(t, every(around(pause, rng), t), ring, 3.0 / decay)


def sirens(number: int, t: np.ndarray, rng: Rng) -> np.ndarray:
    low, high = around(620, rng), around(1400, rng)
    if number == 3:
        return harmonics(around(175, rng) * t, [1, 0.9, 0.8, 0.6, 0.5, 0.4]) * (np.sin(2 * np.pi * t / 1.3) > -0.5)
    pace = 2 * np.pi * t / around((2.2, 0.35, 1.0)[number], rng)
    share = (np.sin(pace) > 0).astype(float) if number == 2 else 0.5 + 0.5 * np.sin(pace)
    pitch = low + (high - low) * share * (0.25 if number == 2 else 1)
    return harmonics(np.cumsum(pitch) / RATE, [1, 0.5, 0.4, 0.2, 0.1])


def engines(number: int, t: np.ndarray, rng: Rng) -> np.ndarray:
    turns = around((14, 24, 70, 260)[number], rng)
    phase = turns * t + 0.15 * np.cumsum(rng.standard_normal(len(t))) / RATE**0.5
    pulse = np.exp(-((4.0, 3.0, 2.0, 1.0)[number]) * (phase % 1))
    noise = band(rng.standard_normal(len(t)), 40, (700, 1200, 2500, 7000)[number])
    return pulse * noise / noise.std() + 0.6 * harmonics(phase, [1, 0.8, 0.5, 0.5, 0.3, 0.2])


def noise(number: int, t: np.ndarray, rng: Rng) -> np.ndarray:
    white = rng.standard_normal(len(t))
    if number == 0:
        drops = np.where(rng.random(len(t)) < around(60, rng) / RATE, rng.uniform(2, 12, len(t)), 0)
        splash = np.sin(np.arange(200) / 3) * np.exp(-np.arange(200) / 40)
        return band(white, 1500, 9000) + np.convolve(drops, splash)[: len(t)]
    if number == 1:
        low, high = band(white, 150, 500), band(white, 400, 1200)
        gust = 0.5 + 0.5 * np.sin(2 * np.pi * t / around(1.9, rng))
        return low + 2 * gust * high
    if number == 2:
        return band(white, 60, 4000) * (0.15 + np.sin(np.pi * t / around(2.0, rng)) ** 4)
    return 0.15 * white + np.where(rng.random(len(t)) < around(300, rng) / RATE, 4 * white, 0)


MAKERS = {
    "bells": bells,
    "birds": birds,
    "chords": chords,
    "drums": drums,
    "engines": engines,
    "noise": noise,
    "sirens": sirens,
    "sweeps": sweeps,
    "tones": tones,
}


def write(path: Path, samples: np.ndarray, codec: str = "libopus") -> None:
    """Write samples with one of FFmpeg's coders; the same samples give the same bytes."""
    import av

    with av.open(str(path), "w", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(codec, rate=RATE, layout="mono")
        if codec == "libopus":
            stream.bit_rate = 20_000
        whole = (samples * 32_767).round().astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="mono")
        frame.sample_rate = RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "sounds"
    for kind, names in NAMES.items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(names):
            rng = np.random.default_rng([SEED, sorted(NAMES).index(kind), number])
            suffix, codec = (".flac", "flac") if name == "hats" else (".ogg", "libopus")
            write(folder / kind / f"{name}{suffix}", sound(kind, number, rng), codec)
    write(folder.parent / "owl-in-the-rain.ogg", owl_in_the_rain())


def owl_in_the_rain() -> np.ndarray:
    """Two seconds of a sample sound with another one over it, to search with."""
    owl, rain = (
        sound(kind, NAMES[kind].index(name), np.random.default_rng([SEED, sorted(NAMES).index(kind), number]))
        for kind, name, number in (("birds", "owl", 3), ("noise", "rain", 7))
    )
    heard = owl + 0.15 * rain * np.sqrt(np.mean(owl**2) / np.mean(rain**2))
    return 0.4 * heard[RATE : 3 * RATE]


if __name__ == "__main__":
    main()
