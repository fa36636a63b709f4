"""Reading videos: formats, times, rotation, scenes, what is decoded and what is not."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from vicinal import Item
from vicinal_video.decode_plan import Role, plan_decoding
from vicinal_video.frame_convert import FrameConverter
from vicinal_video.keyframes import EncodedFrame
from vicinal_video.sampling import sample_by_interval, sample_by_scene
from video_helpers import (
    FORMATS,
    SIZE,
    counting_frames,
    make_keyframes,
    make_videos,
    numbered_frame,
    open_video,
    read_number,
    sampled_numbers,
    segment_spans,
    shot_frames,
    write_video,
)

# --- formats


@pytest.mark.parametrize("name", FORMATS)
def test_one_frame_a_second(written, name):
    samples, end = sampled_numbers(written(name))
    assert samples == [(second, 25 * second) for second in range(6)]
    assert end == pytest.approx(6, abs=0.05)


@pytest.mark.parametrize("every", [0.1, 0.48, 1.7, 10])
@pytest.mark.parametrize("name", [name for name in FORMATS if name.partition(".")[0] not in ("vp8", "mpeg2", "mjpeg")])
def test_planned_frames_equal_those_of_full_decoding(written, name, every):
    """To the last bit: only frames that nothing depends on are skipped."""
    video = open_video(written(name))
    plan = plan_decoding(*video.index_packets(), every)
    if plan is None:
        assert name == "mpeg4.avi", "it tells no times"
        return
    by_plan = list(video.decode_planned(plan))
    whole = list(sample_by_interval(video.decode_all(), every))
    assert [shown.start for shown in by_plan] == [shown.start for shown in whole]
    for one, other in zip(by_plan, whole, strict=True):
        assert np.array_equal(one.frame.to_ndarray(), other.frame.to_ndarray())


@pytest.mark.parametrize(("name", "share"), [("short-gops.mp4", 0.5), ("key-frames-only.mov", 0.05)])
def test_plan_skips_most_packets(written, name, share):
    plan = plan_decoding(*open_video(written(name)).index_packets(), 1.0)
    assert 0 < sum(role is not Role.SKIPPED for role in plan.roles) / len(plan.roles) < share


def test_no_plan_for_codecs_whose_packets_are_not_frames(written):
    assert plan_decoding(*open_video(written("vp8.webm")).index_packets(), 1.0) is None
    assert plan_decoding(*open_video(written("mjpeg.avi")).index_packets(), 1.0) is None


def test_animated_gif(tmp_path):
    frames = [numbered_frame(number) for number in range(30)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=100, loop=0)
    assert sampled_numbers(tmp_path / "a.gif") == ([(0, 0), (1, 10), (2, 20)], pytest.approx(3, abs=0.11))
    frames[7].save(tmp_path / "one.gif")
    assert [number for _, number in sampled_numbers(tmp_path / "one.gif")[0]] == [7]


def test_transparency_of_an_animated_gif(tmp_path):
    frames = [Image.new("RGBA", SIZE, (255, 0, 0, 0)) for _ in range(3)]
    for number, frame in enumerate(frames):
        frame.paste((0, 0, 255, 255), (0, 0, 30 + number, 64))
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=100, disposal=2)
    shown = next(open_video(tmp_path / "a.gif").decode_all())
    image = FrameConverter(1, 512).to_image(shown.frame)
    assert image.mode == "RGBA"
    assert image.getpixel((80, 30))[3] == 0


# --- times


def test_variable_frame_rate(tmp_path):
    """Ten frames in the first second, nothing for three, then one each half second."""
    times = [0.1 * number for number in range(10)] + [4.0, 4.5, 5.0, 5.5, 6.0]
    for name in ("a.mp4", "a.mkv"):
        frames = [numbered_frame(number) for number in range(len(times))]
        path = write_video(tmp_path / name, frames, codec="libx264", times=times, options={"bf": "2"})
        assert sampled_numbers(path)[0] == [(0, 0), (4, 10), (5, 12), (6, 14)]
        assert segment_spans(path)[:3] == [(0, 4), (4, 5), (5, 6)]


def test_segments_are_contiguous_to_the_end(tmp_path):
    path = write_video(tmp_path / "a.mp4", counting_frames(3.4))
    assert segment_spans(path) == [(0, 1), (1, 2), (2, 3), (3, 3.4)]
    assert segment_spans(path, every=2) == [(0, 2), (2, 3.4)]
    assert segment_spans(path, every=60) == [(0, 3.4)]


@pytest.mark.parametrize("rate", [10, 12, 24, 30, 50])
def test_any_frame_rate(tmp_path, rate):
    path = write_video(tmp_path / "a.mkv", counting_frames(5, rate), rate)  # its times are rounded to a thousandth
    assert sampled_numbers(path)[0] == [(second, rate * second) for second in range(5)]


def test_times_start_at_zero(tmp_path):
    """A transport stream, whose clock begins at 1.4 s by default, and one that begins at an hour."""
    path = write_video(tmp_path / "a.ts", counting_frames(3), times=[3600 + number / 25 for number in range(75)])
    assert [start for start, _ in sampled_numbers(path)[0]] == [0, 1, 2]


def test_concatenated_recordings(tmp_path):
    """Two transport streams in one file: the clock begins anew."""
    for name in ("a", "b"):
        first = 0 if name == "a" else 75
        write_video(
            tmp_path / f"{name}.ts", (numbered_frame(first + number) for number in range(75)), codec="mpeg2video"
        )
    (tmp_path / "both.ts").write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    samples, end = sampled_numbers(tmp_path / "both.ts")
    assert [round(start) for start, _ in samples] == [0, 1, 2, 3, 4, 5]
    assert [number // 25 for _, number in samples] == [0, 1, 2, 3, 4, 5]
    assert end == pytest.approx(6, abs=0.2)


# --- pictures


def corner_colours(image):
    width, height = image.size
    places = ((4, 4), (width - 5, 4), (width - 5, height - 5), (4, height - 5))
    return ["RGBW"[int(np.argmax(image.getpixel(place)))] for place in places]


def frame_with_coloured_corners():
    image = Image.new("RGB", (96, 64), "grey")
    for place, colour in (((0, 0), "red"), ((64, 0), "green"), ((64, 32), "blue")):
        image.paste(colour, (*place, place[0] + 32, place[1] + 32))
    image.paste((130, 120, 120), (0, 32, 32, 64))
    return image


@pytest.mark.parametrize(
    ("rotation", "size", "expected"),
    [(0, (96, 64), "RGBR"), (-90, (64, 96), "RRGB"), (90, (64, 96), "GBRR"), (180, (96, 64), "BRRG")],
)
def test_frames_are_upright(tmp_path, rotation, size, expected):
    path = write_video(tmp_path / "a.mp4", [frame_with_coloured_corners()] * 5, rotation=rotation)
    image = FrameConverter(1, 512).to_image(next(open_video(path).decode_all()).frame)
    assert (image.size, "".join(corner_colours(image))) == (size, expected)


@pytest.mark.parametrize(("aspect", "size"), [(Fraction(2), (192, 64)), (Fraction(1, 2), (96, 128))])
def test_non_square_pixels(tmp_path, aspect, size):
    video = open_video(write_video(tmp_path / "a.mkv", [frame_with_coloured_corners()] * 3, aspect=aspect))
    shown = next(video.decode_all())
    assert FrameConverter(video.pixel_aspect, 512).to_image(shown.frame).size == size


def test_large_frames_are_scaled_down(tmp_path):
    path = write_video(tmp_path / "a.mp4", [numbered_frame(9, (960, 640))] * 2)
    image = FrameConverter(1, 128).to_image(next(open_video(path).decode_all()).frame)
    assert (image.size, read_number(image)) == ((192, 128), 9)
    small = write_video(tmp_path / "b.mp4", [numbered_frame(9)])
    assert FrameConverter(1, 512).to_image(next(open_video(small).decode_all()).frame).size == SIZE


# --- scenes


def test_cuts_are_found(tmp_path):
    path = write_video(tmp_path / "a.mp4", shot_frames("snow", "city", "balloons", "fish", seconds=2), 12)
    assert [shown.start for shown in sample_by_scene(open_video(path).decode_all(), 0.1)] == [0, 2, 4, 6]
    assert segment_spans(path, keyframes="scene") == [(0, 2), (2, 4), (4, 6), (6, 8)]


def test_frame_is_taken_after_a_dissolve(tmp_path):
    black, white = Image.new("RGB", SIZE), Image.new("RGB", SIZE, "white")
    frames = [black] * 25 + [Image.blend(black, white, step / 10) for step in range(10)] + [white] * 25
    path = write_video(tmp_path / "a.mp4", frames)
    found = list(sample_by_scene(open_video(path).decode_all(), 0.2))
    assert [shown.start for shown in found] == [0, pytest.approx(28 / 25)]
    assert found[1].frame.to_image().getpixel((5, 5)) > (250, 250, 250)


def test_short_scenes_between_cuts(tmp_path):
    colours = ["red"] * 25 + ["green"] * 8 + ["blue"] * 2 + ["white"] * 7
    path = write_video(tmp_path / "a.mp4", [Image.new("RGB", SIZE, colour) for colour in colours])
    assert segment_spans(path, keyframes="scene") == [(0, 1), (1, 1.4), (1.4, 1.68)], "two frames are a flicker"


def test_single_frame_is_a_scene(tmp_path):
    path = write_video(tmp_path / "a.mp4", [numbered_frame(3)])
    assert segment_spans(path, keyframes="scene") == segment_spans(path) == [(0, 0.04)]


# --- memory


def test_memory_holds_vectors_and_few_frames(tmp_path):
    path = write_video(tmp_path / "a.mp4", counting_frames(15))
    encoder = make_keyframes(every=0.04)
    segments = encoder.decode(Item("x", path))
    assert len(segments) == 375
    assert sum(not isinstance(segment.sample, EncodedFrame) for segment in segments) == 375 % 64
    vectors = encoder.encode([segment.sample for segment in segments])
    wanted = make_keyframes().image.encode(
        [
            encoder.image.decode(Item("x", FrameConverter(1, 512).to_image(shown.frame)))[0].sample
            for shown in open_video(path).decode_all()
        ]
    )
    assert np.array_equal(vectors, wanted)


# --- the samples


def test_sample_videos_are_reproducible(tmp_path):
    folder = make_videos.Path(make_videos.__file__).parent / "videos"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 10
    assert sum(path.stat().st_size for path in files) < 800_000
    made = make_videos.write(tmp_path / "a.mp4", shot_frames(*make_videos.CLIPS["winter"], seed=1))
    for fresh, committed in zip(
        open_video(made).decode_all(), open_video(folder / "winter.mp4").decode_all(), strict=True
    ):
        apart = np.abs(fresh.frame.to_ndarray().astype(int) - committed.frame.to_ndarray())
        assert apart.mean() < 3
