"""What readers of sounds and of videos share: a file opened by FFmpeg (PyAV), and its packets past what is damaged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from vicinal.errors import ItemError

__all__ = ["demux", "open_container", "require_file"]

_BREAKS = 64


def require_file(path: Path) -> Path:
    """A path, if it is that of a file with something in it.

    Raises:
        ItemError: it is not.
    """
    if not os.path.isfile(path):  # noqa: PTH113, since Path.is_file raises for a name that is too long
        raise ItemError(f"there is no file {path}")
    if not path.stat().st_size:
        raise ItemError("the file is empty")
    return path


def open_container(path: Path, formats: str) -> Any:
    """A container in one of these formats, to be used with ``with``.

    Lists that name other files or addresses (m3u8, concat) are no formats to allow, and only files can be named.

    Raises:
        av.error.FFmpegError: it cannot be read.
    """
    options = {"format_whitelist": formats, "protocol_whitelist": "file"}
    return av.open(f"file:{path}", options=options, metadata_errors="ignore")


def demux(container: Any, stream: Any) -> Iterator[Any]:
    """Packets; after a break, from the next place on at which the file can be taken apart again."""
    for _ in range(_BREAKS):
        try:
            yield from container.demux(stream)
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            continue
        return
