"""Sounds through a solution: a noisy clip finds its sound and its time, and damaged files are failures."""

from __future__ import annotations

import random

import numpy as np
import pytest

import vicinal_audio
from audio_helpers import DATA, RATE, make_chirp, make_sounds, read_samples, write_sound
from vicinal import Item, Rendering

SOUNDS = DATA / "sounds"
CODECS = [("wav", None), ("mp3", "libmp3lame"), ("m4a", "aac"), ("flac", None)]


@pytest.fixture
def audio(lite):
    if "melstats" not in lite.manager.encoders:
        lite.manager.register(vicinal_audio, "audio")
    return lite


def make_noisy_clip(sound, rng, decibels=25):
    """Half of a sound from a random start, at half the volume, with white noise."""
    length = len(sound) // 2
    start = int(rng.integers(len(sound) - length))
    part = sound[start : start + length]
    noise = rng.standard_normal(length) * np.sqrt(np.mean(part**2)) * 10 ** (-decibels / 20)
    return (0.5 * (part + noise)).astype(np.float32)


def test_a_noisy_clip_finds_its_sound(audio, tmp_path):
    solution = audio.solution(
        source=f"{{type: folder, path: '{SOUNDS}', include: ['**/*.ogg', '**/*.flac']}}",
        encoder="{type: melstats}",
        extra="fields: {folder: varchar(64)}",
    )
    report = solution.ingest()
    assert (report.new, report.failed, report.rows) == (36, 0, 36)
    rng, queries, expected = np.random.default_rng(11), [], []
    for number, path in enumerate(sorted(SOUNDS.glob("*/*.*"))):
        name, codec = CODECS[number % len(CODECS)]
        sound = read_samples(path, 44_100)
        queries.append(write_sound(tmp_path / f"{number}.{name}", make_noisy_clip(sound, rng), 44_100, codec))
        expected.append(path.relative_to(SOUNDS).as_posix())
    results = solution.search(queries, limit=5)
    found = [hits[0].key == key for hits, key in zip(results, expected, strict=True)]
    assert np.mean(found) >= 0.9, [key for key, right in zip(expected, found, strict=True) if not right]
    assert results[0][0].segment is None
    assert solution.ingest().unchanged == 36
    bells = solution.search(SOUNDS / "bells" / "hand.ogg", limit=4, filter='folder == "bells"')
    assert [hit.metadata["folder"] for hit in bells] == ["bells"] * 4
    assert bells[0].similarity == pytest.approx(1, abs=1e-4)


def test_a_clip_finds_its_recording_and_its_time(audio, tmp_path):
    """Two recordings of a minute, each joined from other sounds of six seconds."""
    parts = [(kind, number) for kind in sorted(make_sounds.NAMES) for number in range(4)]
    random.Random(4).shuffle(parts)
    folder = tmp_path / "recordings"
    folder.mkdir()
    positions = {}
    for recording in range(2):
        sounds = []
        for position, (kind, number) in enumerate(parts[10 * recording : 10 * recording + 10]):
            sounds.append(make_sounds.sound(kind, number, np.random.default_rng([9, number]), 6))
            positions[kind, number] = (f"{recording}.flac", 6.0 * position)
        write_sound(folder / f"{recording}.flac", np.concatenate(sounds), make_sounds.RATE)
    solution = audio.solution(
        source=f"{{type: folder, path: '{folder}'}}", encoder="{type: melstats, window: 3, hop: 1.5}"
    )
    assert solution.ingest().rows == 2 * 39
    right = 0
    for (kind, number), (key, start) in positions.items():
        sound = make_sounds.sound(kind, number, np.random.default_rng([9, number]), 6)[make_sounds.RATE :]
        query = write_sound(tmp_path / "query.mp3", sound[: 3 * make_sounds.RATE], make_sounds.RATE, "libmp3lame")
        [first, *_] = solution.search(query, limit=2)
        middle = (first.segment["start"] + first.segment["end"]) / 2
        right += first.key == key and start <= middle <= start + 6
    assert right >= 18, f"{right} of 20"


def test_recordings_that_share_a_jingle_are_told_apart(audio, tmp_path):
    jingle = make_sounds.sound("bells", 0, np.random.default_rng(1), 6)
    folder = tmp_path / "shows"
    folder.mkdir()
    shows = {}
    for number, kind in enumerate(sorted(make_sounds.NAMES)):
        shows[f"{kind}.flac"] = np.concatenate(
            [jingle, make_sounds.sound(kind, number % 4, np.random.default_rng(2), 6)]
        )
        write_sound(folder / f"{kind}.flac", shows[f"{kind}.flac"], make_sounds.RATE)
    solution = audio.solution(
        source=f"{{type: folder, path: '{folder}'}}", encoder="{type: melstats, window: 3, hop: 1.5}"
    )
    solution.ingest()
    for key, sound in shows.items():
        query = write_sound(tmp_path / "query.mp3", sound, make_sounds.RATE, "libmp3lame")
        assert solution.search(query, limit=1)[0].key == key


def test_damaged_files_are_failures_with_reasons(audio, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(6):
        write_sound(folder / f"good-{number}.flac", make_chirp(1.5 + 0.2 * number))
    (folder / "empty.wav").touch()
    (folder / "text.mp3").write_text("this is a text\n" * 100)
    (folder / "junk.ogg").write_bytes(random.Random(2).randbytes(50_000))
    write_sound(folder / "silent.wav", np.zeros(RATE), RATE)
    write_sound(folder / "click.wav", make_chirp(0.005))
    half = write_sound(folder / "half.flac", make_chirp(4)).read_bytes()
    (folder / "half.flac").write_bytes(half[: len(half) // 2])
    solution = audio.solution(source=f"{{type: folder, path: '{folder}'}}", encoder="{type: melstats}")
    report = solution.ingest()
    assert (report.new, report.failed) == (7, 5)
    reasons = {failure.key: failure.message for failure in solution.failures()}
    assert reasons.keys() == {"empty.wav", "text.mp3", "junk.ogg", "silent.wav", "click.wav"}
    assert all(reasons.values())


def test_a_hit_is_rendered_as_audio(audio):
    solution = audio.solution(source=f"{{type: folder, path: '{SOUNDS}'}}", encoder="{type: melstats}")
    rendering = solution.encoder.render(Item("x", SOUNDS / "bells" / "hand.ogg"))
    assert rendering == Rendering("audio", str(SOUNDS / "bells" / "hand.ogg"))
