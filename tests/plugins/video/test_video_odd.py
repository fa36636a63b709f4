"""Videos as cameras, recorders and editors really write them: what players show of them is indexed."""

from __future__ import annotations

import struct

import av
import numpy as np
import pytest
from PIL import Image

from vicinal_video.frame_convert import FrameConverter
from vicinal_video.hdr import tone_map
from vicinal_video.timestamps import repair_outliers
from video_helpers import (
    SIZE,
    counting_frames,
    numbered_frame,
    open_video,
    read_number,
    sampled_numbers,
    segment_spans,
    write_video,
)

PQ, HLG = 16, 18


# --- packets without data


def test_empty_packets_repeat_a_frame(tmp_path):
    """AVI stores a frame that stays as empty packets, as Theora does; they are not damage."""
    path = write_video(tmp_path / "slides.avi", map(numbered_frame, range(4)), 25, "mpeg4", times=[0.0, 0.04, 2.0, 4.0])
    with av.open(str(path)) as container:
        sizes = [packet.size for packet in container.demux(video=0)][:-1]
    assert sizes.count(0) > len(sizes) - 10, "more packets are empty than not"
    frames = [(round(frame.start, 2), read_number(frame.frame)) for frame in open_video(path).decode_all()]
    assert frames == [(0.0, 0), (0.04, 1), (2.0, 2), (4.0, 3)]
    assert [start for start, _ in segment_spans(path)] == [0.0, 2.0, 4.0]


# --- wild times


def copy_with_wild_times(source, path, wild, seconds):
    """Copy a video; the packets with these numbers get a time that is seconds off."""
    with av.open(str(source)) as read, av.open(str(path), "w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        for number, packet in enumerate(read.demux(video=0)):
            if not packet.size:
                continue
            if number in wild:
                packet.pts += round(seconds / packet.time_base)
            packet.stream = stream
            written.mux(packet)
    return path


@pytest.mark.parametrize(
    ("codec", "wild"),
    [(codec, wild) for codec in ("libx264", "mjpeg") for wild in ({70}, {30, 31, 32}, {40, 90, 120})]
    + [("mjpeg", {0})],
)
def test_frames_whose_times_are_hours_off_do_not_move_the_rest(tmp_path, codec, wild):
    """By a plan (H.264), and where all frames are decoded (MJPEG)."""
    pix_fmt = {"pix_fmt": "yuvj420p"} if codec == "mjpeg" else {}
    whole = write_video(tmp_path / "whole.mkv", counting_frames(), 25, codec, **pix_fmt)
    path = copy_with_wild_times(whole, tmp_path / "wild.mkv", wild, 10_800)
    samples, end = sampled_numbers(path)
    assert end == pytest.approx(6, abs=0.1)
    assert [round(start) for start, _ in samples] == list(range(6))
    assert all(abs(number - 25 * second) <= 1 for second, (_, number) in enumerate(samples))


def test_a_time_from_which_the_rest_goes_on_is_kept():
    """A long still, and a time that starts anew."""
    times = [0.0, 0.04, *(300 + 0.04 * number for number in range(10)), *(0.04 * number for number in range(20))]
    assert [start for start, _ in repair_outliers((time, None) for time in times)] == times


# --- display matrices

MATRICES = {
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
}


def set_display_matrix(path, matrix):
    """Write a matrix into the header of an MP4's track."""
    a, b, c, d = (65_536 * value for value in matrix)
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


@pytest.mark.parametrize(("matrix", "transpose"), MATRICES.items())
def test_frames_are_turned_and_mirrored_as_players_show_them(tmp_path, matrix, transpose):
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    pixels[:20, :30] = 255, 0, 0
    pixels[-20:, :30] = 0, 255, 0
    path = write_video(tmp_path / "a.mp4", [Image.fromarray(pixels)] * 3)
    (stored, *_) = open_video(path).decode_all()
    upright = FrameConverter(1, 1000).to_image(stored.frame)
    set_display_matrix(path, matrix)
    (shown, *_) = open_video(path).decode_all()
    assert np.array_equal(FrameConverter(1, 1000).to_image(shown.frame), upright.transpose(transpose))


# --- high dynamic range


def encode_hdr(rgb, transfer):
    """Colours of standard range, of 203 cd/m² at white, in BT.2020 by PQ or HLG (the inverse formulas of BT.2100)."""
    to_bt2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    light = (rgb / 255) ** 2.4 @ to_bt2020.T * 203
    if transfer == PQ:
        power = (light / 10_000) ** 0.1593017578125
        code = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    else:
        display = light / 1000
        luminance = np.maximum(display @ [0.2627, 0.6780, 0.0593], 1e-9)[..., None]
        scene = display * luminance ** (-0.2 / 1.2)
        bright = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
        code = np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)
    return np.round(65_535 * code).astype(np.uint16)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_looks_as_its_version_of_standard_range(transfer):
    rgb = np.random.default_rng(1).integers(0, 240, (64, 96, 3))
    frame = av.VideoFrame.from_ndarray(encode_hdr(rgb, transfer), "rgb48le")
    frame.color_trc = transfer
    shown = np.asarray(FrameConverter(1, 1000).to_image(frame)).astype(int)
    assert np.abs(shown - rgb).mean() < 0.3
    assert np.abs(shown - rgb).max() <= 6, "near black, by the rounded matrices of the standard"


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_highlights_keep_their_order_and_are_never_beyond_white(transfer):
    codes = np.linspace(0, 65_535, 400).astype(np.uint16)
    grey = tone_map(np.stack([codes] * 3, axis=-1)[None], transfer)[0, :, 0].astype(int)
    assert (np.diff(grey) >= 0).all()
    assert grey[0] == 0
    assert 250 <= grey[-1] <= 255
