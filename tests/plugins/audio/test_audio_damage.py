"""Files that are no sounds, and how much of a damaged one is read."""

from __future__ import annotations

import random
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile

from audio_helpers import RATE, make_chirp, read_samples, write_sound
from vicinal import Item, ItemError
from vicinal_audio.melstats import MelStats


def failure_message(path, **given):
    with pytest.raises(ItemError) as caught:
        read_samples(path, **given)
    return str(caught.value)


# --- files that are no sounds


def test_files_that_are_no_sounds_fail_with_a_reason(tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is a text, whatever its name says\n" * 50)
    (tmp_path / "noise.mp3").write_bytes(random.Random(1).randbytes(100_000))
    (tmp_path / "list.mp3").write_text(f"#EXTM3U\n#EXTINF:3,\nfile:{tmp_path}/a.mp3\n#EXT-X-ENDLIST\n")
    (tmp_path / "concat.mp3").write_text("ffconcat version 1.0\nfile a.mp3\n")
    write_sound(tmp_path / "a.mp3", make_chirp(), codec="libmp3lame")
    soundfile.write(tmp_path / "none.wav", np.zeros(0, np.float32), 44_100)
    assert failure_message(tmp_path / "empty.wav") == "the file is empty"
    assert "not a sound file" in failure_message(tmp_path / "text.wav")
    assert "damaged" in failure_message(tmp_path / "noise.mp3")
    assert "not a sound file" in failure_message(tmp_path / "list.mp3")
    assert "not a sound file" in failure_message(tmp_path / "concat.mp3")
    assert "no samples" in failure_message(tmp_path / "none.wav")
    assert "there is no file" in failure_message(tmp_path / "gone.wav")
    assert "there is no file" in failure_message(tmp_path)
    assert "there is no file" in failure_message("x" * 5000)
    assert "there is no file" in failure_message("http://localhost/a.mp3")


def test_a_video_without_an_audio_track_fails(tmp_path):
    with av.open(str(tmp_path / "mute.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=64, height=48, pix_fmt="yuv420p")
        for number in range(10):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert failure_message(tmp_path / "mute.mp4") == "the file has no audio track, only video"


def test_content_that_is_no_path_fails():
    for content in (None, 7, b"a.wav", "", "  "):
        with pytest.raises(ItemError):
            MelStats().decode(Item("x", content))


def test_a_click_of_2_ms_is_too_short(tmp_path):
    assert (
        failure_message(write_sound(tmp_path / "a.wav", make_chirp(0.002)))
        == "the sound is too short: 2 ms, at least 5 ms are needed"
    )


def test_a_sound_above_the_maximum_length_fails(tmp_path):
    path = write_sound(tmp_path / "a.wav", make_chirp(5))
    assert "longer than `max_seconds`, 4 s" in failure_message(path, max_seconds=4)
    assert len(read_samples(path, max_seconds=5)) == 5 * RATE


def test_a_sample_rate_of_100_hz_is_too_low(tmp_path):
    soundfile.write(tmp_path / "a.wav", make_chirp(1), 100)
    assert failure_message(tmp_path / "a.wav") == "a sample rate of 100 Hz is too low, at least 2,000 Hz are needed"


@pytest.mark.parametrize(("name", "format_name"), [("a.sds", "MIDI Sample Dump Standard"), ("a.swf", "SWF")])
def test_a_format_that_is_not_read_is_named_with_those_that_are(tmp_path, name, format_name):
    if name == "a.swf":
        write_sound(tmp_path / name, make_chirp(), 44_100, "libmp3lame")
    else:
        soundfile.write(tmp_path / name, make_chirp(1), 44_100, format="SDS", subtype="PCM_16")
    message = failure_message(tmp_path / name)
    assert message.startswith(f"not a sound file that can be read: its format is {format_name}")
    assert "; the formats that are read: AAC, AC-3, AIFF, AMR, ATRAC, " in message
    assert message.endswith("TTA, VOC, WAV, Wave64, WavPack, WMA")


def test_naming_a_format_opens_no_other_file(tmp_path):
    write_sound(tmp_path / "a.mp3", make_chirp(), codec="libmp3lame")
    (tmp_path / "list.cue").write_text("ffconcat version 1.0\nfile a.mp3\n")
    assert failure_message(tmp_path / "list.cue") == "not a sound file that can be read: Invalid argument"


# --- damage


@pytest.mark.parametrize(
    ("name", "codec"), [("a.wav", None), ("a.flac", None), ("a.ogg", None), ("a.mp3", "libmp3lame")]
)
def test_a_file_cut_in_half_is_read_up_to_the_cut(tmp_path, name, codec):
    path = write_sound(tmp_path / name, make_chirp(20), 44_100, codec)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert len(read_samples(path)) / RATE == pytest.approx(10, abs=1.5)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.flac", None), ("a.ogg", None), ("a.mp3", "libmp3lame"), ("a.m4a", "aac")]
)
def test_damage_in_the_middle_is_skipped(tmp_path, name, codec):
    path = write_sound(tmp_path / name, make_chirp(20), 44_100, codec)
    whole = bytearray(path.read_bytes())
    first, last = int(0.4 * len(whole)), int(0.5 * len(whole))
    whole[first:last] = bytes(last - first)
    path.write_bytes(whole)
    assert 15 < len(read_samples(path)) / RATE < 20


def test_an_mp4_without_its_index_fails(tmp_path):
    path = write_sound(tmp_path / "a.m4a", make_chirp(), 44_100, "aac")
    path.write_bytes(path.read_bytes()[:-4000])
    assert "not a sound file" in failure_message(path)


def test_flipped_bits_give_finite_samples_or_a_reason(tmp_path):
    """Whatever a broken file is, it ends as finite samples or as ItemError."""
    rng = random.Random(5)
    for name, codec in (("a.wav", None), ("a.flac", None), ("a.ogg", None), ("a.mp3", "libmp3lame"), ("a.m4a", "aac")):
        whole = write_sound(tmp_path / name, make_chirp(2), 44_100, codec).read_bytes()
        for _ in range(12):
            broken = bytearray(whole)
            for _ in range(rng.choice([1, 20, 400])):
                broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
            (tmp_path / name).write_bytes(broken)
            try:
                assert np.isfinite(read_samples(tmp_path / name, max_seconds=60)).all()
            except ItemError as error:
                assert str(error)
