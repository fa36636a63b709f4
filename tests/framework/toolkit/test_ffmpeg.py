"""Sounds and videos are read past what is damaged, as long as that is the lesser part."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from vicinal.errors import ItemError
from vicinal.toolkit.ffmpeg import decode_frames, open_container, require_file, require_path

PACKETS = 10


@pytest.fixture
def video(tmp_path):
    """A file of ten packets, each a frame that depends on no other."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "1", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = 64, 48, "yuv420p", 1
        for number in range(PACKETS):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * number, np.uint8))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def damage_packets(path, numbers):
    with open_container(path, "mov") as container:
        packets = [packet for packet in container.demux(container.streams.video[0]) if packet.size]
        places = [(packet.pos, packet.size) for packet in packets]
    content = bytearray(path.read_bytes())
    for number in numbers:
        position, size = places[number]
        content[position : position + size] = b"\xff" * size
    path.write_bytes(content)


def decode_numbers(path):
    with open_container(path, "mov") as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        return [round(frame.pts * frame.time_base * 25) for frame in decode_frames(container, stream)]


def test_all_frames_of_a_file(video):
    assert decode_numbers(video) == list(range(PACKETS))


def test_damaged_packets_are_left_out(video):
    damage_packets(video, [0, 3, 4, 9])
    assert decode_numbers(video) == [1, 2, 5, 6, 7, 8]


def test_a_file_of_which_more_is_damaged_is_refused(video):
    damage_packets(video, range(1, 8))
    with pytest.raises(ItemError, match="more of it is damaged than can be decoded: Invalid data"):
        decode_numbers(video)


def test_a_format_that_is_not_allowed_is_not_read(video):
    with pytest.raises(av.error.FFmpegError):
        open_container(video, "matroska,ogg")


def test_paths_and_files_are_required(tmp_path):
    assert require_path("a/b.mp4", "video") == Path("a/b.mp4")
    with pytest.raises(ItemError, match=r"^a video must be the path of a file, not bytes$"):
        require_path(b"a.mp4", "video")
    with pytest.raises(ItemError, match=r"^the path of the sound is empty$"):
        require_path("  ", "sound")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(ItemError, match=r"^the file is empty$"):
        require_file(tmp_path / "empty.mp4")
    for path in (tmp_path, tmp_path / "none.mp4", Path("x" * 5_000)):
        with pytest.raises(ItemError, match=r"^there is no file "):
            require_file(path)
