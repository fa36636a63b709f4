"""Opens sound and video files by FFmpeg (PyAV), and reads their packets past damaged places."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from vicinal.errors import ItemError

__all__ = ["demux", "open_container", "require_file"]

_MAX_BREAKS = 64


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
    options = {"format_whitelist": formats, "protocol_whitelist": "file"}
    return av.open(f"file:{path}", options=options, metadata_errors="ignore")


def demux(container: Any, stream: Any) -> Iterator[Any]:
    """Yield a stream's packets; after a damaged place, from the next one on that FFmpeg can read."""
    for _ in range(_MAX_BREAKS):
        try:
            yield from container.demux(stream)
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            continue
        return
