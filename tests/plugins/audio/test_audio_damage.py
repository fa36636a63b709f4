"""What is no sound, and what is left of a damaged one."""

from __future__ import annotations

import random
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile

from audio_helpers import RATE, chirp, samples_of, write
from vicinal import Item, ItemError
from vicinal_audio.melstats import MelStats


def reason(path, **given):
    with pytest.raises(ItemError) as caught:
        samples_of(path, **given)
    return str(caught.value)


# --- what is no sound


def test_what_is_no_sound(tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is a text, whatever its name says\n" * 50)
    (tmp_path / "noise.mp3").write_bytes(random.Random(1).randbytes(100_000))
    (tmp_path / "list.mp3").write_text(f"#EXTM3U\n#EXTINF:3,\nfile:{tmp_path}/a.mp3\n#EXT-X-ENDLIST\n")
    (tmp_path / "concat.mp3").write_text("ffconcat version 1.0\nfile a.mp3\n")
    write(tmp_path / "a.mp3", chirp(), codec="libmp3lame")
    soundfile.write(tmp_path / "none.wav", np.zeros(0, np.float32), 44_100)
    assert reason(tmp_path / "empty.wav") == "the file is empty"
    assert "not a sound file" in reason(tmp_path / "text.wav")
    assert "damaged" in reason(tmp_path / "noise.mp3")
    assert "not a sound file" in reason(tmp_path / "list.mp3")
    assert "not a sound file" in reason(tmp_path / "concat.mp3")
    assert "no samples" in reason(tmp_path / "none.wav")
    assert "there is no file" in reason(tmp_path / "gone.wav")
    assert "there is no file" in reason(tmp_path)
    assert "there is no file" in reason("x" * 5000)
    assert "there is no file" in reason("http://localhost/a.mp3")


def test_a_film_without_a_sound_track(tmp_path):
    with av.open(str(tmp_path / "mute.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=64, height=48, pix_fmt="yuv420p")
        for number in range(10):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert reason(tmp_path / "mute.mp4") == "there is no sound in it, only video"


def test_a_content_that_is_no_path():
    for content in (None, 7, b"a.wav", "", "  "):
        with pytest.raises(ItemError):
            MelStats().decode(Item("x", content))


def test_a_click_is_too_short(tmp_path):
    assert reason(write(tmp_path / "a.wav", chirp(0.01))) == "the sound is too short: 10 ms"


def test_a_sound_that_is_too_long(tmp_path):
    path = write(tmp_path / "a.wav", chirp(5))
    assert "longer than `longest`, 4 s" in reason(path, longest=4)
    assert len(samples_of(path, longest=5)) == 5 * RATE


def test_a_rate_that_no_sound_has(tmp_path):
    soundfile.write(tmp_path / "a.wav", chirp(1), 100)
    assert "100 Hz" in reason(tmp_path / "a.wav")


# --- damage


@pytest.mark.parametrize(
    ("name", "codec"), [("a.wav", None), ("a.flac", None), ("a.ogg", None), ("a.mp3", "libmp3lame")]
)
def test_a_damaged_tail_keeps_what_comes_before(tmp_path, name, codec):
    path = write(tmp_path / name, chirp(20), 44_100, codec)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert len(samples_of(path)) / RATE == pytest.approx(10, abs=1.5)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.flac", None), ("a.ogg", None), ("a.mp3", "libmp3lame"), ("a.m4a", "aac")]
)
def test_a_hole_in_the_middle_is_left_out(tmp_path, name, codec):
    path = write(tmp_path / name, chirp(20), 44_100, codec)
    whole = bytearray(path.read_bytes())
    first, last = int(0.4 * len(whole)), int(0.5 * len(whole))
    whole[first:last] = bytes(last - first)
    path.write_bytes(whole)
    assert 15 < len(samples_of(path)) / RATE < 20


def test_an_mp4_whose_index_is_cut_off(tmp_path):
    path = write(tmp_path / "a.m4a", chirp(), 44_100, "aac")
    path.write_bytes(path.read_bytes()[:-4000])
    assert "not a sound file" in reason(path)


def test_bit_flips_give_a_sound_or_a_reason(tmp_path):
    """Whatever a broken file is, it ends as finite samples or as ItemError."""
    rng = random.Random(5)
    for name, codec in (("a.wav", None), ("a.flac", None), ("a.ogg", None), ("a.mp3", "libmp3lame"), ("a.m4a", "aac")):
        whole = write(tmp_path / name, chirp(2), 44_100, codec).read_bytes()
        for _ in range(12):
            broken = bytearray(whole)
            for _ in range(rng.choice([1, 20, 400])):
                broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
            (tmp_path / name).write_bytes(broken)
            try:
                assert np.isfinite(samples_of(tmp_path / name, longest=60)).all()
            except ItemError as error:
                assert str(error)
