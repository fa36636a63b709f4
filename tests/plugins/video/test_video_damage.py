"""What is no video, and what is left of a damaged one."""

from __future__ import annotations

import random
import re

import av
import pytest
from PIL import Image

from vicinal import Item, ItemError
from vicinal_video.video import is_video
from video_helpers import (
    SIZE,
    counting_frames,
    make_keyframes,
    numbered_frame,
    sampled_numbers,
    segment_spans,
    write_silence,
    write_video,
)


def decode_error(path, **params):
    with pytest.raises(ItemError) as caught:
        make_keyframes(**params).decode(Item("x", path))
    return str(caught.value)


# --- what is no video


def test_other_files_are_refused_with_a_reason(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is a text, whatever its name says\n" * 50)
    (tmp_path / "noise.mp4").write_bytes(random.Random(1).randbytes(100_000))
    (tmp_path / "list.mp4").write_text(f"#EXTM3U\n#EXTINF:3,\nfile:{tmp_path}/a.ts\n#EXT-X-ENDLIST\n")
    (tmp_path / "concat.mp4").write_text("ffconcat version 1.0\nfile a.mp4\n")
    numbered_frame(1).save(tmp_path / "still.png")
    assert decode_error(tmp_path / "empty.mp4") == "the file is empty"
    for name in ("text.mp4", "noise.mp4", "list.mp4", "concat.mp4", "still.png"):
        assert re.search("not a readable video|a PNG image, not a video", decode_error(tmp_path / name)), name
    for path in (tmp_path / "gone.mp4", tmp_path, "x" * 5000, "http://localhost/a.mp4"):
        assert "there is no file" in decode_error(path)
    for content in (None, 7, b"a.mp4", "", "  "):
        assert decode_error(content)


def write_sound(path, cover=False):
    with av.open(str(path), "w") as container:
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        if cover:
            picture = container.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = 64, 64, "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
            container.mux(picture.encode(av.VideoFrame.from_image(Image.new("RGB", (64, 64), "red"))))
            container.mux(picture.encode(None))
        write_silence(container, audio)
    return path


@pytest.mark.parametrize("cover", [False, True])
def test_sound_is_not_a_video_even_with_cover_art(tmp_path, cover):
    path = write_sound(tmp_path / ("a.mp4" if cover else "a.m4a"), cover)
    assert decode_error(path) == "there is no video stream in it, only audio"
    assert not is_video(path)


def test_video_with_sound(tmp_path):
    path = write_video(tmp_path / "a.mp4", counting_frames(3), sound=True)
    assert sampled_numbers(path)[0] == [(0, 0), (1, 25), (2, 50)]


def test_video_stream_without_frames_is_refused(tmp_path):
    path = write_video(tmp_path / "a.mp4", counting_frames(2))
    head = path.read_bytes()
    (tmp_path / "b.mp4").write_bytes(head[: head.index(b"mdat") + 4])
    assert decode_error(tmp_path / "b.mp4")


def test_too_long_video_is_refused(tmp_path):
    path = write_video(tmp_path / "a.mp4", counting_frames(5))
    for params in ({}, {"keyframes": "scene"}):
        assert decode_error(path, max_seconds=3, **params) == "the video is longer than 3 s (`max_seconds`)"
    assert len(segment_spans(path, max_seconds=5)) == 5


# --- damage


TRUNCATED = ["h264.mp4", "short-gops.mp4", "open-gops.mkv", "h264.ts", "mpeg4.avi", "vp9.webm", "mpeg2.mpg"]


@pytest.mark.parametrize("params", [{}, {"keyframes": "scene", "threshold": 0.05}])
@pytest.mark.parametrize("name", TRUNCATED)
def test_truncated_file_keeps_the_frames_before(tmp_path, written, name, params):
    whole = written(name).read_bytes()
    path = tmp_path / name
    path.write_bytes(whole[: int(0.6 * len(whole))])
    segments = make_keyframes(**params).decode(Item("x", path))
    assert 1 <= segments[-1].start <= 5
    if not params:
        numbers = [number for _, number in sampled_numbers(path)[0]]
        assert numbers == [25 * second for second in range(len(numbers))]


@pytest.mark.parametrize("name", ["short-gops.mp4", "open-gops.mkv", "h264.ts", "vp9.webm"])
def test_damaged_middle_is_left_out(tmp_path, written, name):
    whole = bytearray(written(name).read_bytes())
    first, last = int(0.45 * len(whole)), int(0.55 * len(whole))
    whole[first:last] = bytes(last - first)
    (tmp_path / name).write_bytes(whole)
    starts = [start for start, _ in segment_spans(tmp_path / name)]
    assert starts[0] == 0
    assert starts[-1] == pytest.approx(5, abs=0.5)
    assert len(starts) >= 4


def test_mp4_without_index_is_refused(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:  # without faststart the index comes last
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for image in counting_frames(2):
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode(None))
    (tmp_path / "a.mp4").write_bytes((tmp_path / "a.mp4").read_bytes()[:-200])
    assert "not a readable video" in decode_error(tmp_path / "a.mp4")


def test_bit_flips_give_segments_or_an_item_error(tmp_path, written):
    """Whatever a broken file is, it ends as segments with times or as ItemError."""
    rng = random.Random(5)
    for name in ("h264.mp4", "open-gops.mkv", "h264.ts", "vp9.webm", "mpeg4.avi"):
        whole = written(name).read_bytes()
        for attempt in range(8):
            broken = bytearray(whole)
            for _ in range((1, 20, 400)[attempt % 3]):
                broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
            (tmp_path / name).write_bytes(broken)
            for params in ({}, {"keyframes": "scene"}):
                try:
                    segments = make_keyframes(**params).decode(Item("x", tmp_path / name))
                    starts = [segment.start for segment in segments]
                    assert segments and starts == sorted(starts)
                except ItemError as error:
                    assert str(error)
