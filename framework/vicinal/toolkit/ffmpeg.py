"""Opens sound and video files by FFmpeg (PyAV), and reads their packets past damaged places."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from vicinal.errors import ItemError

__all__ = ["decode_frames", "decode_packet", "demux", "open_container", "open_file", "require_file", "require_path"]

_MAX_BREAKS = 64
_LENIENT: Any = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}
"""From version 19 on PyAV always keeps bytes that are no UTF-8."""


def require_path(content: Any, noun: str) -> Path:
    """Return the content of an item as a path; ``noun`` says in errors what it should be the path of, "video" say.

    Raises:
        ItemError: it is not a path, or empty.
    """
    if not isinstance(content, str | Path):
        raise ItemError(f"a {noun} must be the path of a file, not {type(content).__name__}")
    if not str(content).strip():
        raise ItemError(f"the path of the {noun} is empty")
    return Path(content)


def require_file(path: Path) -> Path:
    """Return the path of a file that is not empty.

    Raises:
        ItemError: there is no such file, or it is empty.
    """
    if not os.path.isfile(path):  # noqa: PTH113, since Path.is_file raises for a name that is too long
        raise ItemError(f"there is no file {path}")
    if not path.stat().st_size:
        raise ItemError("the file is empty")
    return path


def open_container(path: Path, formats: str) -> Any:
    """Open a container in one of these formats, FFmpeg's names with commas between; use it with ``with``.

    Do not allow playlists (m3u8, concat): they name other files or addresses. Only files can be opened.

    Raises:
        av.error.FFmpegError: the file cannot be read.
    """
    return open_file(path, format_whitelist=formats)


def open_file(path: Path, **options: str) -> Any:
    """Open a container of any format that FFmpeg knows, with its options; texts in it need not be UTF-8.

    Raises:
        av.error.FFmpegError: the file cannot be read.
    """
    return av.open(f"file:{path}", options={**options, "protocol_whitelist": "file"}, **_LENIENT)


def demux(container: Any, stream: Any) -> Iterator[Any]:
    """Yield a stream's packets; after a damaged place, from the next one on that FFmpeg can read.

    Empty packets, by which Theora repeats a frame, are left out; the last one makes a decoder give what it holds back.
    """
    for _ in range(_MAX_BREAKS):
        try:
            yield from (packet for packet in container.demux(stream) if packet.size or packet.dts is None)
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            continue
        return


def decode_packet(stream: Any, packet: Any | None) -> list[Any]:
    """Return the frames that a packet completes, without corrupt ones; for None, those that the decoder holds back.

    Raises:
        av.error.FFmpegError: the packet cannot be decoded.
    """
    try:
        return [frame for frame in stream.decode(packet) if not frame.is_corrupt]
    except av.error.EOFError:
        return []


def decode_frames(container: Any, stream: Any) -> Iterator[Any]:
    """Yield a stream's frames, without those of damaged packets.

    Raises:
        ItemError: more packets are damaged than can be decoded; after the last frame.
    """
    decoded, damaged, reason = 0, 0, ""
    for packet in demux(container, stream):
        try:
            frames = decode_packet(stream, packet)
        except av.error.FFmpegError as error:
            damaged, reason = damaged + 1, str(error.strerror)
        else:
            decoded += bool(frames)
            yield from frames
    if damaged > decoded:
        raise ItemError(f"more of it is damaged than can be decoded: {reason}")
